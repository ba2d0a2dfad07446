internal import KafkaProtocol
internal import NIOCore

/// What a partition's lock protects: the segments, the offsets, the producers.
struct LogState {
    let name: LogName
    let directory: String
    let fileSystem: any FileSystem
    var configuration: LogConfiguration

    /// In the order of their offsets; the last one is written to. Never empty once loaded.
    var segments: [LogSegment] = []
    var logStartOffset: Int64 = 0
    var logEndOffset: Int64 = 0
    var flushedOffset: Int64 = 0
    var producers = ProducerStateManager()
    /// The aborted transactions by the base offset of the segment that holds their markers, read when needed.
    var transactionIndexes: [Int64: TransactionIndex] = [:]
    /// How often compaction has put a segment into the place of others.
    var replacements = 0
    /// Offsets of the snapshot files, ascending.
    var snapshots: [Int64] = []
    /// Set when bytes may be lost: nothing is appended or acknowledged from then on.
    var failure: StorageError?
    var isClosed = false
    /// Folders with entries that are not durable yet: synced by the next flush.
    var directoriesToSync: Set<String> = [] { didSet { directoryChanges += 1 } }
    /// Counts the changes, so that a flush knows whether it has synced all of them.
    var directoryChanges = 0
    /// The recovery point in the checkpoint file. Only what is below it may be compacted: above it, a recovery takes a gap
    /// between segments for a loss.
    var checkpointedOffset: Int64 = 0
    /// Index files of sealed segments that are not durable yet: synced by the next flush.
    var filesToSync: [any StorageFile] = []
    /// Files of segments that are deleted: to be removed outside the lock.
    var doomedFiles: [String] = []
    /// Records appended since the last flush was asked for.
    var unflushedRecords: Int64 = 0
    /// When the first of the records that are not flushed was appended.
    var dirtySince: Int64 = 0

    init(name: LogName, directory: String, configuration: LogConfiguration, fileSystem: any FileSystem) {
        self.name = name
        self.directory = directory
        self.configuration = configuration
        self.fileSystem = fileSystem
    }

    var active: LogSegment { segments[segments.count - 1] }

    func checkUsable() throws(StorageError) {
        if let failure { throw failure }
        if isClosed { throw StorageError(.closed, "\(name) is closed") }
    }

    /// Takes no more appends, and acknowledges nothing more.
    mutating func fail(_ error: StorageError) {
        guard failure == nil else { return }
        failure = StorageError(
            error.code == .diskFull ? .io : error.code,
            "\(name) takes no more writes since an earlier failure, and nothing unacknowledged will be acknowledged; "
                + "restart the broker when the disk is sound. The failure: \(error.message)", errno: error.errno)
    }

    // MARK: Append

    mutating func append(_ batch: PreparedBatch) throws(StorageError) -> LogAppendInfo {
        try checkUsable()
        if case .duplicate(let known) = try producers.check(batch.header, isTrusted: batch.isVerified) {
            let appendTime = configuration.messageTimestampType == .logAppendTime ? known.timestamp : -1
            return LogAppendInfo(
                baseOffset: known.firstOffset, lastOffset: known.lastOffset, logAppendTime: appendTime,
                logStartOffset: logStartOffset, isDuplicate: true)
        }
        // A coordinator that knows of it has to vouch for the first batch of a transaction, or the transaction may never end.
        if batch.header.isTransactional, !batch.isVerified, !producers.hasOpenTransaction(batch.header) {
            throw StorageError(
                .unverifiedTransaction, "\(name): producer \(batch.header.producerId) has no open transaction here")
        }
        let baseOffset = logEndOffset
        let lastOffset = baseOffset + Int64(batch.header.lastOffsetDelta)
        let mustRoll = try active.shouldRoll(
            adding: batch.header.totalSize, lastOffset: lastOffset, maxTimestamp: batch.header.maxTimestamp,
            now: batch.now, configuration)
        if mustRoll { try roll(now: batch.now) }
        try write(batch, at: baseOffset)
        let completed = producers.record(batch.header, baseOffset: baseOffset, marker: batch.marker)
        if flushedOffset == logEndOffset { dirtySince = batch.now }
        logEndOffset = lastOffset + 1
        unflushedRecords += Int64(batch.header.lastOffsetDelta) + 1
        if let completed {
            // Without its entry the records would pass for committed ones.
            do throws(StorageError) { try note(completed) } catch {
                fail(error)
                throw error
            }
        }
        return LogAppendInfo(
            baseOffset: baseOffset, lastOffset: lastOffset, logAppendTime: batch.logAppendTime,
            logStartOffset: logStartOffset, isDuplicate: false)
    }

