import NIOConcurrencyHelpers

/// What a task's runner should do, as told by others, and the means to interrupt what it waits for.
final class TaskControl: Sendable {
    enum Wish: Sendable, Hashable {
        case run, pause, stop
    }

    private struct State {
        var wish: Wish
        var failure: (any Error)?
        /// Interrupts the operation that runs now, unless one of its wishes still holds.
        var cancel: (@Sendable () -> Void)?
        var allowed: Set<Wish> = []
        var waiter: CheckedContinuation<Void, Never>?
        var isAbandoned = false
        var whenAbandoned: (@Sendable () -> Void)?
    }

    private let state: NIOLockedValueBox<State>

    init(_ wish: Wish) {
        state = NIOLockedValueBox(State(wish: wish))
    }

    var wish: Wish { state.withLockedValue { $0.wish } }

    /// Tells the runner; the operation that it waits for is interrupted. Nothing follows a stop.
    func tell(_ wish: Wish) {
        interrupt { state in
            guard state.wish != .stop, state.wish != wish else { return false }
            state.wish = wish
            return true
        }
    }

    /// Makes the runner fail at the next opportunity: something beside its loop went wrong.
    func fail(_ error: any Error) {
        interrupt { state in
            guard state.failure == nil else { return false }
            state.failure = error
            return true
        }
    }

    /// Whether the task has been left to itself, because it hung when it was to stop. Another may be at its work.
    var isAbandoned: Bool { state.withLockedValue { $0.isAbandoned } }

    /// Sets what is to be done when the task is left to itself: it takes its clients away.
    func whenAbandoned(_ body: @escaping @Sendable () -> Void) {
        let isLate = state.withLockedValue { state in
            state.whenAbandoned = body
            return state.isAbandoned
        }
        if isLate { body() }
    }

    /// Leaves the task to itself.
    func abandon() {
        let body = state.withLockedValue { state in
            state.isAbandoned = true
            return state.whenAbandoned
        }
        body?()
    }

    /// Throws what ``fail(_:)`` was given.
    func check() throws {
        if let failure = state.withLockedValue({ $0.failure }) { throw failure }
    }

    private func interrupt(_ change: (inout State) -> Bool) {
        let (cancel, waiter) = state.withLockedValue {
            state -> ((@Sendable () -> Void)?, CheckedContinuation<Void, Never>?) in
            guard change(&state) else { return (nil, nil) }
            defer { state.waiter = nil }
            let mustCancel = state.failure != nil || !state.allowed.contains(state.wish)
            return (mustCancel ? state.cancel : nil, state.waiter)
        }
        cancel?()
        waiter?.resume()
    }

    /// Waits until something other than a pause is wished, or something has failed.
    func waitWhilePaused() async {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLockedValue { state in
                guard state.wish == .pause, state.failure == nil else { return false }
                state.waiter = continuation
                return true
            }
            if !mustWait { continuation.resume() }
        }
    }

    /// Runs an operation that is cancelled as soon as none of `wishes` is wished, or something fails.
    func interruptible<Value: Sendable>(
        while wishes: Set<Wish>, on executor: (any TaskExecutor)?,
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task(executorPreference: executor) { try await operation() }
        let isCurrent = state.withLockedValue { state in
            state.cancel = { task.cancel() }
            state.allowed = wishes
            return wishes.contains(state.wish) && state.failure == nil
        }
        if !isCurrent { task.cancel() }
        defer { state.withLockedValue { $0.cancel = nil } }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Sleeps, unless interrupted.
    func sleep(_ duration: Duration, while wishes: Set<Wish>) async {
        try? await interruptible(while: wishes, on: nil) { try await Task.sleep(for: duration) }
    }
}

/// Lets a value that is not Sendable be used in one place at a time: a connector's task is only touched by its runner,
/// which waits for each operation before it begins the next.
final class Confined<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
