public import Logging
internal import KafkaProtocol
internal import Synchronization

/// A broker's data folder: Kafka's layout, held by one process at a time.
///
/// `<topic>-<partition>/` with the logs, `meta.properties`, the checkpoint files, `.lock` while a process uses the folder, and
/// `.kafka_cleanshutdown` after it was closed in order.
public final class LogDirectory: Sendable {
    /// How to open a data folder.
    public struct Options: Sendable {
        /// This node's id; a folder of another node is refused.
        public var nodeID: Int32 = 1
        /// The cluster's id for a new folder, and the one an existing folder must have; nil makes one or takes what is there.
        public var clusterID: String?
        /// Milliseconds since 1970.
        public var clock: @Sendable () -> Int64 = { WallClock.now() }
        /// Bytes that compaction reads in one call of `maintain`, about.
        public var cleaningBytesPerRound: Int64 = 512 << 20
        /// Keys that one pass of compaction can tell apart; each takes up to 48 bytes of memory while it runs. A log with
        /// more is cleaned in several passes.
        public var cleanerKeys = 1 << 20
        /// Told about repairs.
        public var logger = Logger(label: "sluice.storage")

        /// Node 1, any cluster, the system's clock.
        public init() {}
    }

    private struct State {
        var logs: [LogName: PartitionLog] = [:]
        /// From the checkpoint files, kept up to date for logs that are not open.
        var recoveryPoints: [LogName: Int64]
        /// Whether there was a file with recovery points at the start.
        var hasRecoveryPoints: Bool
        var logStarts: [LogName: Int64]
        /// Logs that were closed in order and have not been opened since.
        var clean: Set<LogName>
        /// Logs that were not closed in order and have not been looked at since.
        var unchecked: Set<LogName>
        var isClosed = false
    }

    static let lockFile = ".lock"
    static let cleanShutdownFile = ".kafka_cleanshutdown"

    /// The folder.
    public let path: String
    /// The cluster's id, in Kafka's base64 form of a UUID.
    public let clusterID: String
    /// The node's id.
    public let nodeID: Int32
    /// Whether the folder was closed in order before.
    public let wasCleanShutdown: Bool
    /// Flushes this folder's logs.
    public let flusher = LogFlusher()

    private let fileSystem: any FileSystem
    private let options: Options
    let cleaner: LogCleaner
    private let lock: Mutex<(any FileLock)?>
    private let state: Mutex<State>
    /// Held while the checkpoint files are written.
    private let checkpointing = Mutex(())

    /// Opens a data folder, creating it if it is absent.
    /// - Throws: `.locked` if another process uses it, `.permissionDenied` if it cannot be written, `.inconsistentIdentity` if
    ///   it belongs to another node or cluster. The messages name the folder and what to do.
    public static func open(
        path: String, fileSystem: any FileSystem = DiskFileSystem(), options: Options = Options()
    ) throws(StorageError) -> LogDirectory {
        let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        return try LogDirectory(path: trimmed, fileSystem: fileSystem, options: options)
    }

    private init(path: String, fileSystem: any FileSystem, options: Options) throws(StorageError) {
        let lock = try Self.takeLock(path, fileSystem)
        let meta = try Self.loadIdentity(path, fileSystem, options)
        let names = try fileSystem.list(path)
        for name in names where name.hasSuffix("-delete") {
            try Self.removeFolder("\(path)/\(name)", fileSystem)
        }
        wasCleanShutdown = names.contains(Self.cleanShutdownFile)
        let existing = Set(names.compactMap(LogName.init(directoryName:)))
        // What a deleted log has left says nothing of one that gets its name.
        func load(_ name: String) throws(StorageError) -> [LogName: Int64]? {
            try Self.loadCheckpoint(name, path, fileSystem)?.filter { existing.contains($0.key) }
        }
        let recoveryPoints = try load(CheckpointFile.recoveryPoint)
        state = Mutex(
            State(
                recoveryPoints: recoveryPoints ?? [:], hasRecoveryPoints: recoveryPoints != nil,
                logStarts: try load(CheckpointFile.logStart) ?? [:],
                clean: wasCleanShutdown ? existing : [], unchecked: wasCleanShutdown ? [] : existing))
        if wasCleanShutdown {
            try fileSystem.remove("\(path)/\(Self.cleanShutdownFile)")
            try fileSystem.syncDirectory(path)
        }
        self.path = path
        self.fileSystem = fileSystem
        self.options = options
        cleaner = LogCleaner(
            path: path, fileSystem: fileSystem, limits: LogCleaner.Limits(options),
            checkpoints: try load(CheckpointFile.cleaner) ?? [:])
        self.lock = Mutex(lock)
        clusterID = meta.clusterID
        nodeID = meta.nodeID
    }

    // MARK: Logs

