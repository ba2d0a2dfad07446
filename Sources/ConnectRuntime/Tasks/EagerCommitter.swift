import Logging
import OrderedCollections

/// When positions are stored.
struct CommitTiming: Sendable {
    /// The shortest time between two writes.
    var interval: Duration = .milliseconds(100)
    /// `offset.flush.interval.ms`: the longest time between two tries of a write that fails.
    var retryInterval: Duration = .seconds(60)
    /// `offset.flush.timeout.ms`: how long a flush waits.
    var flushTimeout: Duration = .seconds(5)
}

/// Stores positions soon after they are known: the first at once, further ones together, at most one write every
/// 100 ms. So a worker that is killed repeats little, and a busy one pays little. (Connect commits every
/// `offset.flush.interval.ms`, by default a minute, and repeats that much; here that option bounds how long a write
/// that failed waits for its next try.)
actor EagerCommitter<Key: Hashable & Sendable, Value: Sendable> {
    private let write: @Sendable (OrderedDictionary<Key, Value>) async throws -> Void
    private let timing: CommitTiming
    private let logger: Logger
    private var pending: OrderedDictionary<Key, Value> = [:]
    private var isWriting = false
    private var lastWrite: ContinuousClock.Instant?
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var lastError: (any Error)?
    private var failures = 0
    private var isClosed = false
    private var retry: Task<Void, Never>?

    init(
        timing: CommitTiming = CommitTiming(), logger: Logger,
        write: @escaping @Sendable (OrderedDictionary<Key, Value>) async throws -> Void
    ) {
        self.timing = timing
        self.logger = logger
        self.write = write
    }

    /// Nothing is left to write.
    var isClean: Bool { pending.isEmpty && !isWriting }

    /// Writes nothing more: the task is over, and another may be at work on the same positions.
    func close() {
        isClosed = true
        retry?.cancel()
        pending = [:]
    }

    /// Takes positions that are safe to store. A later one of the same key replaces an earlier one.
    func commit(_ positions: OrderedDictionary<Key, Value>) {
        guard !positions.isEmpty, !isClosed else { return }
        pending.merge(positions) { $1 }
        guard !isWriting else { return }
        isWriting = true
        Task { await self.run() }
    }

    /// Waits until all is written, a write has failed, or `offset.flush.timeout.ms` has passed.
    func flush() async throws {
        if !isWriting, !pending.isEmpty {
            isWriting = true
            Task { await self.run() }
        }
        if isWriting {
            let alarm = Task { [timing] in
                do { try await Task.sleep(for: timing.flushTimeout) } catch { return }
                self.giveUpWaiting()
            }
            await withCheckedContinuation { waiters.append($0) }
            alarm.cancel()
        }
        if let lastError { throw lastError }
        guard pending.isEmpty, !isWriting else {
            throw TaskError("offsets were not stored within \(timing.flushTimeout) (offset.flush.timeout.ms)")
        }
    }

    private func giveUpWaiting() {
        let waiters = self.waiters
        self.waiters = []
        for waiter in waiters { waiter.resume() }
    }

    private func run() async {
        while !pending.isEmpty {
            if let lastWrite, waiters.isEmpty {
                let wait = timing.interval - (ContinuousClock.now - lastWrite)
                if wait > .zero { try? await Task.sleep(for: wait) }
            }
            let positions = pending
            pending = [:]
            lastWrite = .now
            do {
                try await write(positions)
                lastError = nil
            } catch {
                // What is newer stays; the rest is tried again with the next positions or flush, or later.
                lastError = error
                guard !isClosed else { break }
                pending = positions.merging(pending) { $1 }
                logger.warning("offsets could not be stored", metadata: ["error": "\(error)"])
                failures += 1
                tryAgainLater()
                break
            }
        }
        if pending.isEmpty { failures = 0 }
        isWriting = false
        giveUpWaiting()
    }

    private func tryAgainLater() {
        let delay = min(timing.retryInterval, .milliseconds(500 << min(failures, 10)))
        retry?.cancel()
        retry = Task { [weak self] in
            do { try await Task.sleep(for: delay) } catch { return }
            await self?.writeAgain()
        }
    }

    private func writeAgain() async {
        guard !isWriting, !pending.isEmpty else { return }
        isWriting = true
        await run()
    }
}
