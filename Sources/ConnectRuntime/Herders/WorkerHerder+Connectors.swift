import ConnectAPI
import OrderedCollections

extension WorkerHerder: Herder {
    var health: WorkerHealth { readiness.health }

    func isLeader(_ url: String) -> Bool { group?.isLeader(url) ?? false }

    func serverInfo() async throws(HerderError) -> ServerInfo {
        ServerInfo(version: SluiceVersion.connect, commit: SluiceVersion.commit, kafkaClusterID: clusterID)
    }

    func connectors() async throws(HerderError) -> [String] {
        try await ensureReady()
        return parts.configStore.names
    }

    func connectorInfo(_ name: String) async throws(HerderError) -> ConnectorInfo {
        let plan = try await plan(of: name)
        return info(name, plan)
    }

    func connectorConfig(_ name: String) async throws(HerderError) -> OrderedDictionary<String, String> {
        try await plan(of: name).config
    }

    func connectorStatus(_ name: String) async throws(HerderError) -> ConnectorStatus {
        try await ensureReady()
        guard let plan = parts.configStore.plan(of: name) else {
            throw HerderError(status: 404, message: "No status found for connector \(name)")
        }
        // Connect has no status before the connector is first started, and answers 404; we say what is known.
        let state = parts.statusStore.connector(name)
        return ConnectorStatus(
            name: name,
            connector: ConnectorStatus.Connector(
                state: state?.state ?? .unassigned, workerID: state?.workerID ?? workerID, trace: state?.trace,
                version: state?.version ?? version(plan)),
            tasks: parts.statusStore.tasks(of: name).map { status($0.id, $0.state, plan) }, type: type(plan))
    }

    func createConnector(
        name: String, config: OrderedDictionary<String, String>, initialState: TargetState?
    ) async throws(HerderError) -> ConnectorInfo {
        try await ensureLeader()
        if parts.configStore.plan(of: name) != nil { throw Self.exists(name) }
        let config = try named(name, config)
        try await check(config)
        return try await change(name) {
            if parts.configStore.plan(of: name) != nil { throw Self.exists(name) }
            try checkLead()
            try await parts.configStore.putConnector(name, config, target: initialState)
            // Tasks come later; Connect answers with none, whatever a former connector of that name has left.
            return ConnectorInfo(name: name, config: config, tasks: [], type: type(config))
        }
    }

    func putConnectorConfig(
        _ name: String, config: OrderedDictionary<String, String>
    ) async throws(HerderError) -> PutConfigResult {
        try await ensureLeader()
        let config = try named(name, config)
        try await check(config)
        return try await change(name) {
            try checkLead()
            let isCreated = parts.configStore.plan(of: name) == nil
            try await parts.configStore.putConnector(name, config, target: nil)
            guard let plan = parts.configStore.plan(of: name) else { throw HerderError.unknownConnector(name) }
            var info = info(name, plan)
            if isCreated { info.tasks = [] }
            return PutConfigResult(isCreated: isCreated, info: info)
        }
    }

    func patchConnectorConfig(
        _ name: String, patch: OrderedDictionary<String, String?>
    ) async throws(HerderError) -> ConnectorInfo {
        try await ensureLeader()
        var config = try await plan(of: name).config
        for (key, value) in patch { config[key] = value }
        // A patch that renames, or takes the name away, is refused like one that does so by PUT.
        config = try named(name, config)
        try await check(config)
        return try await change(name) {
            guard parts.configStore.plan(of: name) != nil else { throw HerderError.unknownConnector(name) }
            try checkLead()
            try await parts.configStore.putConnector(name, config, target: nil)
            guard let plan = parts.configStore.plan(of: name) else { throw HerderError.unknownConnector(name) }
            return info(name, plan)
        }
    }

    func deleteConnector(_ name: String) async throws(HerderError) {
        try await ensureLeader()
        try await remove(name)
    }

    func tasks(of name: String) async throws(HerderError) -> [TaskInfo] {
        try await plan(of: name).tasks.enumerated().map {
            TaskInfo(id: TaskID(connector: name, task: $0.offset), config: $0.element)
        }
    }

    func taskStatus(_ id: TaskID) async throws(HerderError) -> TaskStatus {
        try await ensureReady()
        guard let state = parts.statusStore.task(id), let plan = parts.configStore.plan(of: id.connector) else {
            throw HerderError(status: 404, message: "No status found for task \(id)")
        }
        return status(id.task, state, plan)
    }
}

// MARK: - Common parts

extension WorkerHerder {
    static func exists(_ name: String) -> HerderError {
        HerderError(status: 409, message: "Connector \(name) already exists")
    }

    /// The stored plan. 404 if there is none.
    func plan(of name: String) async throws(HerderError) -> ConnectorLifecycle.Plan {
        try await ensureReady()
        guard let plan = parts.configStore.plan(of: name) else { throw .unknownConnector(name) }
        return plan
    }

    func type(_ plan: ConnectorLifecycle.Plan) -> ConnectorType { type(plan.config) }

    func type(_ config: ConnectorProperties) -> ConnectorType {
        config["connector.class"].flatMap { parts.plugins.connector($0) }?.connectorType ?? .unknown
    }

    private func version(_ plan: ConnectorLifecycle.Plan) -> String? {
        plan.config["connector.class"].flatMap { parts.plugins.connector($0) }?.type.version
    }

    private func info(_ name: String, _ plan: ConnectorLifecycle.Plan) -> ConnectorInfo {
        ConnectorInfo(
            name: name, config: plan.config, tasks: plan.tasks.indices.map { TaskID(connector: name, task: $0) },
            type: type(plan))
    }

    private func status(_ id: Int, _ state: StatusRecord.State, _ plan: ConnectorLifecycle.Plan) -> TaskStatus {
        TaskStatus(
            id: id, state: state.state, workerID: state.workerID, trace: state.trace,
            version: state.version ?? version(plan))
    }

    /// The configuration with `name`, as it is stored.
    private func named(_ name: String, _ config: ConnectorProperties) throws(HerderError) -> ConnectorProperties {
        var config = config
        if let given = config["name"], given != name {
            throw HerderError(
                status: 400,
                message: "Connector name configuration (\(given)) doesn't match connector name in the URL (\(name))")
        }
        config["name"] = name
        return config
    }

    /// Refuses a configuration that is invalid, with all its errors.
    private func check(_ config: ConnectorProperties) async throws(HerderError) {
        guard let className = config["connector.class"], !className.trimmed.isEmpty else { throw missingClass() }
        guard parts.plugins.connector(className) != nil else { throw unknownClass(className) }
        let infos = try await validate(pluginName: className, config: config)
        if let refusal = ConnectorValidator.refusal(infos) { throw refusal }
    }

    func missingClass() -> HerderError {
        HerderError(
            status: 400,
            message: "Connector config contains no connector type: set connector.class, for example to "
                + (parts.plugins.connectorClassNames.first ?? "the class of a connector plugin"))
    }

    func unknownClass(_ className: String, status: Int = 400) -> HerderError {
        HerderError(
            status: status,
            message: "Failed to find any class that implements Connector and which name matches \(className), "
                + "available connectors are: \(parts.plugins.connectorClassNames.joined(separator: ", "))")
    }
}

/// What the worker says about itself.
enum SluiceVersion {
    /// Sluice's version.
    static let connect = "0.1.0"
    /// Not known to a build outside the repository.
    static let commit = "unknown"
}
