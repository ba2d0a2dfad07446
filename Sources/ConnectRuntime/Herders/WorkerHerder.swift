import ConnectAPI
import Logging
import NIOConcurrencyHelpers
import OrderedCollections

/// The herder of one worker: it stores what users want and has a ``ConnectorSupervisor`` per connector bring it about.
/// Distributed and standalone workers differ in the stores they give it, and a member of a group runs only its share
/// (``WorkerGroup``).
final class WorkerHerder: Sendable {
    /// What a herder is made of.
    struct Parts: Sendable {
        var configuration: WorkerConfiguration
        var plugins: PluginRegistry
        var configStore: ConfigStore
        var offsets: OffsetStores
        var statusStore: StatusStore
        var launcher: any TaskLauncher
        var cluster: any ClusterAccess
        var loggers: ConnectLoggers
        var metrics = TaskMetricsRegistry()
    }

    /// A supervisor and its loop.
    private struct Supervised {
        var supervisor: ConnectorSupervisor
        var loop: Task<Void, Never>
    }

    private struct State {
        var workerID = ""
        var generation = 0
        var clusterID: String?
        var supervised: [String: Supervised] = [:]
        /// Loops of removed connectors that have not ended yet.
        var ending: [String: Task<Void, Never>] = [:]
        var isStopping = false
        var group: WorkerGroup?
        /// What this worker runs of all there is; nil for everything.
        var share: WorkShare?
    }

    let parts: Parts
    let readiness = Readiness()
    let gate = SerialGate()
    private let state = NIOLockedValueBox(State())
    let logger: Logger

    init(_ parts: Parts) {
        self.parts = parts
        logger = parts.loggers.logger("connect.herder")
    }

    // MARK: Start and stop

    /// The advertised `host:port` of REST.
    var workerID: String {
        get { state.withLockedValue { $0.workerID } }
        set { state.withLockedValue { $0.workerID = newValue } }
    }

    /// The generation of the worker group.
    var generation: Int {
        get { state.withLockedValue { $0.generation } }
        set { state.withLockedValue { $0.generation = newValue } }
    }

    /// The group that this worker is a member of; nil if it works alone.
    var group: WorkerGroup? { state.withLockedValue { $0.group } }

    /// Makes this worker a member: it runs nothing until the group gives it something.
    func join(_ group: WorkerGroup) {
        state.withLockedValue { state in
            state.group = group
            state.share = WorkShare()
        }
    }

    func setShare(_ share: WorkShare) { state.withLockedValue { $0.share = share } }

    func allSupervisors() -> [ConnectorSupervisor] { state.withLockedValue { $0.supervised.values.map(\.supervisor) } }

    var clusterID: String? {
        get { state.withLockedValue { $0.clusterID } }
        set { state.withLockedValue { $0.clusterID = newValue } }
    }

    /// Reads the stores and starts every connector.
    func start() async throws {
        async let offsets: Void = parts.offsets.worker.start()
        async let statuses: Void = parts.statusStore.start()
        try await parts.configStore.start()
        _ = try await (offsets, statuses)
        if let group {
            parts.configStore.observe { [weak self] record in self?.configChanged(record) }
            parts.offsets.setFence { [weak group] in group?.isCurrent ?? false }
            parts.configStore.setPermission { [weak group] in group.map { $0.isCurrent && $0.isLeading } ?? false }
            group.start(for: self)
            return
        }
        let names = parts.configStore.names
        for name in parts.statusStore.connectorNames.subtracting(names) { parts.statusStore.removeAll(of: name) }
        for name in names { removeStaleTasks(of: name) }
        for name in names { supervise(name) }
        readiness.succeed()
    }

    /// Task states that a killed worker left behind and that no task will write again.
    func removeStaleTasks(of name: String) {
        let count = parts.configStore.plan(of: name)?.tasks.count ?? 0
        for task in parts.statusStore.tasks(of: name) where task.id >= count {
            parts.statusStore.put(.task(TaskID(connector: name, task: task.id), nil))
        }
    }

    /// Stops all connectors and lets go of the stores. Returns when all have ended or the graceful time is over.
    func stop() async {
        let supervised = state.withLockedValue { state in
            state.isStopping = true
            return state.supervised
        }
        for entry in supervised.values { entry.supervisor.send(.shutdown) }
        // Tasks are given up after the graceful time, so this ends; a connector that hangs must not hold up the worker.
        await waitBounded(parts.configuration.gracefulShutdownTimeout + .seconds(1)) {
            for entry in supervised.values { await entry.loop.value }
        }
        await parts.statusStore.stop()
        await parts.offsets.stop()
        await parts.configStore.stop()
    }

