/// The topic settings of Kafka, with Kafka's defaults.
enum TopicConfigKeys {
    static let all: [ConfigKey] = [
        ConfigKey(
            "cleanup.policy", .list, "delete", broker: "log.cleanup.policy", allowed: ["compact", "delete"],
            "Whether old segments are deleted, compacted by key, or both."),
        ConfigKey(
            "compression.gzip.level", .int, "-1", broker: "compression.gzip.level",
            "Level used when the broker compresses with gzip. Stored; the broker keeps the producer's compression."),
        ConfigKey(
            "compression.lz4.level", .int, "9", broker: "compression.lz4.level",
            "Level used when the broker compresses with lz4. Stored; the broker keeps the producer's compression."),
        ConfigKey(
            "compression.type", .string, "producer", broker: "compression.type",
            allowed: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
            "Compression of the topic. Stored; the broker keeps the producer's compression."),
        ConfigKey(
            "compression.zstd.level", .int, "3", broker: "compression.zstd.level",
            "Level used when the broker compresses with zstd. Stored; the broker keeps the producer's compression."),
        ConfigKey(
            "delete.retention.ms", .long, "86400000", broker: "log.cleaner.delete.retention.ms", minimum: 0,
            "How long delete markers of a compacted topic are kept."),
        ConfigKey(
            "file.delete.delay.ms", .long, "60000", broker: "log.segment.delete.delay.ms", minimum: 0,
            "How long a deleted file waits before it leaves the file system."),
        ConfigKey(
            "flush.messages", .long, "9223372036854775807", broker: "log.flush.interval.messages", minimum: 1,
            "Flush the log after this many records even if no producer waits for it."),
        ConfigKey(
            "flush.ms", .long, "9223372036854775807", broker: "log.flush.interval.ms", minimum: 0,
            "Flush the log after this time even if no producer waits for it."),
        ConfigKey(
            "follower.replication.throttled.replicas", .list, "",
            "Replicas whose copying is throttled on the follower's side. No effect on a single node."),
        ConfigKey(
            "index.interval.bytes", .int, "4096", broker: "log.index.interval.bytes", minimum: 0,
            "Bytes of log between two entries of the offset index."),
        ConfigKey(
            "leader.replication.throttled.replicas", .list, "",
            "Replicas whose copying is throttled on the leader's side. No effect on a single node."),
        ConfigKey(
            "local.retention.bytes", .long, "-2", broker: "log.local.retention.bytes", minimum: -2,
            "Local share of retention with tiered storage, which this broker does not have."),
        ConfigKey(
            "local.retention.ms", .long, "-2", broker: "log.local.retention.ms", minimum: -2,
            "Local share of retention with tiered storage, which this broker does not have."),
        ConfigKey(
            "max.compaction.lag.ms", .long, "9223372036854775807", broker: "log.cleaner.max.compaction.lag.ms",
            minimum: 1, "Longest time a record stays out of reach of compaction."),
        ConfigKey(
            "max.message.bytes", .int, "1048588", broker: "message.max.bytes", minimum: 0,
            "Largest record batch the topic takes, after compression."),
        ConfigKey(
            "message.timestamp.after.max.ms", .long, "3600000", broker: "log.message.timestamp.after.max.ms",
            minimum: 0, "How far a record's timestamp may lie ahead of the broker's clock."),
        ConfigKey(
            "message.timestamp.before.max.ms", .long, "9223372036854775807",
            broker: "log.message.timestamp.before.max.ms", minimum: 0,
            "How far a record's timestamp may lie behind the broker's clock."),
        ConfigKey(
            "message.timestamp.type", .string, "CreateTime", broker: "log.message.timestamp.type",
            allowed: ["CreateTime", "LogAppendTime"], "Whose clock gives the timestamp: the producer's or the broker's."
        ),
        ConfigKey(
            "min.cleanable.dirty.ratio", .double, "0.5", broker: "log.cleaner.min.cleanable.ratio",
            "Share of uncleaned log at which compaction begins."),
        ConfigKey(
            "min.compaction.lag.ms", .long, "0", broker: "log.cleaner.min.compaction.lag.ms", minimum: 0,
            "Shortest time a record stays uncompacted."),
        ConfigKey(
            "min.insync.replicas", .int, "1", broker: "min.insync.replicas", minimum: 1,
            "Replicas that must have a write before acks=all is answered. There is one replica."),
        ConfigKey(
            "preallocate", .boolean, "false", broker: "log.preallocate",
            "Whether segment files are allocated at full size."),
        ConfigKey(
            "remote.storage.enable", .boolean, "false", "Tiered storage, which this broker does not have."),
        ConfigKey(
            "retention.bytes", .long, "-1", broker: "log.retention.bytes", minimum: -1,
            "Bytes a partition may hold before its oldest segments are deleted; -1 for no limit."),
        ConfigKey(
            "retention.ms", .long, "604800000", broker: "log.retention.ms", minimum: -1,
            "Time after which records are deleted; -1 for ever."),
        ConfigKey(
            "segment.bytes", .int, "1073741824", broker: "log.segment.bytes", minimum: 14,
            "Size at which a new segment file is begun."),
        ConfigKey(
            "segment.index.bytes", .int, "10485760", broker: "log.index.size.max.bytes", minimum: 4,
            "Largest size of a segment's index."),
        ConfigKey(
            "segment.jitter.ms", .long, "0", broker: "log.roll.jitter.ms", minimum: 0,
            "Random part taken off segment.ms, so that segments do not roll all at once."),
        ConfigKey(
            "segment.ms", .long, "604800000", broker: "log.roll.ms", minimum: 1,
            "Age at which a new segment file is begun."),
        ConfigKey(
            "unclean.leader.election.enable", .boolean, "false", broker: "unclean.leader.election.enable",
            "Whether a replica that lags may lead. No effect on a single node."),
    ]

    private static let index: [String: Int] = {
        var index: [String: Int] = [:]
        for (position, key) in all.enumerated() { index[key.name] = position }
        return index
    }()

    static func key(_ name: String) -> ConfigKey? { index[name].map { all[$0] } }

    /// What is wrong with a topic setting; nil if nothing is.
    static func fault(name: String, value: String?) -> String? {
        guard let key = key(name) else { return "Unknown topic config name: \(name)" }
        guard let value else { return "Null value not supported for topic configs: \(name)" }
        return key.fault(in: value)
    }
}
