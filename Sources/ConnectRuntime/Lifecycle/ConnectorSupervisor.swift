import ConnectAPI
import Logging
import NIOConcurrencyHelpers
import OrderedCollections

/// Does what ``ConnectorLifecycle`` decides, for one connector: one loop that takes events in order. Everything that
/// may wait runs beside the loop and reports back with an event.
final class ConnectorSupervisor: Sendable {
    typealias Event = ConnectorLifecycle.Event
    typealias Failure = ConnectorLifecycle.Failure

    /// What a supervisor needs, made by the herder.
    struct Environment: Sendable {
        var plugins: PluginRegistry
        var statusStore: StatusStore
        var offsets: OffsetStores
        var launcher: any TaskLauncher
        var transformer: ConfigTransformer
        var workerID: @Sendable () -> String
        var generation: @Sendable () -> Int
        var gracefulTimeout: Duration
        /// ``ConnectorLifecycle/restartLimit``.
        var restartLimit: Int?
        var loggers: ConnectLoggers
        /// Whom a task of an exactly-once source asks before it writes, given the plan that it was started for.
        var admission: @Sendable (TaskID, ConnectorLifecycle.Plan) -> TaskAdmission?
        /// Stores task configurations unless the connector has changed or gone meanwhile; answers the stored plan.
        var storeTasks:
            @Sendable (String, [ConnectorProperties], ConnectorLifecycle.Plan) async throws -> ConnectorLifecycle.Plan?
    }

    private struct State {
        var connector: (any Connector)?
        var version: String?
        var startTask: Task<Void, Never>?
        var connectorWork: Task<Void, Never>?
        var storing: Task<Void, Never>?
        var timers: [ConnectorLifecycle.Timer: Task<Void, Never>] = [:]
        var tasks: [Int: RunningTask] = [:]
        var plan: ConnectorLifecycle.Plan?
        var mask = SecretMask.none
        var quietWaiters: [CheckedContinuation<Void, Never>] = []
        /// The last share that has been acted on, and whether the connector itself rests.
        var seenShare: ConnectorLifecycle.Share?
        var isConnectorIdle = true
        var isFinished = false
    }

    let name: String
    private let environment: Environment
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation
    private let state = NIOLockedValueBox(State())

    init(name: String, environment: Environment) {
        self.name = name
        self.environment = environment
        logger = environment.loggers.logger("connect.connector", ["connector": "\(name)"])
        (events, continuation) = AsyncStream.makeStream()
    }

    /// Takes note of an event; it is dealt with soon.
    func send(_ event: Event) { continuation.yield(event) }

    /// Lives until the connector is removed or the worker stops, and all its parts have ended.
    func run() async {
        var lifecycle = ConnectorLifecycle(restartLimit: environment.restartLimit)
        for await event in events {
            if case .planned(let plan) = event { note(plan) }
            var isFinished = false
            for action in lifecycle.handle(event) {
                if action == .finished { isFinished = true } else { perform(action) }
            }
            note(lifecycle)
            wakeIfQuiet()
            if isFinished { break }
        }
        continuation.finish()
        let timers = state.withLockedValue { state in
            state.isFinished = true
            defer { state.timers = [:] }
            return state.timers.values
        }
        for timer in timers { timer.cancel() }
    }

    /// Waits until no task runs; the caller bounds the wait.
    func waitForTasksToEnd() async {
        await withCheckedContinuation { continuation in
            let isQuiet = state.withLockedValue { state in
                guard !state.tasks.isEmpty else { return true }
                state.quietWaiters.append(continuation)
                return false
            }
            if isQuiet { continuation.resume() }
        }
    }

    private func note(_ lifecycle: ConnectorLifecycle) {
        let isIdle = lifecycle.connectorPhase == .idle || lifecycle.connectorPhase == .failed
        state.withLockedValue { state in
            state.seenShare = lifecycle.share
            state.isConnectorIdle = isIdle
        }
    }

    /// Whether this share has been acted on: what is not in it has stopped.
    func hasGivenUp(allBut share: ConnectorLifecycle.Share) -> Bool {
        state.withLockedValue { state in
            state.isFinished
                || (state.seenShare == share && state.tasks.keys.allSatisfy(share.has(task:))
                    && (share.connector || state.isConnectorIdle))
        }
    }

    /// The numbers of the tasks that run now.
    var runningTasks: Set<Int> { state.withLockedValue { Set($0.tasks.keys) } }

    var hasTasks: Bool { state.withLockedValue { !$0.tasks.isEmpty } }