    /// The logs that have a folder, open or not, in the order of topic and partition.
    public func existingLogs() throws(StorageError) -> [LogName] {
        try fileSystem.list(path).compactMap(LogName.init(directoryName:))
            .sorted { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
    }

    /// The logs that are open.
    public var openLogs: [PartitionLog] { state.withLock { Array($0.logs.values) } }

    /// Opens a partition's log; creates its folder if it is absent; recovers it if it was not closed in order.
    ///
    /// A log that is open already is returned as it is. The folder of a new log is durable when its first flush is.
    public func openLog(
        topic: String, partition: Int32, configuration: LogConfiguration = LogConfiguration()
    ) throws(StorageError) -> PartitionLog {
        let name = LogName(topic: topic, partition: partition)
        return try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "\(path) is closed") }
            if let log = state.logs[name] { return log }
            let directory = "\(path)/\(name)"
            let isClean = state.clean.remove(name) != nil
            let isNew = try fileSystem.information(directory) == nil
            if isNew { try fileSystem.createDirectory(directory) }
            let services = LogServices(
                fileSystem: fileSystem, now: options.clock, flusher: flusher,
                persistLogStartOffsets: { [weak self] () throws(StorageError) in try self?.writeCheckpointFiles() })
            let known = KnownLog(
                recoveryPoint: state.recoveryPoints[name] ?? (isNew || state.hasRecoveryPoints ? 0 : nil),
                logStartOffset: state.logStarts[name] ?? 0, isClean: isClean)
            // A process that was killed may have left names that no crash has tried yet.
            let log = try PartitionLog(
                name: name, directory: directory, configuration: configuration, services: services, known: known,
                directoriesToSync: isClean ? [] : [path, directory])
            // A new log, or one that has lost its end: it is not the one that was cleaned.
            if isNew || cleaner.checkpoint(name) ?? 0 > log.logEndOffset {
                try cleaner.forget(name)
            }
            report(log)
            state.logs[name] = log
            state.unchecked.remove(name)
            return log
        }
    }

    private func report(_ log: PartitionLog) {
        guard let reason = log.recovery.truncationReason else { return }
        options.logger.warning(
            "cut the end of a log that was not closed in order",
            metadata: [
                "log": "\(log.name)", "bytes": "\(log.recovery.truncatedBytes)",
                "segments": "\(log.recovery.removedSegments)", "reason": "\(reason)",
                "log-end-offset": "\(log.logEndOffset)",
            ])
    }

    /// Deletes a partition's log. Slices read from it before stay readable.
    ///
    /// The folder is renamed first, as Kafka does: when this returns, the log is gone for good, even if the process ends
    /// before all files are removed.
    public func deleteLog(topic: String, partition: Int32) throws(StorageError) {
        let name = LogName(topic: topic, partition: partition)
        guard try fileSystem.information("\(path)/\(name)") != nil else {
            throw StorageError(.notFound, "\(path) has no log \(name)")
        }
        forget(name)
        // First: a log that gets the name before this one is forgotten must not be taken for it after a crash.
        try writeCheckpointFiles()
        forget(name)
        try state.withLock { state throws(StorageError) in
            try cleaner.forget(name)
            let mark = KafkaUUID.random().description.filter { $0 != "-" }
            let doomed = "\(path)/\("\(name)".prefix(200)).\(mark)-delete"
            try fileSystem.rename("\(path)/\(name)", to: doomed)
            try fileSystem.syncDirectory(path)
            try Self.removeFolder(doomed, fileSystem)
        }
    }

    private func forget(_ name: LogName) {
        state.withLock { state in
            state.logs.removeValue(forKey: name)?.abandon()
            state.recoveryPoints[name] = nil
            state.logStarts[name] = nil
            state.clean.remove(name)
            state.unchecked.remove(name)
        }
    }

    // MARK: Upkeep

    /// What the broker calls about once a minute: retention, overdue flushes (`flush.ms`), the checkpoint, and then a round
    /// of compaction. A log that fails does not keep the others from their turn. Not for an event loop: it waits for the disk.
    /// - Returns: the failures by log.
    @discardableResult
    public func maintain(now: Int64) -> [LogName: StorageError] {
        var failures: [LogName: StorageError] = [:]
        for log in openLogs {
            do throws(StorageError) {
                try log.applyRetention(now: now)
                try log.rollForCompaction(now: now)
                if log.isFlushOverdue(now: now) { try log.flush() }
            } catch {
                if error.code != .closed { failures[log.name] = error }
            }
        }
        do throws(StorageError) {
            try checkpoint()
        } catch {
            options.logger.error("could not write the checkpoint files", metadata: ["error": "\(error)"])
        }
        failures.merge(cleaner.run(openLogs, now: now)) { earlier, _ in earlier }
        return failures
    }

    /// Makes a running `maintain` leave its cleaning for another time, and all later ones; for a shutdown that shall not
    /// wait for it.
    public func stopCleaning() { cleaner.stop() }

    /// Writes how far each log is durable and where it begins. A recovery reads only what comes after.
    public func checkpoint() throws(StorageError) {
        for log in openLogs {
            do throws(StorageError) {
                try log.checkpoint()
            } catch {
                // A failed or closed log keeps the recovery point that it had.
                options.logger.debug("no checkpoint of a log", metadata: ["log": "\(log.name)", "error": "\(error)"])
            }
        }
        try writeCheckpointFiles()
    }

    private func writeCheckpointFiles() throws(StorageError) {
        try checkpointing.withLock { _ throws(StorageError) in
            let (points, starts, logs) = state.withLock { state in
                for (name, log) in state.logs {
                    state.recoveryPoints[name] = log.flushedOffset
                    state.logStarts[name] = log.logStartOffset > 0 ? log.logStartOffset : nil
                }
                return (state.recoveryPoints, state.logStarts, state.logs)
            }
            try fileSystem.replace(CheckpointFile.recoveryPoint, in: path, with: CheckpointFile.encode(points))
            try fileSystem.replace(CheckpointFile.logStart, in: path, with: CheckpointFile.encode(starts))
            for (name, log) in logs { log.noteCheckpoint(points[name] ?? 0) }
        }
    }

    /// Flushes and closes all logs, writes the checkpoint and the mark of an orderly shutdown, and releases the folder. The
    /// mark is left out if a log could not be closed, so that the next start checks it.
    public func close() throws(StorageError) {
        let logs = state.withLock { state in
            defer { state.isClosed = true }
            return state.isClosed ? nil : Array(state.logs.values)
        }
        guard let logs else { return }
        cleaner.stop()
        flusher.shutdown()
        defer { lock.withLock { $0 = nil } }
        var failure: StorageError?
        for log in logs {
            do throws(StorageError) { try log.close() } catch { failure = failure ?? error }
        }
        try writeCheckpointFiles()
        if let failure { throw failure }
        // A log that nobody has opened since a crash still needs its recovery.
        guard state.withLock({ $0.unchecked.isEmpty }) else { return }
        let mark = Array(#"{"version":0,"brokerEpoch":-1}"#.utf8)
        try fileSystem.replace(Self.cleanShutdownFile, in: path, with: mark)
    }
}