    // MARK: Supervisors

    /// Begins to look after a connector, or passes on its changed plan.
    func supervise(_ name: String) {
        guard let plan = parts.configStore.plan(of: name) else { return }
        state.withLockedValue { state in
            guard !state.isStopping else { return }
            if let known = state.supervised[name] {
                known.supervisor.send(.planned(plan))
                return
            }
            let supervisor = ConnectorSupervisor(name: name, environment: supervisorEnvironment())
            let previous = state.ending[name]
            state.ending[name] = nil
            if let share = state.share { supervisor.send(.shared(share.part(of: name))) }
            supervisor.send(.planned(plan))
            let loop = Task {
                await previous?.value
                await supervisor.run()
            }
            state.supervised[name] = Supervised(supervisor: supervisor, loop: loop)
        }
    }

    private func supervisorEnvironment() -> ConnectorSupervisor.Environment {
        ConnectorSupervisor.Environment(
            plugins: parts.plugins, statusStore: parts.statusStore, offsets: parts.offsets,
            launcher: parts.launcher, transformer: parts.configuration.configTransformer,
            workerID: { [weak self] in self?.workerID ?? "" },
            generation: { [weak self] in self?.generation ?? 0 },
            gracefulTimeout: parts.configuration.gracefulShutdownTimeout,
            restartLimit: parts.configuration.restartLimit, loggers: parts.loggers,
            admission: { [weak self] id, plan in self?.admission(of: id, plan) },
            storeTasks: { [weak self] name, configs, plan in
                guard let self else { return nil }
                guard let group else { return try await storeTasksHere(name, configs, madeFor: plan) }
                return try await storeTasksForGroup(name, configs, madeFor: plan, group)
            })
    }

    /// nil if the connector has been changed, stopped or removed since the configurations were made.
    func storeTasksHere(
        _ name: String, _ configs: [ConnectorProperties], madeFor plan: ConnectorLifecycle.Plan
    ) async throws -> ConnectorLifecycle.Plan? {
        try await gate.run {
            guard let current = parts.configStore.plan(of: name), current.config == plan.config,
                current.target == .started
            else { return nil }
            try checkLead()
            try await parts.configStore.putTasks(name, configs)
            return parts.configStore.plan(of: name)
        }
    }

    func supervisor(of name: String) -> ConnectorSupervisor? {
        state.withLockedValue { $0.supervised[name]?.supervisor }
    }

    // MARK: Changes, one at a time

    /// Stores a change and lets the supervisor know. The operation checks its preconditions: it is alone.
    func change<Value: Sendable>(
        _ name: String, _ operation: () async throws -> Value
    ) async throws(HerderError) -> Value {
        try await ensureReady()
        do {
            return try await gate.run {
                let value = try await operation()
                supervise(name)
                return value
            }
        } catch let error as HerderError {
            throw error
        } catch {
            logger.error("a change could not be stored", metadata: ["connector": "\(name)", "error": "\(error)"])
            throw HerderError(status: 500, message: "The change of connector \(name) could not be stored: \(error)")
        }
    }

    /// Removes a connector and waits for its end, within reason.
    func remove(_ name: String) async throws(HerderError) {
        try await change(name) {
            guard parts.configStore.plan(of: name) != nil else { throw HerderError.unknownConnector(name) }
            try checkLead()
            try await parts.configStore.removeConnector(name)
            endSupervision(of: name)
        }
        if let loop = state.withLockedValue({ $0.ending[name] }) {
            await waitBounded(parts.configuration.gracefulShutdownTimeout + .seconds(1)) { await loop.value }
        }
    }

    /// Looks after a connector that has been removed until all its parts have ended.
    func endSupervision(of name: String) {
        state.withLockedValue { state in
            guard let known = state.supervised.removeValue(forKey: name) else { return }
            known.supervisor.send(.removed)
            state.ending[name] = known.loop
        }
    }

    func ensureReady() async throws(HerderError) {
        try await readiness.wait(atMost: .seconds(60))
    }
}

/// Waits for an operation, but not longer than this; the operation itself goes on.
func waitBounded(_ timeout: Duration, _ operation: @escaping @Sendable () async -> Void) async {
    let (ended, continuation) = AsyncStream<Void>.makeStream()
    let work = Task {
        await operation()
        continuation.finish()
    }
    let alarm = Task {
        do { try await Task.sleep(for: timeout) } catch { return }
        continuation.finish()
    }
    for await _ in ended {}
    alarm.cancel()
    _ = work
}
