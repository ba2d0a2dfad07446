import NIOConcurrencyHelpers

/// One `send`, which waits until all of its records are acknowledged. However many records it has, there is one
/// continuation.
final class SendCall: Sendable {
    private struct State {
        var results: [RecordMetadata]
        var open: Int
        var failure: KafkaError?
    }

    private let state: NIOLockedValueBox<State>
    private let waiter = Waiter<[RecordMetadata]>()

    init(count: Int) {
        var results: [RecordMetadata] = []
        results.reserveCapacity(count)
        state = NIOLockedValueBox(State(results: results, open: count))
    }

    /// Records are entered in their order, before any of them can complete.
    func enter(_ partition: TopicPartition, timestamp: Int64) {
        state.withLockedValue {
            $0.results.append(
                RecordMetadata(topic: partition.topic, partition: partition.partition, offset: -1, timestamp: timestamp)
            )
        }
    }

    /// Some records are acknowledged. `deltas` are their places in the batch that begins at `baseOffset`.
    func succeed(_ indexes: [Int32], deltas: [Int32], baseOffset: Int64, logAppendTime: Int64) {
        finish(indexes.count) { state in
            for (index, delta) in zip(indexes, deltas) {
                if baseOffset >= 0 { state.results[Int(index)].offset = baseOffset + Int64(delta) }
                if logAppendTime >= 0 { state.results[Int(index)].timestamp = logAppendTime }
            }
        }
    }

    /// Some records have failed for good; the call throws the first such error when all others are settled.
    func fail(_ count: Int, _ error: KafkaError) {
        finish(count) { state in if state.failure == nil { state.failure = error } }
    }

    /// Waits for all records.
    func value() async throws -> [RecordMetadata] { try await waiter.value() }

    private func finish(_ count: Int, _ body: (inout State) -> Void) {
        let result: Result<[RecordMetadata], any Error>? = state.withLockedValue { state in
            body(&state)
            state.open -= count
            guard state.open <= 0 else { return nil }
            if let failure = state.failure { return .failure(failure) }
            return .success(state.results)
        }
        if let result { waiter.finish(result) }
    }
}
