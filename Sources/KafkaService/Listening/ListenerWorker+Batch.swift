import KafkaProtocol

/// Batches: what failed is narrowed down to one message, so that the others go on.
extension ListenerWorker {
    func handleBatch(
        _ work: ListenerWork, _ body: @Sendable ([Message<Value>]) async throws -> Void
    ) async {
        var rest: ArraySlice<Attempt> = []
        for record in work.records {
            if let message = await decode(record, work) { rest.append(Attempt(record: record, message: message)) }
        }
        var attempt = 1
        while !rest.isEmpty, !core.isAbandoned(work) {
            do {
                let messages = rest.map(\.message)
                try await call(messages) { try await body(messages) }
                acknowledge(rest, work)
                return
            } catch let failure as BatchFailure where (0..<rest.count).contains(failure.index) {
                guard !hasEnded(failure, work) else { return }
                if failure.index > 0 {
                    acknowledge(rest.prefix(failure.index), work)
                    rest = rest.dropFirst(failure.index)
                    attempt = 1
                }
                guard await settleFirst(&rest, work, attempt: &attempt, failure.cause) else { return }
            } catch {
                guard !hasEnded(error, work) else { return }
                guard rest.count > 1 else {
                    guard await settleFirst(&rest, work, attempt: &attempt, error) else { return }
                    continue
                }
                // Nobody says which one failed: try the whole again, then each alone, so that it shows.
                let decision = configuration.retry.decide(error, attempt: attempt, stage: 0)
                guard case .again(let delay) = decision, attempt < configuration.retry.attempts else {
                    await handleSingly(rest, work, body)
                    return
                }
                metrics.retried()
                attempt += 1
                for index in rest.indices { rest[index].message.attempt += 1 }
                guard await pause(delay, work) else { return }
            }
        }
    }

    /// Settles the first message's failure. Returns false if the work has become pointless.
    private func settleFirst(
        _ rest: inout ArraySlice<Attempt>, _ work: ListenerWork, attempt: inout Int, _ error: any Error
    ) async -> Bool {
        guard let first = rest.first else { return true }
        if await settle(first.record, work, attempt: attempt, attempts: first.message.attempt, error) {
            attempt += 1
            rest[rest.startIndex].message.attempt += 1
            return true
        }
        // Handed on, or the work is over, which the caller's loop sees.
        rest = rest.dropFirst()
        attempt = 1
        return !core.isAbandoned(work)
    }

    private func handleSingly(
        _ rest: ArraySlice<Attempt>, _ work: ListenerWork,
        _ body: @Sendable ([Message<Value>]) async throws -> Void
    ) async {
        for attempt in rest where !core.isAbandoned(work) {
            let isDone = await handle(attempt, work) { message in
                do {
                    try await body([message])
                } catch let failure as BatchFailure {
                    throw failure.cause
                }
            }
            if isDone { core.finish(CollectionOfOne(attempt.record.offset), of: work.partition) }
        }
    }

    private func acknowledge(_ attempts: ArraySlice<Attempt>, _ work: ListenerWork) {
        guard configuration.acknowledgement == .afterSuccess else { return }
        core.finish(attempts.lazy.map(\.message.offset), of: work.partition)
    }
}
