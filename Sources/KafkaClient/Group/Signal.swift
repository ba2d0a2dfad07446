import NIOConcurrencyHelpers
import NIOCore

/// Wakes one waiting task. A wake-up that comes while nobody waits is kept for the next one.
final class Signal: Sendable {
    private struct State {
        var isSet = false
        var waiter: Waiter<Bool>?
    }

    private let state = NIOLockedValueBox(State())
    private let eventLoop: any EventLoop

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Wakes the waiting task, or the next one that would wait.
    func notify() {
        let waiter: Waiter<Bool>? = state.withLockedValue { state in
            guard let waiter = state.waiter else {
                state.isSet = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.finish(.success(true))
    }

    /// Waits for ``notify()`` until `deadline`; false when the time ran out.
    @discardableResult
    func wait(until deadline: NIODeadline) async throws -> Bool {
        let waiter = Waiter<Bool>()
        let displaced: (isSet: Bool, other: Waiter<Bool>?) = state.withLockedValue { state in
            if state.isSet {
                state.isSet = false
                return (true, nil)
            }
            defer { state.waiter = waiter }
            return (false, state.waiter)
        }
        displaced.other?.finish(.success(true))
        if displaced.isSet {
            try Task.checkCancellation()
            return true
        }
        let timer = eventLoop.scheduleTask(deadline: deadline) { waiter.finish(.success(false)) }
        defer {
            timer.cancel()
            state.withLockedValue { if $0.waiter === waiter { $0.waiter = nil } }
        }
        return try await waiter.value()
    }
}
