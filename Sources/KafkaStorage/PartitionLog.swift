public import KafkaProtocol
public import NIOCore
internal import Synchronization

/// The log of one partition: segments in Kafka's layout, one lock around their state.
///
/// Reads hold the lock only to find their segment. A write holds it for its one call to the system. Flushing does not hold it
/// while the device works. The high watermark is the log's end: there are no other replicas to wait for.
public final class PartitionLog: Sendable {
    /// Topic and partition.
    public let name: LogName
    /// What opening the log had to repair.
    public let recovery: LogRecoveryReport

    let state: Mutex<LogState>
    /// Held during a flush, so that flushes of one log do not overlap.
    private let flushing = Mutex(())
    /// Held while files of deleted or compacted segments are removed and renamed.
    let removing = Mutex(())
    let services: LogServices

    /// Opens the log in `directory`, which must exist, and recovers it.
    ///
    /// The names in `directoriesToSync` are made durable by the first flush.
    init(
        name: LogName, directory: String, configuration: LogConfiguration, services: LogServices, known: KnownLog,
        directoriesToSync: Set<String>
    ) throws(StorageError) {
        self.name = name
        self.services = services
        var state = LogState(
            name: name, directory: directory, configuration: configuration, fileSystem: services.fileSystem)
        state.directoriesToSync = directoriesToSync
        recovery = try state.load(known, now: services.now())
        self.state = Mutex(state)
    }

    // MARK: Offsets

    /// The first offset that can be read.
    public var logStartOffset: Int64 { state.withLock { $0.logStartOffset } }
    /// The offset that the next record gets.
    public var logEndOffset: Int64 { state.withLock { $0.logEndOffset } }
    /// The offset up to which consumers read: the log's end.
    public var highWatermark: Int64 { logEndOffset }
    /// The offset up to which read_committed consumers read: where the oldest open transaction begins, or the log's end.
    public var lastStableOffset: Int64 { state.withLock { $0.lastStableOffset } }
    /// The offset below which everything is on the device.
    public var flushedOffset: Int64 { state.withLock { $0.flushedOffset } }
    /// Bytes in all segments, without indexes.
    public var size: Int64 { state.withLock { $0.segments.reduce(0) { $0 + $1.size } } }
    /// Number of segments, the active one included.
    public var segmentCount: Int { state.withLock { $0.segments.count } }

    /// The log's settings; new ones hold from the next append on.
    public var configuration: LogConfiguration {
        get { state.withLock { $0.configuration } }
        set { state.withLock { $0.configuration = newValue } }
    }

    // MARK: Writing

    /// Appends one batch: assigns its offsets and writes it. The batch is on the device after the next flush.
    ///
    /// A batch that its idempotent producer has sent before is not written again: the result has the offsets of then and
    /// `isDuplicate`. It too is acknowledged only when the log is flushed up to its offset.
    /// - Parameters:
    ///   - batch: exactly one batch. It is not changed.
    ///   - leaderEpoch: stored in the batch.
    ///   - validated: the header, if the caller has checked the batch with `RecordBatches.validateForAppend`; otherwise
    ///     structure and checksum are checked here.
    ///   - isVerified: the transaction coordinator knows that this partition is part of the producer's transaction. Without
    ///     its word a batch that would begin a transaction is refused (KIP-890).
    /// - Returns: the offsets that the batch has in the log.
    /// - Throws: `.messageTooLarge`, `.corruptRecord`, `.invalidRecord`, `.invalidTimestamp`, `.outOfOrderSequence`,
    ///   `.invalidProducerEpoch`, `.invalidTransactionState`, `.unverifiedTransaction`: nothing was written; `.diskFull`, `.io`: nothing is left of the batch and the log goes on,
    ///   unless the write could not be undone or a flush has failed: then the log takes no more appends until it is opened
    ///   again.
    public func append(
        _ batch: ByteBuffer, leaderEpoch: Int32 = 0, validated: RecordBatchHeader? = nil, isVerified: Bool = false
    ) throws(StorageError) -> LogAppendInfo {
        let configuration = self.configuration
        let now = services.now()
        let header = if let validated { validated } else { try Self.validate(batch, configuration) }
        guard header.totalSize == batch.readableBytes else {
            throw StorageError(.invalidRecord, "\(batch.readableBytes) bytes with a batch of \(header.totalSize)")
        }
        guard header.totalSize <= min(configuration.maxMessageBytes, configuration.segmentBytes) else {
            throw StorageError(
                .messageTooLarge,
                "\(name): a batch of \(header.totalSize) bytes; max.message.bytes is \(configuration.maxMessageBytes), "
                    + "segment.bytes \(configuration.segmentBytes)")
        }
        var prepared = PreparedBatch(
            header: header, bytes: batch, logAppendTime: -1, leaderEpoch: leaderEpoch, now: now)
        prepared.isVerified = isVerified
        if configuration.messageTimestampType == .logAppendTime {
            try prepared.setLogAppendTime(now)
        } else if header.maxTimestamp > now, header.maxTimestamp - now > configuration.messageTimestampAfterMaxMs {
            throw StorageError(
                .invalidTimestamp,
                "\(name): timestamp \(header.maxTimestamp) is \(header.maxTimestamp - now) ms ahead of the broker's clock"
            )
        }
        let (info, isFlushDue) = try state.withLock { state throws(StorageError) in
            let info = try state.append(prepared)
            return (info, state.takeFlushDue())
        }
        if isFlushDue { services.flusher?.flush(self, upTo: info.lastOffset + 1) { _ in } }
        return info
    }

