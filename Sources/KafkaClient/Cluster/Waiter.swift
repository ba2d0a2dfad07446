import NIOConcurrencyHelpers

/// Lets an async function wait for a callback, and stop waiting when its task is cancelled. The callback may come
/// before, after or (after a cancellation) for nobody: the continuation is resumed exactly once.
final class Waiter<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, any Error>)
        case done(Result<Value, any Error>?)
    }

    private let state = NIOLockedValueBox<State>(.idle)

    /// Resumes whoever waits, or keeps the result for the one who will. Later results are dropped.
    func finish(_ result: Result<Value, any Error>) {
        let continuation: CheckedContinuation<Value, any Error>? = state.withLockedValue { state in
            switch state {
            case .idle:
                state = .done(result)
                return nil
            case .waiting(let continuation):
                state = .done(nil)
                return continuation
            case .done:
                return nil
            }
        }
        continuation?.resume(with: result)
    }

    /// Waits for the result; throws `CancellationError` as soon as the task is cancelled.
    func value() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let early: Result<Value, any Error>? = state.withLockedValue { state in
                    switch state {
                    case .idle:
                        state = .waiting(continuation)
                        return nil
                    case .waiting:
                        return .failure(KafkaError(.invalidState, "two tasks wait for one result"))
                    case .done(let result):
                        state = .done(nil)
                        return result ?? .failure(CancellationError())
                    }
                }
                if let early { continuation.resume(with: early) }
            }
        } onCancel: {
            finish(.failure(CancellationError()))
        }
    }
}

/// Starts something that ends in a callback and waits for it, with cancellation.
func awaiting<Value: Sendable>(
    _ start: (@escaping @Sendable (Result<Value, KafkaError>) -> Void) -> Void
) async throws -> Value {
    let waiter = Waiter<Value>()
    start { result in waiter.finish(result.mapError { $0 }) }
    return try await waiter.value()
}
