import OrderedCollections

/// The configuration of a connector or of one of its tasks.
typealias ConnectorProperties = OrderedDictionary<String, String>

/// Decides what happens to one connector and its tasks on this worker. It does nothing itself: every event changes what
/// is wanted or what is known, and ``reconcile()`` lists the actions that bring the two together. The shell around it
/// is ``ConnectorSupervisor``.
///
/// Rules, as in Kafka Connect's `DistributedHerder` and `WorkerConnector`:
/// - A paused or stopped connector is not started itself; its tasks rest (PAUSED) or are gone (STOPPED).
/// - A running connector is asked for task configurations after each start and on its own request; tasks are
///   replaced only if the configurations differ from the stored ones.
/// - Beyond Connect: what failed for a cause that may pass (``Failure/isRetriable``) is started again by itself, later
///   each time, at most ``restartLimit`` times in a row; its state stays FAILED until it has made progress, and tells
///   when the next try is.
struct ConnectorLifecycle {
    private enum Ending {
        case removed, shutdown
    }

    private(set) var connectorPhase = ConnectorPhase.idle
    private(set) var tasks: [Int: TaskPhase] = [:]
    private(set) var plan: Plan?
    /// How often in a row a task or the connector is started again by itself; nil: as long as it takes.
    let restartLimit: Int?
    private var ending: Ending?
    private(set) var share = Share.all
    private var startedConfig: ConnectorProperties?
    private var idleStatus: RunState?
    private var mustRestartConnector = false
    private var mustRestartTasks: Set<Int> = []
    private var connectorAttempts = 0
    private var planAttempts = 0
    /// Task configurations that are to be stored, as long as the stored plan does not show them.
    private var storing: [ConnectorProperties]?
    private var taskAttempts: [Int: Int] = [:]
    private var isFinished = false

    init(restartLimit: Int? = nil) {
        self.restartLimit = restartLimit
    }

    /// Takes an event and tells what to do, in order.
    mutating func handle(_ event: Event) -> [Action] {
        guard !isFinished else { return [] }
        var actions: [Action] = []
        switch event {
        case .planned(let plan):
            if plan.tasks == storing { storing = nil }
            self.plan = plan
        case .shared(let share): self.share = share
        case .removed: ending = .removed
        case .shutdown: ending = ending ?? .shutdown
        case .restart(let connector, let tasks): actions += restart(connector: connector, tasks: tasks)
        case .timerFired(let timer): actions += fired(timer)
        case .connectorStarted, .connectorFailed, .connectorStopped, .reconfigurationRequested, .tasksComputed,
            .taskComputationFailed:
            actions += handleConnector(event)
        case .taskRunning, .taskPaused, .taskStopped, .taskFailed:
            actions += handleTask(event)
        }
        actions += reconcile()
        return actions
    }

    /// How long to wait before the next try: 500 ms, doubled each time, at most 5 s.
    static func backoff(attempt: Int) -> Duration {
        .milliseconds(min(5000, 500 << min(attempt, 10)))
    }
}

// MARK: - Events

extension ConnectorLifecycle {
    private var wantsConnector: Bool { ending == nil && plan?.target == .started && share.connector }