    /// Writes the batch with its offset and leader epoch. Those are in the first 16 bytes: they go out from beside the
    /// request's buffer, so that the batch itself is neither copied nor changed.
    private mutating func write(_ batch: PreparedBatch, at baseOffset: Int64) throws(StorageError) {
        var prefix: [UInt8] = []
        prefix.reserveCapacity(16)
        prefix.appendBigEndian(baseOffset)
        prefix.appendBigEndian(batch.header.batchLength)
        prefix.appendBigEndian(batch.leaderEpoch)
        let segment = active
        var failure: LogSegment.AppendFailure?
        batch.bytes.withUnsafeReadableBytes { bytes in
            prefix.withUnsafeBytes { prefix in
                do throws(LogSegment.AppendFailure) {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[prefix.count...])
                    try segment.append(prefix, rest, header: batch.header, baseOffset: baseOffset)
                } catch {
                    failure = error
                }
            }
        }
        if let failure {
            if !failure.isUndone { fail(failure.error) }
            throw failure.error
        }
        // The batch is in the log; indexes that could not be written stay in memory until the next attempt.
        try? segment.storeIndexesIfLarge()
    }

    /// Seals the active segment and begins one at the log's end.
    mutating func roll(now: Int64) throws(StorageError) {
        filesToSync += try active.storeIndexes(isFinal: true)
        try writeSnapshot()
        try addSegment(at: logEndOffset, now: now)
    }

    mutating func addSegment(at offset: Int64, now: Int64) throws(StorageError) {
        try syncDirectories()
        let segment = LogSegment(
            baseOffset: offset, size: 0, created: now, directory: directory, fileSystem: fileSystem,
            indexInterval: configuration.indexIntervalBytes)
        do throws(StorageError) {
            try segment.create()
        } catch {
            // An empty file of this name would pass for the log's end once the segment before it has grown.
            do throws(StorageError) { try segment.delete() } catch { fail(error) }
            throw error
        }
        directoriesToSync.insert(directory)
        segments.last?.isSealed = true
        segments.append(segment)
    }

    /// Makes names durable that no flush has made so, before another file is created: a file system may keep the newer
    /// of two names and lose the older one, and the log would have a hole. Where flushes are common there is nothing to do.
    private mutating func syncDirectories() throws(StorageError) {
        guard !segments.isEmpty, !directoriesToSync.isEmpty else { return }
        do throws(StorageError) {
            for path in directoriesToSync { try fileSystem.syncDirectory(path) }
        } catch {
            fail(error)
            throw error
        }
        directoriesToSync = []
    }

    /// Whether `flush.messages` records have come together; asking starts the count anew.
    mutating func takeFlushDue() -> Bool {
        guard unflushedRecords >= configuration.flushMessages else { return false }
        unflushedRecords = 0
        return true
    }

    // MARK: Flush

    /// What a flush has to sync, and the offset that is durable then.
    struct FlushWork {
        var files: [any StorageFile]
        var directories: Set<String>
        var directoryChanges: Int
        var endOffset: Int64
    }

    /// Nil if everything before `offset` is durable already.
    mutating func beginFlush(upTo offset: Int64) throws(StorageError) -> FlushWork? {
        try checkUsable()
        guard flushedOffset < min(offset, logEndOffset) else { return nil }
        var work = FlushWork(
            files: filesToSync, directories: directoriesToSync, directoryChanges: directoryChanges,
            endOffset: logEndOffset)
        for (index, segment) in segments.enumerated() {
            let end = index + 1 < segments.count ? segments[index + 1].baseOffset : logEndOffset
            if end > flushedOffset { work.files.append(try segment.file()) }
        }
        filesToSync = []
        unflushedRecords = 0
        return work
    }

    mutating func endFlush(_ work: FlushWork, now: Int64) {
        guard failure == nil else { return }
        flushedOffset = max(flushedOffset, work.endOffset)
        if directoryChanges == work.directoryChanges, !directoriesToSync.isEmpty { directoriesToSync = [] }
        dirtySince = now
    }

    // MARK: Checkpoint and close

    /// Writes what shortens a recovery. The files that are returned must be synced before the recovery point is written.
    mutating func checkpoint() throws(StorageError) -> [any StorageFile] {
        try checkUsable()
        if snapshots.last != logEndOffset, !producers.producers.isEmpty { try writeSnapshot() }
        return try active.storeIndexes(isFinal: false)
    }

    /// As a checkpoint, for a log that is closed: all files are written, the last time entry too.
    mutating func prepareClose() throws(StorageError) -> [any StorageFile] {
        try writeSnapshot()
        // A log that nothing was appended to has had no flush to make its names durable.
        try syncDirectories()
        return try filesToSync + active.storeIndexes(isFinal: true)
    }

    /// Writes the producers' state at the log's end, and removes snapshots that nothing needs: those that are neither the
    /// newest nor at the beginning of a segment.
    mutating func writeSnapshot() throws(StorageError) {
        guard snapshots.last != logEndOffset else { return }
        try storeTransactionIndexes()
        let path = "\(directory)/\(LogFileNames.name(logEndOffset, LogFileNames.snapshot))"
        let file = try fileSystem.open(path, create: true)
        try file.truncate(to: 0)
        try file.write(producers.encodeSnapshot(), at: 0)
        let bases = Set(segments.map(\.baseOffset))
        for offset in snapshots where !bases.contains(offset) { try removeSnapshot(offset) }
        snapshots = snapshots.filter(bases.contains) + [logEndOffset]
    }

    func removeSnapshot(_ offset: Int64) throws(StorageError) {
        try fileSystem.remove("\(directory)/\(LogFileNames.name(offset, LogFileNames.snapshot))")
    }
}
