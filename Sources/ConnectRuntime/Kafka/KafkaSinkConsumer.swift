import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import OrderedCollections

/// A sink task's membership in the group `connect-<connector>`.
final class KafkaSinkConsumer: SinkConsumer {
    /// Which topics the connector reads.
    enum Topics: Sendable {
        case list([String])
        /// `topics.regex`.
        case pattern(String)
    }

    private struct State {
        var failure: (any Error)?
        var subscribed: [String] = []
        var lastSearch: ContinuousClock.Instant?
        var listener: KafkaConsumer.RebalanceListener?
    }

    /// How often new topics are looked for that match the pattern.
    private static let searchInterval = Duration.seconds(10)

    private let consumer: KafkaConsumer
    private let admin: KafkaAdminClient
    private let topics: Topics
    private let state = NIOLockedValueBox(State())

    init(consumer: KafkaConsumer, admin: KafkaAdminClient, topics: Topics) {
        self.consumer = consumer
        self.admin = admin
        self.topics = topics
    }

    func start(
        assigned: @escaping @Sendable ([TopicPartition]) async throws -> Void,
        revoked: @escaping @Sendable ([TopicPartition]) async -> Void
    ) async throws {
        let listener: KafkaConsumer.RebalanceListener = { [state] event in
            switch event {
            case .assigned(let partitions):
                do {
                    try await assigned(partitions)
                } catch {
                    state.withLockedValue { $0.failure = error }
                }
            case .revoked(let partitions), .lost(let partitions):
                await revoked(partitions)
            }
        }
        state.withLockedValue { $0.listener = listener }
        switch topics {
        case .list(let names): try await consumer.subscribe(names, onRebalance: listener)
        case .pattern: try await search()
        }
    }

    /// Subscribes to the topics that match now, if they are others than before.
    private func search() async throws {
        guard case .pattern(let text) = topics else { return }
        let isDue = state.withLockedValue { state in
            if let last = state.lastSearch, ContinuousClock.now - last < Self.searchInterval { return false }
            state.lastSearch = .now
            return true
        }
        guard isDue else { return }
        let pattern = try Regex(text)
        let names = try await admin.listTopics().map(\.name).filter { try pattern.wholeMatch(in: $0) != nil }
        let (isChanged, listener) = state.withLockedValue { state in
            defer { state.subscribed = names }
            return (state.subscribed != names, state.listener)
        }
        if isChanged, !names.isEmpty { try await consumer.subscribe(names, onRebalance: listener) }
    }

    func poll(timeout: Duration) async throws -> [ConsumerBatch] {
        if case .pattern = topics {
            try await search()
            if state.withLockedValue({ $0.subscribed.isEmpty }) {
                try await Task.sleep(for: timeout)
                return []
            }
        }
        let batches = try await consumer.poll(timeout: timeout)
        if let failure = state.withLockedValue({ $0.failure }) { throw failure }
        return batches
    }

    func takeFetched() throws -> [ConsumerBatch] { try consumer.takeFetched() }

    func commit(_ positions: OrderedDictionary<TopicPartition, Int64>) async throws {
        try await consumer.commit(
            Dictionary(uniqueKeysWithValues: positions.map { ($0.key, OffsetAndMetadata(offset: $0.value)) }))
    }

    func seek(_ positions: [TopicPartition: Int64]) async throws {
        for (partition, offset) in positions where consumer.assignment.contains(partition) {
            try consumer.seek(partition, to: offset)
        }
    }

    func pauseAll() async { try? consumer.pause(consumer.assignment) }

    func resumeAll() async { try? consumer.resume(consumer.assignment) }

    func close() async { await consumer.close(leavesGroup: true) }
}
