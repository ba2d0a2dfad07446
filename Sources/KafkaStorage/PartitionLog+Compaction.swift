internal import KafkaProtocol
internal import Synchronization

/// What the cleaner does to a log. Files are written without a lock; the log's own is held to look at the list of segments
/// and to change it.
extension PartitionLog {
    func rollForCompaction(now: Int64) throws(StorageError) {
        try state.withLock { state throws(StorageError) in try state.rollForCompaction(now: now) }
    }

    func cleaningDemand(checkpoint: Int64?, now: Int64) throws(StorageError) -> CleaningDemand? {
        try state.withLock { state throws(StorageError) in
            try state.cleaningDemand(checkpoint: checkpoint, now: now)
        }
    }

    func cleanableSegments(before offset: Int64) throws(StorageError) -> [CleanableSegment] {
        try state.withLock { state throws(StorageError) in try state.cleanableSegments(before: offset) }
    }

    func producerTraces() -> [Int64: LogState.ProducerTrace] { state.withLock { $0.producerTraces() } }

    /// Whether the log takes no more calls.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Creates the file that the segments which begin with `first` are rewritten to.
    func beginCleaned(_ first: CleanableSegment, created: Int64) throws(StorageError) -> CleanedSegment {
        let base = first.view.baseOffset
        return try withFolder { directory throws(StorageError) in
            let path = "\(directory)/\(LogFileNames.name(base, LogFileNames.cleaned))"
            try services.fileSystem.remove(path)
            return CleanedSegment(
                baseOffset: base, created: created, file: try services.fileSystem.open(path, create: true))
        }
    }

    /// Gives up a file of `beginCleaned`. A leftover is removed when the log is opened again.
    func discard(_ cleaned: CleanedSegment) {
        try? withFolder { directory throws(StorageError) in
            try services.fileSystem.remove(
                "\(directory)/\(LogFileNames.name(cleaned.baseOffset, LogFileNames.cleaned))")
        }
    }

    /// Puts a finished, synced file into the place of the segments that it was made of.
    ///
    /// The steps are Kafka's, each durable before the next: `.cleaned` becomes `.swap`, which a recovery brings to its end;
    /// the old files go; `.swap` loses its suffix. Readers that have a slice of an old segment keep the open file.
    /// - Throws: `.cleaningInterrupted` if the segments have been deleted meanwhile.
    func replace(_ old: [CleanableSegment], with cleaned: CleanedSegment) throws(StorageError) {
        let files = try withFolder { directory throws(StorageError) in
            let fileSystem = services.fileSystem
            func path(_ suffix: String) -> String { "\(directory)/\(LogFileNames.name(cleaned.baseOffset, suffix))" }
            _ = try state.withLock { state throws(StorageError) in try state.place(of: old) }
            try fileSystem.rename(path(LogFileNames.cleaned), to: path(LogFileNames.swap))
            let doomed: [String]
            do throws(StorageError) {
                try fileSystem.syncDirectory(directory)
                doomed = try state.withLock { state throws(StorageError) in
                    try state.replace(old, with: cleaned)
                }
            } catch {
                try fileSystem.remove(path(LogFileNames.swap))
                try fileSystem.syncDirectory(directory)
                throw error
            }
            for path in doomed { try fileSystem.remove(path) }
            try fileSystem.syncDirectory(directory)
            try fileSystem.rename(path(LogFileNames.swap), to: path(LogFileNames.log))
            try fileSystem.syncDirectory(directory)
            return try state.withLock { state throws(StorageError) in try state.storeIndexes(of: cleaned) }
        }
        for file in files { try file.sync() }
    }

    /// Runs `body` while the folder is sure to be this log's: it is neither deleted nor closed before `body` returns.
    private func withFolder<T: Sendable>(
        _ body: (String) throws(StorageError) -> T
    ) throws(StorageError) -> T {
        try removing.withLock { _ throws(StorageError) in
            let directory = try state.withLock { state throws(StorageError) in
                try state.checkUsable()
                return state.directory
            }
            return try body(directory)
        }
    }
}
