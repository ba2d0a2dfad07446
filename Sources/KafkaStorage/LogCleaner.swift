internal import Synchronization

/// Chooses the logs to compact, keeps a pass from one round to the next, and remembers how far each log is clean in
/// `cleaner-offset-checkpoint`.
final class LogCleaner: Sendable {
    /// What bounds a round and a pass.
    struct Limits: Sendable {
        var keys: Int
        var bytesPerRound: Int64

        init(_ options: LogDirectory.Options) {
            keys = options.cleanerKeys
            bytesPerRound = max(1, options.cleaningBytesPerRound)
        }
    }

    private struct Work {
        /// The pass that the last round has left unfinished.
        var pass: LogCleaning?
    }

    private struct Knowledge {
        var checkpoints: [LogName: Int64]
        /// Logs that have failed; they are left alone until they are opened again.
        var failed: [LogName: ObjectIdentifier] = [:]
    }

    private let path: String
    private let fileSystem: any FileSystem
    private let limits: Limits
    private let isStopped = Atomic(false)
    /// Held during a round.
    private let work = Mutex(Work())
    /// Held while the checkpoint file is written, so that an older one does not replace a newer one.
    private let writing = Mutex(())
    private let knowledge: Mutex<Knowledge>

    init(path: String, fileSystem: any FileSystem, limits: Limits, checkpoints: [LogName: Int64]) {
        self.path = path
        self.fileSystem = fileSystem
        self.limits = limits
        knowledge = Mutex(Knowledge(checkpoints: checkpoints))
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Forgets how far a log is clean, durably: one of the same name is another log.
    func forget(_ name: LogName) throws(StorageError) {
        let wasKnown = knowledge.withLock { $0.checkpoints.removeValue(forKey: name) != nil }
        if wasKnown { try writeCheckpoints() }
    }

    /// How far a log is clean; nil if it never was.
    func checkpoint(_ name: LogName) -> Int64? { knowledge.withLock { $0.checkpoints[name] } }

    /// One round: goes on with the pass that was left, then takes the dirtiest logs, until enough bytes have been read.
    /// - Returns: the failures by log.
    func run(_ logs: [PartitionLog], now: Int64) -> [LogName: StorageError] {
        work.withLock { work in
            var failures: [LogName: StorageError] = [:]
            var budget = limits.bytesPerRound
            var done: Set<LogName> = []
            while budget > 0, !isStopped.load(ordering: .relaxed) {
                guard let log = work.pass?.log ?? choose(logs, except: done, now: now) else { break }
                done.insert(log.name)
                do throws(StorageError) {
                    try advance(&work.pass, log, now: now, &budget)
                } catch {
                    work.pass = nil
                    // What may be there again next time; the others are reported, and the log is left alone.
                    if [.cleaningInterrupted, .closed].contains(error.code) { continue }
                    if error.code != .diskFull {
                        knowledge.withLock { $0.failed[log.name] = ObjectIdentifier(log) }
                    }
                    failures[log.name] = error
                }
            }
            return failures
        }
    }

    /// Begins a pass or goes on with it, until it is over or the budget is.
    private func advance(
        _ pass: inout LogCleaning?, _ log: PartitionLog, now: Int64, _ budget: inout Int64
    ) throws(StorageError) {
        var current: LogCleaning
        if let pass {
            current = pass
        } else {
            guard let demand = try log.cleaningDemand(checkpoint: checkpoint(log.name), now: now) else { return }
            current = try LogCleaning(of: log, demand, now: now, limits: limits) { [weak self, weak log] in
                self?.isStopped.load(ordering: .relaxed) != false || log?.isClosed != false
            }
            budget -= current.bytesRead
        }
        pass = nil
        while !current.isDone {
            guard budget > 0 else {
                pass = current
                return
            }
            guard log.configuration.cleanupPolicy.contains(.compact) else { return }
            let before = current.bytesRead
            try current.step()
            budget -= current.bytesRead - before
        }
        let end = current.endOffset
        // A log that was deleted meanwhile is not this one any more.
        let isNews = knowledge.withLock { knowledge in
            guard !log.isClosed, knowledge.checkpoints[log.name] != end else { return false }
            knowledge.checkpoints[log.name] = end
            return true
        }
        if isNews { try writeCheckpoints() }
    }

    /// The log with the largest share of dirty bytes, if that is enough; one whose time is over comes first.
    private func choose(_ logs: [PartitionLog], except done: Set<LogName>, now: Int64) -> PartitionLog? {
        let (checkpoints, failed) = knowledge.withLock { ($0.checkpoints, $0.failed) }
        var best: (log: PartitionLog, ratio: Double)?
        for log in logs where !done.contains(log.name) && failed[log.name] != ObjectIdentifier(log) {
            // A log that cannot be looked at says so in its own maintenance.
            guard let demand = try? log.cleaningDemand(checkpoint: checkpoints[log.name], now: now) else { continue }
            guard demand.isOverdue || demand.dirtyRatio > log.configuration.minCleanableDirtyRatio else { continue }
            let ratio = demand.dirtyRatio + (demand.isOverdue ? 1 : 0)
            if ratio > best?.ratio ?? -1 { best = (log, ratio) }
        }
        return best?.log
    }

    private func writeCheckpoints() throws(StorageError) {
        try writing.withLock { _ throws(StorageError) in
            let checkpoints = knowledge.withLock { $0.checkpoints }
            try fileSystem.replace(CheckpointFile.cleaner, in: path, with: CheckpointFile.encode(checkpoints))
        }
    }
}
