import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

extension KafkaConsumer {
    /// Whole batches, as soon as there are any; empty when `timeout` has passed.
    ///
    /// Applies rebalances, and throws what stands in the way of reading. Not more than one task may poll.
    public func poll(timeout: Duration) async throws -> [ConsumerBatch] {
        try await poll(timeout: timeout) { consumer in try consumer.takeRecords() }
    }

    /// As ``poll(timeout:)``, with the batches as they came: nothing is allocated or decoded per record.
    ///
    /// Damage within a batch is found when it is read; the position is behind it then.
    public func pollBatches(timeout: Duration) async throws -> [FetchedBatch] {
        try await poll(timeout: timeout) { consumer in
            var batches: [FetchedBatch] = []
            try consumer.takeChunks { partition, position, taken, highWatermark in
                for batch in taken {
                    batches.append(
                        FetchedBatch(
                            topicPartition: partition, highWatermark: highWatermark, batch: batch, position: position))
                }
            }
            return batches
        }
    }

    /// What has been fetched already, at most `max.poll.records`; empty when nothing is there. Neither waits nor applies
    /// rebalances, so that a reader that is busy with records may take the next ones; ``poll(timeout:)`` must still be
    /// called often enough for the group.
    public func takeFetched() throws -> [ConsumerBatch] {
        let mayTake = state.withLockedValue { state in
            guard !state.isClosed, !state.isPolling, state.failure == nil else { return false }
            state.isPolling = true
            return true
        }
        guard mayTake else { return [] }
        defer { state.withLockedValue { $0.isPolling = false } }
        let batches = try takeRecords()
        dispatchFetches()
        return batches
    }

    private func poll<Batch>(
        timeout: Duration, take: (KafkaConsumer) throws -> [Batch]
    ) async throws -> [Batch] {
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        try beginPoll()
        var hasHandedOut = false
        defer { endPoll(hasHandedOut: hasHandedOut) }
        while true {
            try Task.checkCancellation()
            try await applyGroupEvents()
            if let failure = takeFailure() { throw failure }
            let batches = try take(self)
            dispatchFetches()
            hasHandedOut = !batches.isEmpty
            if hasHandedOut { return batches }
            if try await !signal.wait(until: deadline) {
                // The last chance: what came in together with the deadline.
                let late = try take(self)
                hasHandedOut = !late.isEmpty
                return late
            }
        }
    }

    private func endPoll(hasHandedOut: Bool) {
        let waiters = state.withLockedValue { state -> [Waiter<Void>] in
            state.isPolling = false
            state.hasHandedOut = hasHandedOut
            guard state.isEnding, !hasHandedOut else { return [] }
            defer { state.endWaiters = [] }
            return state.endWaiters
        }
        for waiter in waiters { waiter.finish(.success(())) }
    }

    private func beginPoll() throws {
        try state.withLockedValue { state in
            state.hasHandedOut = false
            guard !state.isEnding else {
                for waiter in state.endWaiters { waiter.finish(.success(())) }
                state.endWaiters = []
                throw KafkaError.closed("the consumer")
            }
            guard !state.isClosed else { throw KafkaError.closed("the consumer") }
            guard !state.isPolling else {
                throw KafkaError(.invalidState, "two tasks poll one consumer; give each its own")
            }
            if case .none = state.mode {
                throw KafkaError(.invalidState, "the consumer reads nothing yet: call subscribe or assign")
            }
            state.committable = state.fetch.positions()
            state.isPolling = true
        }
    }

    private func takeFailure() -> KafkaError? {
        state.withLockedValue { state in
            guard !state.isClosed, !state.isEnding else { return .closed("the consumer") }
            defer { state.failure = nil }
            return state.failure
        }
    }

    private func takeRecords() throws -> [ConsumerBatch] {
        var batches: [ConsumerBatch] = []
        try takeChunks { (partition, position, taken, highWatermark) throws(RecordError) in
            for batch in taken {
                var records = try batch.records()
                if batch.header.baseOffset < position { records.removeAll { $0.offset < position } }
                guard !records.isEmpty else { continue }
                if batches.last?.topicPartition == partition {
                    batches[batches.count - 1].records += records
                } else {
                    batches.append(
                        ConsumerBatch(topicPartition: partition, records: records, highWatermark: highWatermark))
                }
            }
        }
        return batches
    }

    /// Hands whole batches to `body` until there are `max.poll.records`, and moves the positions behind them.
    private func takeChunks(
        _ body: (TopicPartition, Int64, [RecordBatch], Int64) throws(RecordError) -> Void
    ) throws {
        var count = 0
        while count < configuration.maxPollRecords,
            let (partition, epoch, position, chunk) = state.withLockedValue({ $0.fetch.takeChunk() })
        {
            var chunk = chunk
            do throws(RecordError) {
                let taken = try chunk.take(
                    from: position, limit: configuration.maxPollRecords - count, checkCRCs: configuration.checkCRCs,
                    readCommitted: configuration.isolationLevel == .readCommitted)
                let rest = taken.isExhausted ? nil : chunk
                let isCurrent = state.withLockedValue { state in
                    defer { if taken.isExhausted { state.fetch.rotate() } }
                    return state.fetch.advance(
                        partition, epoch: epoch, to: taken.nextOffset, leaderEpoch: taken.leaderEpoch, rest: rest,
                        size: chunk.size)
                }
                guard isCurrent, !taken.batches.isEmpty else { continue }
                metrics.read(records: taken.count, bytes: taken.batches.reduce(0) { $0 + $1.buffer.readableBytes })
                try body(partition, position, taken.batches, chunk.highWatermark)
                count += taken.count
            } catch {
                // Fetch again from here on the next poll: the damage may be on the way, not on the disk.
                state.withLockedValue { $0.fetch.seek(partition, to: position, need: nil) }
                if count > 0 { break }
                throw KafkaError(
                    .malformedResponse, "\(partition) at offset \(position): \(error); seek beyond it to go on",
                    errorCode: error.errorCode, isRetriable: false, cause: error)
            }
        }
    }
}
