import NIOConcurrencyHelpers

/// Notes that the process runs: a gap shows that it was stopped (SIGSTOP, a sleeping machine, a starved one).
final class GroupPulse: Sendable {
    private static let interval = Duration.milliseconds(250)

    private struct State {
        var last = ContinuousClock.now
        var lastGapEnd: ContinuousClock.Instant?
        var task: Task<Void, Never>?
    }

    private let longestGap: Duration
    private let state = NIOLockedValueBox(State())

    /// - Parameter longestGap: a longer one counts as a stop.
    init(longestGap: Duration) {
        self.longestGap = longestGap
    }

    func start() {
        let task = Task { [weak self] in
            while !Task.isCancelled {
                do { try await Task.sleep(for: Self.interval) } catch { return }
                self?.beat()
            }
        }
        state.withLockedValue { $0.task = task }
    }

    func stop() { state.withLockedValue { $0.task }?.cancel() }

    private func beat() {
        let now = ContinuousClock.now
        state.withLockedValue { state in
            if now - state.last > longestGap { state.lastGapEnd = now }
            state.last = now
        }
    }

    /// Whether the process has run without a stop for at least this long.
    func hasRun(for duration: Duration) -> Bool {
        let now = ContinuousClock.now
        return state.withLockedValue { state in
            if now - state.last > longestGap { return false }
            guard let end = state.lastGapEnd else { return true }
            return now - end > duration
        }
    }
}
