import ConnectAPI

extension WorkerHerder {
    func pauseConnector(_ name: String) async throws(HerderError) {
        try await changeTarget(name) { try await parts.configStore.putTarget(name, .paused) }
    }

    func resumeConnector(_ name: String) async throws(HerderError) {
        try await changeTarget(name) { try await parts.configStore.putTarget(name, .started) }
    }

    func stopConnector(_ name: String) async throws(HerderError) {
        try await ensureLeader()
        try await changeTarget(name) {
            try checkLead()
            try await parts.configStore.stopConnector(name)
        }
        // Who stops a connector wants to change its offsets next, which needs the tasks to be gone.
        if let supervisor = supervisor(of: name) {
            await waitBounded(parts.configuration.gracefulShutdownTimeout) { await supervisor.waitForTasksToEnd() }
        }
        await waitForTasksElsewhere(name)
    }

    /// Tasks on other workers have ended when their states are gone.
    private func waitForTasksElsewhere(_ name: String) async {
        guard group != nil else { return }
        let deadline = ContinuousClock.now + parts.configuration.gracefulShutdownTimeout + .seconds(1)
        while ContinuousClock.now < deadline, !parts.statusStore.tasks(of: name).isEmpty {
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
        }
    }

    private func changeTarget(_ name: String, _ store: () async throws -> Void) async throws(HerderError) {
        try await change(name) {
            guard parts.configStore.plan(of: name) != nil else {
                throw HerderError(status: 404, message: "Unknown connector \(name)")
            }
            try await store()
        }
    }

    func restartConnector(_ request: RestartRequest) async throws(HerderError) -> ConnectorStatus {
        try await ensureReady()
        let name = request.connector
        guard parts.configStore.plan(of: name) != nil else {
            throw HerderError(status: 404, message: "Unknown connector: \(name)")
        }
        let isForAll = request.includeTasks || request.onlyFailed
        if isForAll { try await ensureLeader() } else { try await ensureOwner { $0.connectors.contains(name) } }
        var status = try await connectorStatus(name)
        let restartsConnector = !request.onlyFailed || status.connector.state == .failed
        var ids: Set<Int> = []
        if request.includeTasks {
            ids = Set(status.tasks.filter { !request.onlyFailed || $0.state == .failed }.map(\.id))
        }
        if isForAll {
            try await change(name) {
                try checkLead()
                try await parts.configStore.putRestart(request)
            }
        }
        // In a group the record tells all workers, this one too.
        if group == nil || !isForAll {
            supervisor(of: name)?.send(.restart(connector: restartsConnector, tasks: ids))
        }
        if restartsConnector { status.connector.state = .restarting }
        for index in status.tasks.indices where ids.contains(status.tasks[index].id) {
            status.tasks[index].state = .restarting
        }
        return status
    }

    func restartTask(_ id: TaskID) async throws(HerderError) {
        try await ensureReady()
        guard let plan = parts.configStore.plan(of: id.connector) else {
            throw HerderError(status: 404, message: "Unknown connector: \(id.connector)")
        }
        guard plan.tasks.indices.contains(id.task) else {
            throw HerderError(status: 404, message: "Unknown task: \(id)")
        }
        try await ensureOwner { $0.tasks.contains(id) }
        supervisor(of: id.connector)?.send(.restart(connector: false, tasks: [id.task]))
    }

    // MARK: Topics

    func activeTopics(of name: String) async throws(HerderError) -> [String] {
        guard parts.configuration.isTopicTrackingEnabled else {
            throw HerderError(status: 403, message: "Topic tracking is disabled (topic.tracking.enable=false)")
        }
        _ = try await plan(of: name)
        return parts.statusStore.topics(of: name)
    }

    func resetActiveTopics(of name: String) async throws(HerderError) {
        guard parts.configuration.isTopicTrackingEnabled else {
            throw HerderError(status: 403, message: "Topic tracking is disabled (topic.tracking.enable=false)")
        }
        guard parts.configuration.isTopicTrackingResetAllowed else {
            throw HerderError(
                status: 403, message: "Topic tracking reset is disabled (topic.tracking.allow.reset=false)")
        }
        _ = try await plan(of: name)
        parts.statusStore.removeTopics(of: name)
    }

    // MARK: Loggers

    func loggers() -> [LoggerLevel] { parts.loggers.all() }

    func logger(_ name: String) -> LoggerLevel? { parts.loggers.find(name) }

    func setLoggerLevel(
        namespace: String, level: String, scope: LoggerScope
    ) async throws(HerderError) -> [String] {
        guard let names = parts.loggers.set(namespace, level: level) else {
            throw HerderError(status: 404, message: "invalid log level '\(level)'.")
        }
        if scope == .cluster {
            try await ensureReady()
            do {
                try await parts.configStore.putLoggerLevel(namespace: namespace, level: level.uppercased())
            } catch {
                throw HerderError(status: 500, message: "The log level could not be stored: \(error)")
            }
        }
        return names
    }

    // MARK: Plugins

    func plugins(connectorsOnly: Bool) -> [PluginInfo] { parts.plugins.infos(connectorsOnly: connectorsOnly) }
}