    private func wakeIfQuiet() {
        let waiters = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
            guard state.tasks.isEmpty else { return [] }
            defer { state.quietWaiters = [] }
            return state.quietWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func note(_ plan: ConnectorLifecycle.Plan) {
        state.withLockedValue { state in
            state.plan = plan
            state.mask = SecretMask(plan.config, passwordNames: passwordNames(plan.config))
        }
    }

    private func passwordNames(_ config: ConnectorProperties) -> [String] {
        environment.plugins.connector(config["connector.class"] ?? "")?.type.configDefinition.passwordNames ?? []
    }

    /// The connector's configuration with what config providers supply, which from now on is hidden in texts.
    private func transformed(_ config: ConnectorProperties) throws -> ConfigTransformer.Transformed {
        let transformed = environment.transformer.transform(config)
        let mask = SecretMask(transformed, passwordNames: passwordNames(config))
        state.withLockedValue { $0.mask = mask }
        _ = try transformed.checked()
        return transformed
    }

    private func perform(_ action: ConnectorLifecycle.Action) {
        switch action {
        case .startConnector(let config): startConnector(config)
        case .stopConnector: stopConnector()
        case .computeTasks: computeTasks()
        case .storeTasks(let configs): storeTasks(configs)
        case .startTask(let id, let config, let isPaused, let isQuiet):
            startTask(id, config, isPaused: isPaused, isQuiet: isQuiet)
        case .stopTask(let id): stopTask(id)
        case .pauseTask(let id): task(id)?.control.tell(.pause)
        case .resumeTask(let id): task(id)?.control.tell(.run)
        case .connectorStatus(let state, let trace): putConnectorStatus(state, trace)
        case .taskStatus(let id, let state, let trace): putTaskStatus(id, state, trace)
        case .removeTaskStatus(let id): environment.statusStore.put(.task(TaskID(connector: name, task: id), nil))
        case .removeAllStatus: environment.statusStore.removeAll(of: name)
        case .setTimer(let timer, let delay): setTimer(timer, delay)
        case .finished: break
        }
    }

    private func setTimer(_ timer: ConnectorLifecycle.Timer, _ delay: Duration) {
        let task = Task {
            do { try await Task.sleep(for: delay) } catch { return }
            send(.timerFired(timer))
        }
        state.withLockedValue { $0.timers.updateValue(task, forKey: timer) }?.cancel()
    }
}

// MARK: - Status

extension ConnectorSupervisor {
    private func putConnectorStatus(_ runState: RunState, _ trace: String?) {
        if runState == .failed {
            logger.error("the connector failed", metadata: ["error": "\(trace ?? "")"])
        } else {
            logger.debug("connector", metadata: ["state": "\(runState.rawValue)"])
        }
        let record = StatusRecord.connector(name, status(runState, trace))
        if runState == .unassigned {
            environment.statusStore.putSafely(record)
        } else {
            environment.statusStore.put(record)
        }
    }

    private func putTaskStatus(_ id: Int, _ runState: RunState, _ trace: String?) {
        if runState == .failed {
            logger.error("a task failed", metadata: ["task": "\(id)", "error": "\(trace ?? "")"])
        } else {
            logger.debug("task", metadata: ["task": "\(id)", "state": "\(runState.rawValue)"])
        }
        let record = StatusRecord.task(TaskID(connector: name, task: id), status(runState, trace))
        if runState == .unassigned {
            environment.statusStore.putSafely(record)
        } else {
            environment.statusStore.put(record)
        }
    }

    private func status(_ runState: RunState, _ trace: String?) -> StatusRecord.State {
        StatusRecord.State(
            state: runState, trace: trace, workerID: environment.workerID(), generation: environment.generation(),
            version: runState == .unassigned || runState == .restarting ? nil : version)
    }

    private var version: String? {
        let className = state.withLockedValue { $0.plan?.config["connector.class"] }
        return className.flatMap { environment.plugins.connector($0)?.type.version }
    }
}

// MARK: - The connector

extension ConnectorSupervisor {
    private var mask: SecretMask { state.withLockedValue { $0.mask } }

    private func failure(_ error: any Error) -> Failure { Failure(error, masking: mask) }

    /// Runs work on the connector after all earlier work on it has ended.
    @discardableResult
    private func enqueue(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        state.withLockedValue { state in
            let previous = state.connectorWork
            let task = Task {
                await previous?.value
                await work()
            }
            state.connectorWork = task
            return task
        }
    }

    private func startConnector(_ config: ConnectorProperties) {
        let task = enqueue { [self] in
            let className = config["connector.class"] ?? ""
            guard let plugin = environment.plugins.connector(className) else {
                send(
                    .connectorFailed(
                        Failure(trace: "There is no connector class \(className) here", isRetriable: false)))
                return
            }
            let connector = plugin.type.init()
            state.withLockedValue { $0.connector = connector }
            let context = SupervisedContext(
                connectorName: name, logger: logger,
                offsetReader: plugin.connectorType == .source
                    ? ConnectorOffsetReader(end: .settled) { [environment, name] in
                        try await environment.offsets.offsets(of: name, config)
                    } : nil,
                supervisor: self)
            do {
                try await onOwnThread(name: "connector") {
                    let config = try self.transformed(config).config.plain
                    try await connector.start(config, context: context)
                }
                send(.connectorStarted)
            } catch {
                send(.connectorFailed(failure(error)))
            }
        }
        state.withLockedValue { $0.startTask = task }
    }