    private static func validate(
        _ batch: ByteBuffer, _ configuration: LogConfiguration
    ) throws(StorageError) -> RecordBatchHeader {
        var rules = AppendRules(maxMessageBytes: configuration.maxMessageBytes)
        rules.requiresKeys = configuration.cleanupPolicy.contains(.compact)
        rules.checksRecords = rules.requiresKeys
        do throws(RecordError) {
            return try RecordBatches.validateForAppend(batch, rules: rules)
        } catch {
            throw StorageError(error)
        }
    }

    /// Returns when everything appended before the call is on the device.
    ///
    /// A failure is final: after it the device's copy is unknown, and later syncs report success without having written
    /// the lost pages. The log refuses appends and flushes until it is opened again.
    public func flush() throws(StorageError) {
        try flush(upTo: logEndOffset)
    }

    func flush(upTo offset: Int64) throws(StorageError) {
        try flushing.withLock { _ throws(StorageError) in
            let work = try state.withLock { state throws(StorageError) in
                try state.beginFlush(upTo: offset)
            }
            guard let work else { return }
            do throws(StorageError) {
                for file in work.files { try file.sync() }
                for directory in work.directories { try services.fileSystem.syncDirectory(directory) }
            } catch {
                state.withLock { $0.fail(error) }
                throw error
            }
            state.withLock { $0.endFlush(work, now: services.now()) }
        }
    }

    // MARK: Deleting

    /// Deletes the segments that `retention.ms` and `retention.bytes` allow, and forgets idle producers.
    /// - Returns: number of segments deleted.
    @discardableResult
    public func applyRetention(now: Int64) throws(StorageError) -> Int {
        let count = try state.withLock { state throws(StorageError) in try state.applyRetention(now: now) }
        if count > 0 {
            // Before the files: of files that are removed together a crash can bring back any.
            try services.persistLogStartOffsets?()
            removeDoomedFiles()
        }
        return count
    }

    /// Makes `offset` the log's first and deletes the segments before it; -1 stands for the log's end.
    /// - Returns: the log's first offset. It is durable when this returns.
    /// - Throws: `.offsetOutOfRange` if `offset` is behind the log's end.
    @discardableResult
    public func deleteRecords(before offset: Int64) throws(StorageError) -> Int64 {
        let start = try state.withLock { state throws(StorageError) in try state.deleteRecords(before: offset) }
        try services.persistLogStartOffsets?()
        removeDoomedFiles()
        return start
    }

    private func removeDoomedFiles() {
        removing.withLock { _ in
            let paths = state.withLock { state in
                defer { state.doomedFiles = [] }
                return state.isClosed ? [] : state.doomedFiles
            }
            // Oldest first. What cannot be removed is found when the log is opened again, and deleted by the next retention.
            for path in paths { try? services.fileSystem.remove(path) }
        }
    }

    // MARK: Closing

    /// Writes indexes and producer state, so that a recovery reads little, and tells what the checkpoint files hold.
    func checkpoint() throws(StorageError) {
        let files = try state.withLock { state throws(StorageError) in try state.checkpoint() }
        for file in files { try file.sync() }
    }

    /// Flushes the log and leaves it so that opening it again needs no recovery. The log takes no calls afterwards.
    public func close() throws(StorageError) {
        guard !state.withLock({ $0.isClosed }) else { return }
        try flush()
        let files = try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { return [any StorageFile]() }
            let files = try state.prepareClose()
            state.isClosed = true
            return files
        }
        for file in files { try file.sync() }
        removing.withLock { _ in }
    }

    /// Refuses all later calls; for a log whose folder goes away. Nothing touches the folder when this has returned: a new
    /// log may take its place.
    func abandon() {
        state.withLock { $0.isClosed = true }
        removing.withLock { _ in }
    }

    /// Whether a flush is overdue by `flush.ms`, or compaction waits for one.
    func isFlushOverdue(now: Int64) -> Bool {
        state.withLock { state in
            if state.awaitsFlushForCompaction { return true }
            return state.flushedOffset < state.logEndOffset && state.configuration.flushMs != .max
                && now - state.dirtySince >= state.configuration.flushMs
        }
    }

    /// The checkpoint file has this recovery point.
    func noteCheckpoint(_ recoveryPoint: Int64) { state.withLock { $0.checkpointedOffset = recoveryPoint } }
}

/// What logs share.
struct LogServices: Sendable {
    var fileSystem: any FileSystem
    var now: @Sendable () -> Int64
    var flusher: LogFlusher?
    var persistLogStartOffsets: (@Sendable () throws(StorageError) -> Void)?
}

/// A batch that has been checked, on its way into the log.
struct PreparedBatch {
    var header: RecordBatchHeader
    var bytes: ByteBuffer
    var logAppendTime: Int64
    var leaderEpoch: Int32
    var now: Int64
    /// What a control batch says.
    var marker: EndTransactionMarker?
    /// Whether the batch may begin a transaction.
    var isVerified = false

    mutating func setLogAppendTime(_ time: Int64) throws(StorageError) {
        do throws(RecordError) {
            try RecordBatches.patchTimestamp(&bytes, logAppendTime: time)
            header = try RecordBatchHeader(parsing: bytes)
        } catch {
            throw StorageError(error)
        }
        logAppendTime = time
    }
}