    private mutating func handleConnector(_ event: Event) -> [Action] {
        switch event {
        case .connectorStarted where connectorPhase == .starting:
            connectorPhase = .running
            connectorAttempts = 0
            storing = nil
            return [.connectorStatus(.running, trace: nil), .computeTasks]
        case .connectorFailed(let failure) where connectorPhase == .starting || connectorPhase == .running:
            connectorPhase = .failed
            let next = nextTry(after: failure, connectorAttempts)
            if next.wait != nil { connectorAttempts += 1 }
            return [.stopConnector, .connectorStatus(.failed, trace: next.trace)]
                + (next.wait.map { [.setTimer(.connector, $0)] } ?? [])
        case .connectorStopped where connectorPhase == .stopping:
            connectorPhase = .idle
            if mustRestartConnector {
                mustRestartConnector = false
                return []
            }
            let isReplaced = wantsConnector || ending == .shutdown || (ending == nil && !share.connector)
            return isReplaced ? [.connectorStatus(.unassigned, trace: nil)] : []
        case .reconfigurationRequested where connectorPhase == .running:
            return [.computeTasks]
        case .tasksComputed(let configs) where connectorPhase == .running && wantsConnector:
            let status: [Action] = planAttempts > 0 ? [.connectorStatus(.running, trace: nil)] : []
            planAttempts = 0
            // What tasks run with may have changed though their own configurations have not (KAFKA-9228).
            let isApplied = plan?.applied == nil || plan?.applied == plan?.config
            guard configs != storing ?? plan?.tasks || !isApplied else { return status }
            storing = configs
            return status + [.storeTasks(configs)]
        case .taskComputationFailed(let failure) where connectorPhase == .running:
            storing = nil
            guard failure.isRetriable else {
                connectorPhase = .failed
                return [.stopConnector, .connectorStatus(.failed, trace: failure.trace)]
            }
            defer { planAttempts += 1 }
            return [
                .connectorStatus(.running, trace: failure.trace),
                .setTimer(.plan, Self.backoff(attempt: planAttempts)),
            ]
        default:
            return []
        }
    }

    private mutating func handleTask(_ event: Event) -> [Action] {
        switch event {
        case .taskRunning(let id):
            guard case .running(_, isPaused: false) = tasks[id] else { return [] }
            taskAttempts[id] = nil
            return [.taskStatus(id, .running, trace: nil)]
        case .taskPaused(let id):
            guard case .running(_, isPaused: true) = tasks[id] else { return [] }
            return [.taskStatus(id, .paused, trace: nil)]
        case .taskStopped(let id):
            guard case .stopping = tasks[id] else { return [] }
            tasks[id] = nil
            return ended(task: id)
        case .taskFailed(let id, let failure):
            switch tasks[id] {
            case .stopping:
                tasks[id] = nil
                return ended(task: id)
            case .running(let config, _):
                tasks[id] = .failed(config)
                let attempt = taskAttempts[id, default: 0]
                let next = nextTry(after: failure, attempt)
                if next.wait != nil { taskAttempts[id] = attempt + 1 }
                return [.taskStatus(id, .failed, trace: next.trace)]
                    + (next.wait.map { [.setTimer(.task(id), $0)] } ?? [])
            case .failed, nil:
                return []
            }
        default:
            return []
        }
    }

    /// How long to wait before the next try, nil if there is none, and what the status says.
    private func nextTry(after failure: Failure, _ attempt: Int) -> (wait: Duration?, trace: String) {
        guard failure.isRetriable else { return (nil, failure.trace) }
        if let restartLimit, attempt >= restartLimit {
            return (nil, "\(failure.trace)\nStarted again \(attempt) times in vain: restart it once the cause is gone")
        }
        let wait = Self.backoff(attempt: attempt)
        return (wait, "\(failure.trace)\nStarted again by itself in \(wait) (try \(attempt + 1))")
    }

    /// What to say about a task whose run has ended on our wish.
    private mutating func ended(task id: Int) -> [Action] {
        if ending == .shutdown { return [.taskStatus(id, .unassigned, trace: nil)] }
        guard ending == nil, let plan, plan.target != .stopped, id < plan.tasks.count else {
            return [.removeTaskStatus(id)]
        }
        return mustRestartTasks.contains(id) ? [] : [.taskStatus(id, .unassigned, trace: nil)]
    }

    private mutating func restart(connector: Bool, tasks ids: Set<Int>) -> [Action] {
        guard ending == nil else { return [] }
        var actions: [Action] = []
        if connector, share.connector {
            mustRestartConnector = connectorPhase == .starting || connectorPhase == .running
            if connectorPhase == .failed { connectorPhase = .idle }
            connectorAttempts = 0
            idleStatus = nil
            actions.append(.connectorStatus(.restarting, trace: nil))
        }
        for id in ids.sorted() where tasks[id] != nil {
            taskAttempts[id] = nil
            if case .failed = tasks[id] { tasks[id] = nil } else { mustRestartTasks.insert(id) }
            actions.append(.taskStatus(id, .restarting, trace: nil))
        }
        return actions
    }

