import ConnectAPI
import NIOConcurrencyHelpers
import OrderedCollections

@testable import ConnectRuntime

/// Keeps connectors in memory; validates nothing but the class.
final class FakeHerder: Herder {
    typealias Config = OrderedDictionary<String, String>

    struct State {
        var connectors: OrderedDictionary<String, Config> = [:]
        var offsets: [ConnectorOffset] = []
        var restarts: [RestartRequest] = []
        var trace: String?
        /// How many changes come to nothing because the group goes on to another round.
        var overtaken = 0
    }

    let state = NIOLockedValueBox(State())

    static let sourceClass = "io.confluent.connect.jdbc.JdbcSourceConnector"

    private func config(_ name: String) throws(HerderError) -> Config {
        guard let config = state.withLockedValue({ $0.connectors[name] }) else { throw .unknownConnector(name) }
        return config
    }

    private func info(_ name: String) throws(HerderError) -> ConnectorInfo {
        ConnectorInfo(
            name: name, config: try config(name), tasks: [TaskID(connector: name, task: 0)], type: .source)
    }

    private func check(_ config: Config) throws(HerderError) {
        guard let plugin = config["connector.class"] else {
            throw HerderError(status: 400, message: "Connector config contains no connector type")
        }
        // As a careless plugin would: the message quotes a secret.
        if let secret = config["connection.password"], config["mode"] == "leak" {
            throw HerderError(
                status: 400, message: "Cannot connect with \(secret) to \(config["connection.url"] ?? "")")
        }
        _ = plugin
    }

    var health: WorkerHealth { .healthy }
    func serverInfo() async throws(HerderError) -> ServerInfo {
        ServerInfo(version: "4.3.0", commit: "c", kafkaClusterID: "id")
    }
    func connectors() async throws(HerderError) -> [String] { state.withLockedValue { Array($0.connectors.keys) } }
    func connectorInfo(_ name: String) async throws(HerderError) -> ConnectorInfo { try info(name) }
    func connectorConfig(_ name: String) async throws(HerderError) -> Config { try config(name) }
    func connectorStatus(_ name: String) async throws(HerderError) -> ConnectorStatus {
        _ = try config(name)
        let trace = state.withLockedValue { $0.trace }
        return ConnectorStatus(
            name: name, connector: .init(state: .running, workerID: "h:1", version: "10.9.7"),
            tasks: [TaskStatus(id: 0, state: .failed, workerID: "h:1", trace: trace)], type: .source)
    }
    func createConnector(
        name: String, config: Config, initialState: TargetState?
    ) async throws(HerderError) -> ConnectorInfo {
        try check(config)
        let exists = state.withLockedValue { $0.connectors.updateValue(config, forKey: name) != nil }
        if exists { throw HerderError(status: 409, message: "Connector \(name) already exists") }
        return try info(name)
    }
    func putConnectorConfig(_ name: String, config: Config) async throws(HerderError) -> PutConfigResult {
        let isOvertaken = state.withLockedValue { state in
            defer { state.overtaken -= 1 }
            return state.overtaken > 0
        }
        if isOvertaken { throw .overtaken() }
        try check(config)
        let isCreated = state.withLockedValue { $0.connectors.updateValue(config, forKey: name) == nil }
        return PutConfigResult(isCreated: isCreated, info: try info(name))
    }
    func patchConnectorConfig(
        _ name: String, patch: OrderedDictionary<String, String?>
    ) async throws(HerderError) -> ConnectorInfo {
        var config = try config(name)
        for (key, value) in patch { config[key] = value }
        state.withLockedValue { $0.connectors[name] = config }
        return try info(name)
    }
    func deleteConnector(_ name: String) async throws(HerderError) {
        _ = try config(name)
        state.withLockedValue { _ = $0.connectors.removeValue(forKey: name) }
    }
    func pauseConnector(_ name: String) async throws(HerderError) { _ = try config(name) }
    func resumeConnector(_ name: String) async throws(HerderError) { _ = try config(name) }
    func stopConnector(_ name: String) async throws(HerderError) { _ = try config(name) }
    func restartConnector(_ request: RestartRequest) async throws(HerderError) -> ConnectorStatus {
        state.withLockedValue { $0.restarts.append(request) }
        return try await connectorStatus(request.connector)
    }
    func tasks(of name: String) async throws(HerderError) -> [TaskInfo] {
        var config = try config(name)
        config["task.class"] = "t"
        config.removeValue(forKey: "connector.class")
        return [TaskInfo(id: TaskID(connector: name, task: 0), config: config)]
    }
    func taskStatus(_ id: TaskID) async throws(HerderError) -> TaskStatus {
        let status = try await connectorStatus(id.connector)
        guard id.task == 0 else { throw HerderError(status: 404, message: "No status found for task \(id)") }
        return status.tasks[0]
    }
    func restartTask(_ id: TaskID) async throws(HerderError) { _ = try await taskStatus(id) }
    func activeTopics(of name: String) async throws(HerderError) -> [String] {
        _ = try config(name)
        return ["my_topic_users"]
    }
    func resetActiveTopics(of name: String) async throws(HerderError) { _ = try config(name) }
    func offsets(of name: String) async throws(HerderError) -> [ConnectorOffset] {
        _ = try config(name)
        return state.withLockedValue { $0.offsets }
    }
    func alterOffsets(of name: String, _ offsets: [ConnectorOffset]) async throws(HerderError) -> String {
        _ = try config(name)
        state.withLockedValue { $0.offsets = offsets }
        return "altered"
    }
    func resetOffsets(of name: String) async throws(HerderError) -> String {
        _ = try config(name)
        return "reset"
    }
    func plugins(connectorsOnly: Bool) -> [PluginInfo] {
        let connector = PluginInfo(className: Self.sourceClass, type: "source", version: "10.9.7")
        return connectorsOnly ? [connector] : [connector, PluginInfo(className: "c", type: "converter", version: "4")]
    }
    func pluginConfig(_ pluginName: String) async throws(HerderError) -> [ConfigKeyInfo] {
        guard pluginName == Self.sourceClass else { throw HerderError(status: 404, message: "Unknown \(pluginName)") }
        return [
            ConfigKeyInfo(
                name: "connection.password", type: "PASSWORD", isRequired: false, defaultValue: nil,
                importance: "HIGH", documentation: "d", group: "Database", orderInGroup: 3, width: "SHORT",
                displayName: "JDBC Password", dependents: [])
        ]
    }
    func validate(pluginName: String, config: Config) async throws(HerderError) -> ConfigInfos {
        ConfigInfos(
            name: pluginName, groups: ["Common"],
            configs: [
                .init(definition: nil, value: ConfigValueInfo(name: "seen", value: config["connection.password"]))
            ])
    }
    func loggers() -> [LoggerLevel] { [LoggerLevel(name: "root", level: "INFO")] }
    func logger(_ name: String) -> LoggerLevel? { name == "root" ? LoggerLevel(name: "root", level: "INFO") : nil }
    func setLoggerLevel(namespace: String, level: String, scope: LoggerScope) async throws(HerderError) -> [String] {
        [namespace]
    }
}
