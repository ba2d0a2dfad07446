import NIOConcurrencyHelpers

/// What a task is to be run with.
struct TaskLaunch: Sendable {
    var id: TaskID
    /// Converters, tolerance and client settings come from here.
    var connectorConfig: ConnectorProperties
    /// What the task itself gets.
    var taskConfig: ConnectorProperties
    /// A try after a failure: report RUNNING only after progress.
    var isQuiet: Bool
    /// The connector's secrets.
    var mask: SecretMask
    /// Whom to ask before an exactly-once task may write; nil if the worker works alone.
    var admission: TaskAdmission?
}

/// What a task of an exactly-once source asks before it writes (KIP-618).
struct TaskAdmission: Sendable {
    /// Shuts out all tasks of former generations of the connector's task configurations.
    var fence: @Sendable () async throws -> Void
    /// Throws if the task is no longer this worker's, or the connector has got new task configurations since.
    var check: @Sendable () async throws -> Void
}

/// Runs tasks. The worker's implementation makes the clients and converters; tests put their own in its place.
protocol TaskLauncher: Sendable {
    /// Runs a task on the calling thread until it is told to stop (returns) or cannot go on (throws).
    func run(
        _ launch: TaskLaunch, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) async throws
}

/// A task at work on its own thread.
final class RunningTask: Sendable {
    private enum Phase {
        case running, ended, abandoned
    }

    private struct State {
        var phase = Phase.running
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let id: TaskID
    let control: TaskControl
    private let thread: TaskThread
    private let state = NIOLockedValueBox(State())

    init(id: TaskID, isPaused: Bool) {
        self.id = id
        control = TaskControl(isPaused ? .pause : .run)
        thread = TaskThread(name: "task \(id.task) \(id.connector)")
    }

    /// Begins; `ended` is called once, with the error if there was one.
    func start(
        _ body:
            @escaping @Sendable (TaskControl, TaskThread, @escaping @Sendable (ConnectorLifecycle.Event) -> Void)
            async throws -> Void,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void,
        ended: @escaping @Sendable ((any Error)?) -> Void
    ) {
        Task(executorPreference: thread) { [self] in
            var failure: (any Error)?
            do { try await body(control, thread, report) } catch { failure = error }
            thread.stop()
            ended(failure)
            finish()
        }
    }

    var isAbandoned: Bool { state.withLockedValue { $0.phase == .abandoned } }

    /// Gives the task up; false if it has just ended.
    func abandon() -> Bool {
        let isAbandoned = state.withLockedValue { state in
            guard state.phase == .running else { return false }
            state.phase = .abandoned
            return true
        }
        if isAbandoned { control.abandon() }
        return isAbandoned
    }

    /// Waits for the end, but not longer than this.
    func hasEnded(within timeout: Duration) async -> Bool {
        let alarm = Task {
            do { try await Task.sleep(for: timeout) } catch { return }
            wake()
        }
        defer { alarm.cancel() }
        await withCheckedContinuation { continuation in
            let mustWait = state.withLockedValue { state in
                guard state.phase == .running else { return false }
                state.waiters.append(continuation)
                return true
            }
            if !mustWait { continuation.resume() }
        }
        return state.withLockedValue { $0.phase == .ended }
    }

    private func finish() {
        state.withLockedValue { if $0.phase == .running { $0.phase = .ended } }
        wake()
    }

    private func wake() {
        let waiters = state.withLockedValue { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
