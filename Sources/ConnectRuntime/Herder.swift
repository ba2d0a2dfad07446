public import OrderedCollections

/// What the REST layer may ask of a worker, whether it runs alone or as a member of a group.
///
/// Named and split as Kafka Connect's `Herder`. Every call that waits is bounded by the herder: it answers or throws
/// within 90 seconds. Calls made before the herder has read its state wait for that (bounded), then throw a 503.
public protocol Herder: Sendable {
    /// What `GET /` says about this worker.
    func serverInfo() async throws(HerderError) -> ServerInfo
    /// Whether the worker is up: `GET /health`. Never waits.
    var health: WorkerHealth { get }

    /// What the worker's parts have done, in Prometheus' text format: `GET /metrics`.
    func metrics() async -> String

    // MARK: Connectors

    /// The names of all connectors, sorted.
    func connectors() async throws(HerderError) -> [String]
    /// One connector's configuration and task identifiers. 404 if there is none.
    func connectorInfo(_ name: String) async throws(HerderError) -> ConnectorInfo
    /// One connector's configuration as it was given. 404 if there is none.
    func connectorConfig(_ name: String) async throws(HerderError) -> OrderedDictionary<String, String>
    /// State of a connector and its tasks. 404 if there is none.
    func connectorStatus(_ name: String) async throws(HerderError) -> ConnectorStatus
    /// Validates and stores a new connector. 409 if it exists, 400 if the configuration is invalid.
    func createConnector(
        name: String, config: OrderedDictionary<String, String>, initialState: TargetState?
    ) async throws(HerderError) -> ConnectorInfo
    /// Validates and stores a configuration, whether the connector exists or not.
    func putConnectorConfig(
        _ name: String, config: OrderedDictionary<String, String>
    ) async throws(HerderError) -> PutConfigResult
    /// Merges a patch into the stored configuration: a nil value removes the key (KIP-477). 404 if there is none.
    func patchConnectorConfig(
        _ name: String, patch: OrderedDictionary<String, String?>
    ) async throws(HerderError) -> ConnectorInfo
    /// Removes a connector; its source offsets stay. 404 if there is none.
    func deleteConnector(_ name: String) async throws(HerderError)

    // MARK: Life cycle

    /// Keeps the tasks but lets them rest. Accepted at once (202), done soon after. 404 if there is none.
    func pauseConnector(_ name: String) async throws(HerderError)
    /// Lets a paused or stopped connector run again. Accepted at once (202). 404 if there is none.
    func resumeConnector(_ name: String) async throws(HerderError)
    /// Shuts the tasks down and forgets their configurations; returns when that is stored. 404 if there is none.
    func stopConnector(_ name: String) async throws(HerderError)
    /// Restarts the connector and, as asked, its tasks (KIP-745). Returns the status with what is restarting marked so.
    /// 404 if there is none.
    func restartConnector(_ request: RestartRequest) async throws(HerderError) -> ConnectorStatus

    // MARK: Tasks

    /// The tasks' identifiers and configurations. 404 if the connector is unknown.
    func tasks(of name: String) async throws(HerderError) -> [TaskInfo]
    /// State of one task. 404 if it has none.
    func taskStatus(_ id: TaskID) async throws(HerderError) -> TaskStatus
    /// Restarts one task. 404 if the connector or the task is unknown.
    func restartTask(_ id: TaskID) async throws(HerderError)

    // MARK: Topics and offsets

    /// The topics that the connector has used (KIP-558). 404 if the connector is unknown.
    func activeTopics(of name: String) async throws(HerderError) -> [String]
    /// Forgets the topics that the connector has used. 404 if the connector is unknown; 403 if resetting is off.
    func resetActiveTopics(of name: String) async throws(HerderError)
    /// Source offsets, or the positions of the sink's consumer group. 404 if the connector is unknown.
    func offsets(of name: String) async throws(HerderError) -> [ConnectorOffset]
    /// Overwrites offsets of a stopped connector (KIP-875); a nil offset removes it. Returns the message for the user.
    func alterOffsets(of name: String, _ offsets: [ConnectorOffset]) async throws(HerderError) -> String
    /// Removes all offsets of a stopped connector. Returns the message for the user.
    func resetOffsets(of name: String) async throws(HerderError) -> String

    // MARK: Requests of other workers