    private func stopConnector() {
        state.withLockedValue { $0.startTask }?.cancel()
        enqueue { [self] in
            let connector = state.withLockedValue { state in
                defer { state.connector = nil }
                return state.connector
            }
            if let connector { try? await onOwnThread(name: "connector") { await connector.stop() } }
            send(.connectorStopped)
        }
    }

    private func computeTasks() {
        enqueue { [self] in
            guard
                let (connector, plan) = state.withLockedValue({ state in
                    state.connector.flatMap { connector in state.plan.map { (connector, $0) } }
                })
            else { return }
            do {
                let configs = try await onOwnThread(name: "connector") {
                    try await Self.taskConfigs(of: connector, try self.transformed(plan.config))
                }
                send(.tasksComputed(configs))
            } catch {
                send(.taskComputationFailed(failure(error)))
            }
        }
    }

    /// What the connector says, with what Connect adds: the task's class and, for sinks, the topics.
    private static func taskConfigs(
        of connector: any Connector, _ transformed: ConfigTransformer.Transformed
    ) async throws -> [ConnectorProperties] {
        let config = transformed.config
        let maxTasks = Int(config["tasks.max"]?.trimmed ?? "1") ?? 1
        var configs = try await connector.taskConfigs(maxTasks: maxTasks)
        guard configs.count <= maxTasks else {
            throw ConnectError.fatal("the connector made \(configs.count) tasks, but tasks.max allows \(maxTasks)")
        }
        for index in configs.indices {
            configs[index]["task.class"] = type(of: connector).taskClassName
            for topics in ["topics", "topics.regex"] {
                if let value = config[topics] { configs[index][topics] = value }
            }
            configs[index] = transformed.restoringReferences(configs[index])
        }
        return configs
    }

    /// One at a time: what is stored last is what the connector said last.
    private func storeTasks(_ configs: [ConnectorProperties]) {
        state.withLockedValue { state in
            guard let plan = state.plan else { return }
            let previous = state.storing
            state.storing = Task {
                await previous?.value
                await storeTasks(configs, madeFor: plan)
            }
        }
    }

    private func storeTasks(_ configs: [ConnectorProperties], madeFor plan: ConnectorLifecycle.Plan) async {
        func isCurrent() -> Bool { state.withLockedValue { $0.plan?.config == plan.config } }
        guard isCurrent() else { return }
        do {
            if let stored = try await environment.storeTasks(name, configs, plan) { send(.planned(stored)) }
        } catch  where isCurrent() {
            let text = "the task configurations could not be stored: \(mask.mask("\(error)"))"
            send(.taskComputationFailed(Failure(trace: text, isRetriable: true)))
        } catch {}
    }
}

// MARK: - Tasks

extension ConnectorSupervisor {
    private func task(_ id: Int) -> RunningTask? { state.withLockedValue { $0.tasks[id] } }

    private func startTask(_ id: Int, _ config: ConnectorProperties, isPaused: Bool, isQuiet: Bool) {
        guard let plan = state.withLockedValue({ $0.plan }) else { return }
        let taskID = TaskID(connector: name, task: id)
        let running = RunningTask(id: taskID, isPaused: isPaused)
        state.withLockedValue { $0.tasks[id] = running }
        let launcher = environment.launcher
        running.start { [self] control, thread, report in
            // References are resolved here, on the task's thread: a provider may read files.
            let connectorConfig = try transformed(plan.taskRuntime).config
            let request = TaskLaunch(
                id: taskID, connectorConfig: connectorConfig,
                taskConfig: try environment.transformer.transform(config).checked(), isQuiet: isQuiet, mask: mask,
                admission: environment.admission(taskID, plan))
            try await launcher.run(request, control: control, thread: thread, report: report)
        } report: { [self, weak running] event in
            // What an abandoned task still has to say no longer matters.
            guard let running, !running.isAbandoned else { return }
            send(event)
        } ended: { [self, weak running] error in
            guard let running, !running.isAbandoned else { return }
            remove(running)
            if let error { send(.taskFailed(id, failure(error))) } else { send(.taskStopped(id)) }
        }
    }

    private func stopTask(_ id: Int) {
        guard let running = task(id) else { return }
        running.control.tell(.stop)
        let timeout = environment.gracefulTimeout
        Task {
            guard await !running.hasEnded(within: timeout), running.abandon() else { return }
            logger.warning(
                "a task did not stop in time and is left to itself",
                metadata: ["task": "\(id)", "timeout": "\(timeout)"])
            remove(running)
            send(.taskStopped(id))
        }
    }

    private func remove(_ running: RunningTask) {
        state.withLockedValue { state in
            if state.tasks[running.id.task] === running { state.tasks[running.id.task] = nil }
        }
    }
}
