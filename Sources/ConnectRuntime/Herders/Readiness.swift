import NIOConcurrencyHelpers

/// Whether a worker has read its state. Calls that come before wait for it, but not for ever.
final class Readiness: Sendable {
    private enum Phase {
        case starting, ready, failed(HerderError)
    }

    private struct State {
        var phase = Phase.starting
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var lastWaiter = 0
    }

    private let state = NIOLockedValueBox(State())

    var health: WorkerHealth {
        state.withLockedValue { state in
            switch state.phase {
            case .starting: .starting
            case .ready: .healthy
            case .failed(let error): .unhealthy(error.message)
            }
        }
    }

    func succeed() { settle(.ready) }

    func fail(_ message: String) { settle(.failed(HerderError(status: 500, message: message))) }

    private func settle(_ phase: Phase) {
        let waiters = state.withLockedValue { state in
            state.phase = phase
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns at once when ready; throws a 503 when it takes too long, a 500 when start-up has failed.
    func wait(atMost timeout: Duration) async throws(HerderError) {
        let isStarting = state.withLockedValue { state in
            if case .starting = state.phase { return true }
            return false
        }
        if isStarting { await waitForSettling(timeout) }
        switch state.withLockedValue({ $0.phase }) {
        case .ready: return
        case .failed(let error): throw error
        case .starting:
            throw HerderError(status: 503, message: "The worker is still starting: it has not read its state yet")
        }
    }

    private func waitForSettling(_ timeout: Duration) async {
        let id = state.withLockedValue { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        let alarm = Task {
            do { try await Task.sleep(for: timeout) } catch { return }
            let waiter = state.withLockedValue { $0.waiters.removeValue(forKey: id) }
            waiter?.resume()
        }
        await withCheckedContinuation { continuation in
            let mustWait = state.withLockedValue { state in
                guard case .starting = state.phase else { return false }
                state.waiters[id] = continuation
                return true
            }
            if !mustWait { continuation.resume() }
        }
        alarm.cancel()
    }
}