    /// Stores what a connector on another worker says its tasks should be (`POST /connectors/{c}/tasks`).
    func putTaskConfigs(
        _ name: String, _ configs: [OrderedDictionary<String, String>], signature: InternalSignature
    ) async throws(HerderError)
    /// Shuts out all former tasks of an exactly-once source (`PUT /connectors/{c}/fence`, KIP-618).
    func fenceTasks(of name: String, signature: InternalSignature) async throws(HerderError)
    /// Whether the worker at this URL still leads the group: a request that was forwarded to it may yet be answered.
    func isLeader(_ url: String) -> Bool

    // MARK: Plugins

    /// The plugins of this worker; only connectors if asked so.
    func plugins(connectorsOnly: Bool) -> [PluginInfo]
    /// The option definitions of a plugin by class name or alias. 404 if there is none.
    func pluginConfig(_ pluginName: String) async throws(HerderError) -> [ConfigKeyInfo]
    /// Checks a configuration against a connector plugin and, if that is fine, against the system it connects to.
    /// 404 if there is no such plugin, 400 if `connector.class` names another one.
    func validate(
        pluginName: String, config: OrderedDictionary<String, String>
    ) async throws(HerderError) -> ConfigInfos

    // MARK: Loggers

    /// All loggers that are known, sorted by name, with their levels.
    func loggers() -> [LoggerLevel]
    /// One logger's level. nil if unknown.
    func logger(_ name: String) -> LoggerLevel?
    /// Sets the level of a logger and all below it. Returns the names of the loggers set. 404 for an unknown level.
    func setLoggerLevel(
        namespace: String, level: String, scope: LoggerScope
    ) async throws(HerderError) -> [String]
}

extension Herder {
    /// Refuses: the worker is not a member of a group.
    public func putTaskConfigs(
        _ name: String, _ configs: [OrderedDictionary<String, String>], signature: InternalSignature
    ) async throws(HerderError) {
        throw HerderError(status: 400, message: "Internal request missing required signature")
    }

    /// Refuses: the worker is not a member of a group.
    public func fenceTasks(of name: String, signature: InternalSignature) async throws(HerderError) {
        throw HerderError(status: 400, message: "Internal request missing required signature")
    }

    /// None.
    public func metrics() async -> String { "" }

    /// There is no group.
    public func isLeader(_ url: String) -> Bool { false }
}

/// A refusal that REST turns into `{"error_code":status,"message":message}`.
public struct HerderError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The HTTP status code.
    public var status: Int
    /// What is wrong and what to do about it; never holds a secret.
    public var message: String
    /// The worker that can do it, if this one cannot: the request is forwarded there.
    public var forwardURL: String?
    /// The group went on to another round before anything was changed: the request may begin anew.
    var isOvertaken = false

    /// Makes an error.
    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    /// 404 with the connector's name.
    public static func unknownConnector(_ name: String) -> HerderError {
        HerderError(status: 404, message: "Connector \(name) not found")
    }

    /// "404: Connector x not found".
    public var description: String { "\(status): \(message)" }
}

/// A task of a connector.
public struct TaskID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The connector's name.
    public var connector: String
    /// The task's number, from 0.
    public var task: Int

    /// Makes an identifier.
    public init(connector: String, task: Int) {
        self.connector = connector
        self.task = task
    }

    /// As Connect prints it: `my-source-0`.
    public var description: String { "\(connector)-\(task)" }

    /// By connector, then number.
    public static func < (lhs: TaskID, rhs: TaskID) -> Bool {
        (lhs.connector, lhs.task) < (rhs.connector, rhs.task)
    }
}

/// Whether a connector brings data in or takes it out.
public enum ConnectorType: String, Sendable, Hashable {
    /// From a system into topics.
    case source
    /// From topics into a system.
    case sink
    /// The plugin is not on this worker, or the configuration is gone.
    case unknown
}

/// What the user wants a connector to do. Stored in the config topic.
public enum TargetState: String, Sendable, Hashable, CaseIterable {
    /// Run. REST calls this RUNNING in `initial_state`.
    case started = "STARTED"
    /// Keep the tasks, move no data.
    case paused = "PAUSED"
    /// No tasks at all.
    case stopped = "STOPPED"

    /// The names of `initial_state` in REST: RUNNING, PAUSED, STOPPED, in any case.
    public init?(initialState: String) {
        switch initialState.uppercased() {
        case "RUNNING": self = .started
        case "PAUSED": self = .paused
        case "STOPPED": self = .stopped
        default: return nil
        }
    }
}

