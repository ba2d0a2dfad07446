import Logging
import OrderedCollections

/// Stores positions soon after they are known: the first at once, further ones together, at most one write every
/// 100 ms. So a worker that is killed repeats little, and a busy one pays little. (Connect commits every
/// `offset.flush.interval.ms`, by default a minute, and repeats that much.)
actor EagerCommitter<Key: Hashable & Sendable, Value: Sendable> {
    private let write: @Sendable (OrderedDictionary<Key, Value>) async throws -> Void
    private let interval: Duration
    private let logger: Logger
    private var pending: OrderedDictionary<Key, Value> = [:]
    private var isWriting = false
    private var lastWrite: ContinuousClock.Instant?
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var lastError: (any Error)?

    init(
        interval: Duration = .milliseconds(100), logger: Logger,
        write: @escaping @Sendable (OrderedDictionary<Key, Value>) async throws -> Void
    ) {
        self.interval = interval
        self.logger = logger
        self.write = write
    }

    /// Nothing is left to write.
    var isClean: Bool { pending.isEmpty && !isWriting }

    /// Takes positions that are safe to store. A later one of the same key replaces an earlier one.
    func commit(_ positions: OrderedDictionary<Key, Value>) {
        guard !positions.isEmpty else { return }
        pending.merge(positions) { $1 }
        guard !isWriting else { return }
        isWriting = true
        Task { await self.run() }
    }

    /// Waits until all is written, or a write has failed.
    func flush() async throws {
        if isWriting {
            await withCheckedContinuation { waiters.append($0) }
        } else if !pending.isEmpty {
            isWriting = true
            await run()
        }
        if let lastError { throw lastError }
    }

    private func run() async {
        while !pending.isEmpty {
            if let lastWrite, waiters.isEmpty {
                let wait = interval - (ContinuousClock.now - lastWrite)
                if wait > .zero { try? await Task.sleep(for: wait) }
            }
            let positions = pending
            pending = [:]
            lastWrite = .now
            do {
                try await write(positions)
                lastError = nil
            } catch {
                // What is newer stays; the rest is tried again with the next positions or flush.
                pending = positions.merging(pending) { $1 }
                lastError = error
                logger.warning("offsets could not be stored", metadata: ["error": "\(error)"])
                break
            }
        }
        isWriting = false
        let waiters = self.waiters
        self.waiters = []
        for waiter in waiters { waiter.resume() }
    }
}
