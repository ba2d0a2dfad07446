public import KafkaProtocol

/// How one partition's log behaves: Kafka's topic settings with Kafka's defaults.
public struct LogConfiguration: Sendable, Equatable {
    /// What happens to old records (`cleanup.policy`).
    public struct CleanupPolicy: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt8
        /// A policy of these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Segments are deleted by age and size.
        public static let delete = CleanupPolicy(rawValue: 1)
        /// The last record of every key is kept.
        public static let compact = CleanupPolicy(rawValue: 2)
    }

    /// `segment.bytes`: size at which a new segment is begun.
    public var segmentBytes = 1_073_741_824
    /// `segment.ms`: age at which a new segment is begun.
    public var segmentMs: Int64 = 604_800_000
    /// `index.interval.bytes`: bytes of log between two index entries.
    public var indexIntervalBytes = 4096
    /// `segment.index.bytes`: size of an index at which a new segment is begun.
    public var segmentIndexBytes = 10_485_760
    /// `retention.ms`: age at which a segment is deleted; -1 for never.
    public var retentionMs: Int64 = 604_800_000
    /// `retention.bytes`: size of the log from which old segments are deleted; -1 for no limit.
    public var retentionBytes: Int64 = -1
    /// `cleanup.policy`.
    public var cleanupPolicy: CleanupPolicy = .delete
    /// `max.message.bytes`: largest batch that is accepted.
    public var maxMessageBytes = 1_048_588
    /// `message.timestamp.type`.
    public var messageTimestampType = TimestampType.createTime
    /// `message.timestamp.after.max.ms`: how far a batch's largest timestamp may be ahead of the broker's clock.
    public var messageTimestampAfterMaxMs: Int64 = 3_600_000
    /// `flush.messages`: records after which the log is flushed without anyone having asked.
    public var flushMessages = Int64.max
    /// `flush.ms`: time after which the log is flushed without anyone having asked.
    public var flushMs = Int64.max
    /// `producer.id.expiration.ms`: time after which an idle producer's sequence numbers are forgotten.
    public var producerIDExpirationMs: Int64 = 86_400_000

    /// `min.cleanable.dirty.ratio`: share of a compacted log that has not been cleaned, above which it is.
    public var minCleanableDirtyRatio = 0.5
    /// `min.compaction.lag.ms`: time for which a record is not compacted.
    public var minCompactionLagMs: Int64 = 0
    /// `max.compaction.lag.ms`: time after which a record is due for compaction, whatever the ratio.
    public var maxCompactionLagMs = Int64.max
    /// `delete.retention.ms`: how long tombstones are kept, counted from the first cleaning that meets them.
    public var deleteRetentionMs: Int64 = 86_400_000
    /// Size from which a compacted log's active segment is sealed before `segment.bytes` if it is most of the log. Not a
    /// setting of Kafka, whose topics of the default 1 GiB would not be cleaned for a week.
    public var compactionRollBytes: Int64 = 16 << 20

    /// Age at which a new segment is begun: a compacted log seals its segments in time for `max.compaction.lag.ms`.
    var rollMs: Int64 { cleanupPolicy.contains(.compact) ? min(segmentMs, maxCompactionLagMs) : segmentMs }

    /// Kafka's defaults.
    public init() {}

    /// The defaults overlaid with a topic's own settings, which carry Kafka's names. Names that do not concern the log are
    /// passed over.
    /// - Throws: `.invalidConfiguration` that names the setting, its value and what is allowed.
    public init(
        topicConfig: [String: String], defaults: LogConfiguration = LogConfiguration()
    ) throws(StorageError) {
        self = defaults
        for (name, value) in topicConfig {
            try set(name, to: value)
        }
    }

    private mutating func set(_ name: String, to value: String) throws(StorageError) {
        switch name {
        case "segment.bytes": segmentBytes = try Self.number(name, value, 14...Int(Int32.max))
        case "segment.ms": segmentMs = try Self.number(name, value, 1...Int64.max)
        case "index.interval.bytes": indexIntervalBytes = try Self.number(name, value, 0...Int(Int32.max))
        case "segment.index.bytes": segmentIndexBytes = try Self.number(name, value, 4...Int(Int32.max))
        case "retention.ms": retentionMs = try Self.number(name, value, -1...Int64.max)
        case "retention.bytes": retentionBytes = try Self.number(name, value, -1...Int64.max)
        case "max.message.bytes": maxMessageBytes = try Self.number(name, value, 0...Int(Int32.max))
        case "message.timestamp.after.max.ms":
            messageTimestampAfterMaxMs = try Self.number(name, value, 0...Int64.max)
        case "flush.messages": flushMessages = try Self.number(name, value, 1...Int64.max)
        case "flush.ms": flushMs = try Self.number(name, value, 0...Int64.max)
        case "min.compaction.lag.ms": minCompactionLagMs = try Self.number(name, value, 0...Int64.max)
        case "max.compaction.lag.ms": maxCompactionLagMs = try Self.number(name, value, 1...Int64.max)
        case "delete.retention.ms": deleteRetentionMs = try Self.number(name, value, 0...Int64.max)
        case "min.cleanable.dirty.ratio":
            guard let ratio = Double(value), (0...1).contains(ratio) else {
                throw Self.invalid(name, value, "a number from 0 to 1")
            }
            minCleanableDirtyRatio = ratio
        case "cleanup.policy": cleanupPolicy = try Self.policy(value)
        case "message.timestamp.type":
            guard let type = TimestampType(name: value) else {
                throw Self.invalid(name, value, "CreateTime or LogAppendTime")
            }
            messageTimestampType = type
        default: break
        }
    }

    private static func number<T: FixedWidthInteger>(
        _ name: String, _ value: String, _ range: ClosedRange<T>
    ) throws(StorageError) -> T {
        guard let number = T(value), range.contains(number) else {
            throw invalid(name, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func policy(_ value: String) throws(StorageError) -> CleanupPolicy {
        var policy: CleanupPolicy = []
        for part in value.split(separator: ",", omittingEmptySubsequences: false) {
            switch part.drop(while: { $0 == " " }) {
            case "delete": policy.insert(.delete)
            case "compact": policy.insert(.compact)
            default: throw invalid("cleanup.policy", value, "delete, compact or both")
            }
        }
        return policy
    }

    private static func invalid(_ name: String, _ value: String, _ allowed: String) -> StorageError {
        StorageError(.invalidConfiguration, "Invalid value \(value) for configuration \(name): it takes \(allowed)")
    }
}