    private mutating func fired(_ timer: Timer) -> [Action] {
        switch timer {
        case .connector:
            if connectorPhase == .failed { connectorPhase = .idle }
        case .plan:
            if connectorPhase == .running { return [.computeTasks] }
        case .task(let id):
            if case .failed = tasks[id] { tasks[id] = nil }
        }
        return []
    }
}

// MARK: - Reconciling

extension ConnectorLifecycle {
    private mutating func reconcile() -> [Action] {
        guard plan != nil || ending != nil else { return [] }
        var actions = reconcileConnector()
        actions += reconcileTasks()
        if let ending, connectorPhase == .idle, tasks.isEmpty {
            isFinished = true
            if ending == .removed, share.connector { actions.append(.removeAllStatus) }
            actions.append(.finished)
        }
        return actions
    }

    private mutating func reconcileConnector() -> [Action] {
        switch connectorPhase {
        case .idle:
            guard let plan, ending == nil, share.connector else { return leaveIdle() }
            if plan.target == .started {
                connectorPhase = .starting
                startedConfig = plan.config
                idleStatus = nil
                return [.startConnector(plan.config)]
            }
            let status: RunState = plan.target == .paused ? .paused : .stopped
            guard idleStatus != status else { return [] }
            idleStatus = status
            return [.connectorStatus(status, trace: nil)]
        case .starting, .running:
            guard !wantsConnector || mustRestartConnector || plan?.config != startedConfig else { return [] }
            connectorPhase = .stopping
            return [.stopConnector]
        case .stopping:
            return []
        case .failed:
            guard !wantsConnector || plan?.config != startedConfig else { return [] }
            connectorPhase = .idle
            if ending == .shutdown { return [] }
            return share.connector ? reconcileConnector() : [.connectorStatus(.unassigned, trace: nil)]
        }
    }

    /// A connector that rests here and is another worker's from now on.
    private mutating func leaveIdle() -> [Action] {
        guard idleStatus != nil, ending != .removed else { return [] }
        idleStatus = nil
        return [.connectorStatus(.unassigned, trace: nil)]
    }

    private mutating func reconcileTasks() -> [Action] {
        var wanted: [TaskSettings?] = []
        var isPaused = false
        if let plan, ending == nil, plan.target != .stopped {
            let runtime = TaskSettings.runtimePart(of: plan.taskRuntime)
            wanted = plan.tasks.enumerated().map { id, config in
                share.has(task: id)
                    ? TaskSettings(config: config, runtime: runtime, generation: plan.generation) : nil
            }
            isPaused = plan.target == .paused
        }
        var actions: [Action] = []
        for id in Set(wanted.indices).union(tasks.keys).sorted() {
            actions += reconcile(task: id, wanted: id < wanted.count ? wanted[id] : nil, isPaused: isPaused)
        }
        return actions
    }

    private mutating func reconcile(task id: Int, wanted: TaskSettings?, isPaused: Bool) -> [Action] {
        switch tasks[id] {
        case nil:
            guard let wanted else { return [] }
            mustRestartTasks.remove(id)
            tasks[id] = .running(wanted, isPaused: isPaused)
            let isQuiet = taskAttempts[id] != nil
            return [.startTask(id, wanted.config, isPaused: isPaused, isQuiet: isQuiet)]
        case .running(let config, let wasPaused):
            guard let wanted, config == wanted, !mustRestartTasks.contains(id) else {
                tasks[id] = .stopping
                return [.stopTask(id)]
            }
            guard wasPaused != isPaused else { return [] }
            tasks[id] = .running(config, isPaused: isPaused)
            return [isPaused ? .pauseTask(id) : .resumeTask(id)]
        case .stopping:
            return []
        case .failed(let config):
            if wanted == config { return [] }
            tasks[id] = nil
            taskAttempts[id] = nil
            if wanted == nil { return ending == .shutdown ? [] : ended(task: id) }
            return reconcile(task: id, wanted: wanted, isPaused: isPaused)
        }
    }
}
