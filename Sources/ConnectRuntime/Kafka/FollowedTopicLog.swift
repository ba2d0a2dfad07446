import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// One of the worker's own topics as a group of workers uses it: read to its end at the start and followed from then
/// on, for others write it too. What this worker appends is seen when it is read back.
final class FollowedTopicLog: TopicLog {
    private struct Waiter {
        var targets: [Int32: Int64]
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        /// The next offset to read, by partition.
        var positions: [Int32: Int64] = [:]
        var nextOffset: Int64 = -1
        var partitions: [TopicPartition] = []
        var waiters: [Int: Waiter] = [:]
        var lastWaiter = 0
        var loop: Task<Void, Never>?
    }

    /// How long a poll waits: a reader that waits for the end of a log whose last records are not shown (control
    /// records) notices it so much later.
    private static let pollTimeout = Duration.milliseconds(250)

    private let base: KafkaTopicLog
    /// The config topic's, with exactly-once sources.
    private let leader: LeaderProducer?
    private let state = NIOLockedValueBox(State())

    init(_ base: KafkaTopicLog, leader: LeaderProducer? = nil) {
        self.base = base
        self.leader = leader
    }

    var isFollowed: Bool { true }

    /// The offset after the last record that has been read; -1 before there was one.
    var nextOffset: Int64 { state.withLockedValue { $0.nextOffset } }

    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {
        await close()
        let partitions = try await base.ensureTopic()
        var configuration = ConsumerConfiguration(client: base.clients.cluster.configuration)
        configuration.autoOffsetReset = .earliest
        configuration.enableAutoCommit = false
        configuration.allowAutoCreateTopics = false
        // Offsets of a transaction that was aborted, or of a leader that was shut out, do not count.
        configuration.isolationLevel = .readCommitted
        // Connections of its own: its fetches wait for records.
        let consumer = try KafkaConsumer(configuration: configuration, logger: base.clients.logger)
        do {
            try await consumer.assign(partitions)
            try consumer.seekToBeginning(partitions)
        } catch {
            await consumer.close()
            throw error
        }
        state.withLockedValue { state in
            state.partitions = partitions
            state.positions = [:]
            state.loop = Task { await self.follow(consumer, partitions, apply) }
        }
        do {
            // A task that was killed may have left a transaction open: it is ended when the task starts again.
            try await readToEnd(.settled, within: .seconds(60))
        } catch {
            await close()
            throw error
        }
    }

    private func follow(
        _ consumer: KafkaConsumer, _ partitions: [TopicPartition],
        _ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void
    ) async {
        while !Task.isCancelled {
            do {
                for batch in try await consumer.poll(timeout: Self.pollTimeout) {
                    for record in batch.records { take(record.key, record.value, record.offset, batch, apply) }
                }
                var positions: [Int32: Int64] = [:]
                for partition in partitions {
                    positions[partition.partition] = try await consumer.position(partition)
                }
                advance(positions)
            } catch is CancellationError {
                break
            } catch {
                base.clients.logger.warning(
                    "cannot read on, trying again", metadata: ["topic": "\(base.topic.name)", "error": "\(error)"])
                do { try await Task.sleep(for: .milliseconds(200)) } catch { break }
            }
        }
        await consumer.close()
    }

    private func take(
        _ key: ByteBuffer?, _ value: ByteBuffer?, _ offset: Int64, _ batch: ConsumerBatch,
        _ apply: @Sendable (LogEntry, LogPosition) -> Void
    ) {
        if let key {
            apply(
                LogEntry(key: key, value: value),
                LogPosition(partition: batch.topicPartition.partition, offset: offset))
        }
        state.withLockedValue { $0.nextOffset = max($0.nextOffset, offset + 1) }
    }

    private func advance(_ positions: [Int32: Int64]) {
        let reached = state.withLockedValue { state in
            state.positions = positions
            let reached = state.waiters.filter { Self.isReached($0.value.targets, positions) }
            for id in reached.keys { state.waiters[id] = nil }
            return reached.values
        }
        for waiter in reached { waiter.continuation.resume(returning: true) }
    }

    private static func isReached(_ targets: [Int32: Int64], _ positions: [Int32: Int64]) -> Bool {
        targets.allSatisfy { positions[$0, default: -1] >= $1 }
    }

    func append(_ entries: [LogEntry]) async throws -> [LogPosition] {
        try await base.append(entries)
    }

    func appendAsLeader(_ entries: [LogEntry]) async throws -> [LogPosition] {
        guard let leader else { return try await append(entries) }
        return try await leader.append(entries, to: base.topic.name)
    }

    func setPermission(_ mayLead: @escaping @Sendable () -> Bool) { leader?.setPermission(mayLead) }

    func claimLead() async throws {
        guard let leader else { return }
        try await leader.claim()
        try await readToEnd(.written, within: .seconds(30))
    }

    func readToEnd(_ end: LogEnd, within timeout: Duration) async throws {
        let partitions = state.withLockedValue { $0.partitions }
        var targets: [Int32: Int64] = [:]
        for (partition, result) in try await base.clients.admin.listOffsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, OffsetSpec.latest) }),
            isolation: end == .settled ? .readCommitted : .readUncommitted)
        {
            targets[partition.partition] = try result.get().offset
        }
        try await wait(for: targets, within: timeout)
    }

    func waitUntilRead(_ positions: [LogPosition], within timeout: Duration) async throws {
        var targets: [Int32: Int64] = [:]
        for position in positions {
            targets[position.partition] = max(targets[position.partition, default: 0], position.offset + 1)
        }
        try await wait(for: targets, within: timeout)
    }

    private func wait(for targets: [Int32: Int64], within timeout: Duration) async throws {
        let id = state.withLockedValue { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        let alarm = Task {
            do { try await Task.sleep(for: timeout) } catch { return }
            giveUp(id)
        }
        defer { alarm.cancel() }
        let isReached = await withCheckedContinuation { continuation in
            let isDone = state.withLockedValue { state in
                guard !Self.isReached(targets, state.positions) else { return true }
                state.waiters[id] = Waiter(targets: targets, continuation: continuation)
                return false
            }
            if isDone { continuation.resume(returning: true) }
        }
        guard isReached else {
            throw KafkaError(.timedOut, "topic \(base.topic.name) could not be read to its end in \(timeout)")
        }
    }

    private func giveUp(_ id: Int) {
        let waiter = state.withLockedValue { $0.waiters.removeValue(forKey: id) }
        waiter?.continuation.resume(returning: false)
    }

    func close() async {
        let (loop, waiters) = state.withLockedValue { state in
            defer {
                state.loop = nil
                state.waiters = [:]
            }
            return (state.loop, state.waiters.values)
        }
        loop?.cancel()
        for waiter in waiters { waiter.continuation.resume(returning: false) }
        await loop?.value
        await leader?.close()
    }
}