/// What a connector or task is doing. Stored in the status topic.
public enum RunState: String, Sendable, Hashable, CaseIterable {
    /// Nobody runs it at present.
    case unassigned = "UNASSIGNED"
    /// At work.
    case running = "RUNNING"
    /// Told to rest.
    case paused = "PAUSED"
    /// Gave up; `trace` says why.
    case failed = "FAILED"
    /// About to be started again on a user's request.
    case restarting = "RESTARTING"
    /// Told to have no tasks (connectors only).
    case stopped = "STOPPED"
}

/// `GET /connectors/{name}`.
public struct ConnectorInfo: Sendable, Hashable {
    /// The connector's name.
    public var name: String
    /// Its configuration as given, with `name`.
    public var config: OrderedDictionary<String, String>
    /// Its tasks.
    public var tasks: [TaskID]
    /// Source, sink or unknown.
    public var type: ConnectorType

    /// Makes the answer.
    public init(name: String, config: OrderedDictionary<String, String>, tasks: [TaskID], type: ConnectorType) {
        self.name = name
        self.config = config
        self.tasks = tasks
        self.type = type
    }
}

/// The result of `PUT /connectors/{name}/config`.
public struct PutConfigResult: Sendable, Hashable {
    /// True for 201, false for 200.
    public var isCreated: Bool
    /// The connector afterwards.
    public var info: ConnectorInfo

    /// Makes the result.
    public init(isCreated: Bool, info: ConnectorInfo) {
        self.isCreated = isCreated
        self.info = info
    }
}

/// `GET /connectors/{name}/status`.
public struct ConnectorStatus: Sendable, Hashable {
    /// The state of the connector itself.
    public struct Connector: Sendable, Hashable {
        /// What it is doing.
        public var state: RunState
        /// Advertised `host:port` of the worker that said so.
        public var workerID: String
        /// Why it failed; nil or absent otherwise.
        public var trace: String?
        /// The plugin's version.
        public var version: String?

        /// Makes a state.
        public init(state: RunState, workerID: String, trace: String? = nil, version: String? = nil) {
            self.state = state
            self.workerID = workerID
            self.trace = trace
            self.version = version
        }
    }

    /// The connector's name.
    public var name: String
    /// The connector's own state.
    public var connector: Connector
    /// Its tasks by number.
    public var tasks: [TaskStatus]
    /// Source, sink or unknown.
    public var type: ConnectorType

    /// Makes the answer.
    public init(name: String, connector: Connector, tasks: [TaskStatus], type: ConnectorType) {
        self.name = name
        self.connector = connector
        self.tasks = tasks
        self.type = type
    }
}

/// `GET /connectors/{name}/tasks/{id}/status`.
public struct TaskStatus: Sendable, Hashable {
    /// The task's number.
    public var id: Int
    /// What it is doing.
    public var state: RunState
    /// Advertised `host:port` of the worker that said so.
    public var workerID: String
    /// Why it failed; nil otherwise.
    public var trace: String?
    /// The plugin's version.
    public var version: String?

    /// Makes a state.
    public init(id: Int, state: RunState, workerID: String, trace: String? = nil, version: String? = nil) {
        self.id = id
        self.state = state
        self.workerID = workerID
        self.trace = trace
        self.version = version
    }
}

/// One entry of `GET /connectors/{name}/tasks`.
public struct TaskInfo: Sendable, Hashable {
    /// Which task.
    public var id: TaskID
    /// Its configuration.
    public var config: OrderedDictionary<String, String>

    /// Makes an entry.
    public init(id: TaskID, config: OrderedDictionary<String, String>) {
        self.id = id
        self.config = config
    }
}

/// `POST /connectors/{name}/restart` (KIP-745).
public struct RestartRequest: Sendable, Hashable {
    /// The connector's name.
    public var connector: String
    /// Restart its tasks too.
    public var includeTasks: Bool
    /// Restart only what has failed.
    public var onlyFailed: Bool

    /// Makes a request.
    public init(connector: String, includeTasks: Bool = false, onlyFailed: Bool = false) {
        self.connector = connector
        self.includeTasks = includeTasks
        self.onlyFailed = onlyFailed
    }
}

/// `GET /`.
public struct ServerInfo: Sendable, Hashable {
    /// The worker's version.
    public var version: String
    /// The commit it was built from.
    public var commit: String
    /// The Kafka cluster's identifier; nil when not known yet.
    public var kafkaClusterID: String?

    /// Makes the answer.
    public init(version: String, commit: String, kafkaClusterID: String?) {
        self.version = version
        self.commit = commit
        self.kafkaClusterID = kafkaClusterID
    }
}