// MARK: Opening

extension LogDirectory {
    private static func takeLock(_ path: String, _ fileSystem: any FileSystem) throws(StorageError) -> any FileLock {
        do throws(StorageError) {
            if try fileSystem.information(path) == nil { try fileSystem.createDirectoryDurably(path) }
            return try fileSystem.lock("\(path)/\(lockFile)")
        } catch {
            switch error.code {
            case .locked:
                throw StorageError(
                    .locked,
                    "The data folder \(path) is in use by another broker (\(error.message)). Stop that one, or give this one "
                        + "a folder of its own (log.dirs, --data-dir).", errno: error.errno)
            case .permissionDenied:
                throw StorageError(
                    .permissionDenied,
                    "The data folder \(path) cannot be written (\(error.message)). Give this user the right to write it, or "
                        + "choose another folder (log.dirs, --data-dir).", errno: error.errno)
            default:
                throw StorageError(
                    error.code, "The data folder \(path) cannot be used (\(error.message)).", errno: error.errno)
            }
        }
    }

    private static func loadIdentity(
        _ path: String, _ fileSystem: any FileSystem, _ options: Options
    ) throws(StorageError) -> MetaProperties {
        let file = "\(path)/\(MetaProperties.fileName)"
        guard let bytes = try fileSystem.contents(of: file), !bytes.isEmpty else {
            let meta = MetaProperties(
                clusterID: options.clusterID ?? KafkaUUID.random().description, nodeID: options.nodeID,
                directoryID: KafkaUUID.random().description)
            if try fileSystem.information("\(path)/\(CheckpointFile.recoveryPoint)") == nil {
                try fileSystem.replace(CheckpointFile.recoveryPoint, in: path, with: CheckpointFile.encode([:]))
            }
            try fileSystem.replace(MetaProperties.fileName, in: path, with: meta.encode())
            return meta
        }
        let meta = try MetaProperties.decode(bytes, path: file)
        guard meta.nodeID == options.nodeID else {
            throw StorageError(
                .inconsistentIdentity,
                "\(file) is of node \(meta.nodeID), this is node \(options.nodeID): set node.id, or choose another folder"
            )
        }
        guard options.clusterID == nil || options.clusterID == meta.clusterID else {
            throw StorageError(
                .inconsistentIdentity,
                "\(file) is of cluster \(meta.clusterID), not \(options.clusterID ?? ""): choose another folder")
        }
        return meta
    }

    private static func loadCheckpoint(
        _ name: String, _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) -> [LogName: Int64]? {
        try fileSystem.contents(of: "\(path)/\(name)").flatMap(CheckpointFile.decode)
    }

    private static func removeFolder(_ path: String, _ fileSystem: any FileSystem) throws(StorageError) {
        for name in try fileSystem.list(path) { try fileSystem.remove("\(path)/\(name)") }
        try fileSystem.removeDirectory(path)
    }
}
