import NIOConcurrencyHelpers

/// What became of the records of one batch. Receipts point into it, so that records need no objects of their own; who
/// waits for one record or a thousand of them has one continuation.
///
/// Records are named by their places: 0 for the first that was put into the batch. A batch that has to be split keeps its
/// delivery, and each part tells about its own places.
final class BatchDelivery: Sendable {
    /// How one part ended: where its first record is, or why it is not in the log.
    typealias Outcome = Result<(baseOffset: Int64, logAppendTime: Int64), KafkaError>

    private struct Part {
        var places: Range<Int32>
        var outcome: Outcome
    }

    private struct State {
        var parts: [Part] = []
        var waiters: [(place: Int32, waiter: Waiter<Part>)] = []
    }

    private let state = NIOLockedValueBox(State())

    /// The records at these places have ended.
    func finish(_ places: Range<Int32>, _ outcome: Outcome) {
        let part = Part(places: places, outcome: outcome)
        let ready = state.withLockedValue { state -> [Waiter<Part>] in
            state.parts.append(part)
            guard !state.waiters.isEmpty else { return [] }
            var ready: [Waiter<Part>] = []
            state.waiters.removeAll { entry in
                guard places.contains(entry.place) else { return false }
                ready.append(entry.waiter)
                return true
            }
            return ready
        }
        for waiter in ready { waiter.finish(.success(part)) }
    }

    /// Waits for the record at `place`; also says up to which place the answer holds, and where its counting begins.
    func outcome(at place: Int32) async throws -> (places: Range<Int32>, outcome: Outcome) {
        let waiter = Waiter<Part>()
        let known = state.withLockedValue { state -> Part? in
            if let part = state.parts.first(where: { $0.places.contains(place) }) { return part }
            state.waiters.append((place, waiter))
            return nil
        }
        if let known { return (known.places, known.outcome) }
        let part = try await waiter.value()
        return (part.places, part.outcome)
    }
}
