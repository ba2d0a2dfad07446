public import ConnectAPI
import OrderedCollections

/// What a Connect worker needs to know. Property names and defaults are Kafka Connect's (`WorkerConfig`,
/// `DistributedConfig`, `StandaloneConfig`).
public struct WorkerConfiguration: Sendable {
    /// Where a worker keeps its state.
    public enum Mode: Sendable, Hashable {
        /// In three topics, shared with a group of workers.
        case distributed
        /// Offsets in a file, the rest in memory.
        case standalone
    }

    /// `exactly.once.source.support` (KIP-618). All workers of a group go from one to the next together.
    public enum ExactlyOnceSource: String, Sendable, Hashable, CaseIterable {
        /// Sources deliver at least once.
        case disabled
        /// The leader writes the config topic with a transactional producer; sources deliver at least once.
        case preparing
        /// Sources deliver exactly once.
        case enabled
    }

    /// One of the worker's own topics.
    public struct InternalTopic: Sendable, Hashable {
        /// The topic's name.
        public var name: String
        /// Partitions when it must be created; -1 is the broker's default.
        public var partitions: Int32
        /// Replicas when it must be created; -1 is the broker's default. Capped to the brokers there are.
        public var replicationFactor: Int16
        /// More topic settings, such as `min.insync.replicas`.
        public var settings: [String: String]

        /// Names a topic.
        public init(
            name: String, partitions: Int32, replicationFactor: Int16 = 3, settings: [String: String] = [:]
        ) {
            self.name = name
            self.partitions = partitions
            self.replicationFactor = replicationFactor
            self.settings = settings
        }
    }

    /// Distributed or standalone.
    public var mode: Mode
    /// `bootstrap.servers`.
    public var bootstrapServers: [String]
    /// `group.id`: the worker group (distributed).
    public var groupID: String = ""
    /// `config.storage.*`.
    public var configTopic = InternalTopic(name: "connect-configs", partitions: 1)
    /// `offset.storage.*`.
    public var offsetTopic = InternalTopic(name: "connect-offsets", partitions: 25)
    /// `status.storage.*`.
    public var statusTopic = InternalTopic(name: "connect-status", partitions: 5)
    /// `offset.storage.file.filename` (standalone).
    public var offsetFile: String = ""
    /// `key.converter`.
    public var keyConverter: String = "org.apache.kafka.connect.json.JsonConverter"
    /// `value.converter`.
    public var valueConverter: String = "org.apache.kafka.connect.json.JsonConverter"
    /// `header.converter`.
    public var headerConverter: String = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
    /// `listeners`: where REST answers.
    public var listeners: [String] = ["http://:8083"]
    /// `admin.listeners`: where `/admin` answers; nil: where the rest does, none: nowhere.
    public var adminListeners: [String]?
    /// `rest.request.max.bytes` (an extension): larger bodies of requests get 413.
    public var maximumRequestSize = 4 * 1024 * 1024
    /// `connector.client.config.override.policy`.
    var clientOverrides = ClientOverridePolicy.all
    /// `access.control.allow.*`, `response.http.headers.config`, `rest.auth.*`.
    var restPolicy = RESTPolicy()
    /// `rest.advertised.host.name`.
    public var advertisedHost: String?
    /// `rest.advertised.port`.
    public var advertisedPort: Int?
    /// `task.shutdown.graceful.timeout.ms`.
    public var gracefulShutdownTimeout: Duration = .seconds(5)
    /// `offset.flush.interval.ms`: the longest time until a write of offsets that failed is tried again. Offsets are
    /// stored within 100 ms as a rule (see `EagerCommitter`), not at this interval as Connect does.
    public var offsetFlushInterval: Duration = .seconds(60)
    /// `offset.flush.timeout.ms`: how long a task that pauses or stops waits for its offsets to be stored.
    public var offsetFlushTimeout: Duration = .seconds(5)
    /// `topic.creation.enable`.
    public var isTopicCreationEnabled = true
    /// `topic.tracking.enable`.
    public var isTopicTrackingEnabled = true
    /// `topic.tracking.allow.reset`.
    public var isTopicTrackingResetAllowed = true
    /// `session.timeout.ms` of the worker's membership.
    public var sessionTimeout: Duration = .seconds(10)
    /// `heartbeat.interval.ms` of the worker's membership.
    public var heartbeatInterval: Duration = .seconds(3)
    /// `rebalance.timeout.ms` of the worker's membership.
    public var rebalanceTimeout: Duration = .seconds(60)
    /// `connect.protocol`: eager, compatible or sessioned.
    var connectProtocol = ConnectProtocol.Mode.sessioned
    /// `scheduled.rebalance.max.delay.ms`: how long the work of a worker that has vanished waits for it.
    public var scheduledRebalanceMaxDelay: Duration = .seconds(300)
    /// `worker.sync.timeout.ms`: how long reading the config topic to its end may take in a rebalance.
    public var workerSyncTimeout: Duration = .seconds(3)
    /// `inter.worker.key.ttl.ms`: how long a key of requests between workers is used.
    public var sessionKeyTTL: Duration = .seconds(3600)
    /// `rest.rebalance.wait.ms` (an extension): how long a write waits for a rebalance to end before it gets a 409.
    public var rebalanceWait: Duration = .seconds(60)
    /// `task.restart.max.attempts` (an extension): how often in a row what failed for a cause that may pass is started
    /// again by itself; nil (-1): as long as it takes, 0: never, as in Connect.
    public var restartLimit: Int?
    /// `exactly.once.source.support`: whether sources deliver exactly once.
    public var exactlyOnceSource = ExactlyOnceSource.disabled
    /// The broker lives in this process, and its data folder's lock keeps a second `sluice up` away: the worker need
    /// not wait for the group before it starts.
    var isEmbedded = false
    /// What `config.providers` names; the worker's properties have been through it, connectors' go when they start.
    var configTransformer = ConfigTransformer()
    /// All properties, with what config providers supply: converters and clients read theirs from here.
    public var properties: [String: String] = [:]
    /// Names that neither the worker nor its clients and converters know; the worker warns about them.
    public internal(set) var unknownProperties: [String] = []

    /// A worker with defaults: embedded in the process of a single broker, so that one replica and one partition do.
    public init(embeddedWith bootstrapServers: [String], groupID: String = "sluice-connect") {
        self.mode = .distributed
        self.isEmbedded = true
        self.bootstrapServers = bootstrapServers
        self.groupID = groupID
        configTopic.replicationFactor = 1
        offsetTopic.replicationFactor = 1
        offsetTopic.partitions = 1
        statusTopic.replicationFactor = 1
        statusTopic.partitions = 1
    }

    /// Reads a worker's properties file.
    /// - Throws: ``ConnectError`` with code `config` that names the property and what it must be.
    public init(properties: [String: String], mode: Mode) throws(ConnectError) {
        configTransformer = try ConfigTransformer(properties)
        let given = ConnectorProperties(uniqueKeysWithValues: properties.map { ($0.key, $0.value) })
        let properties = try configTransformer.transform(given).checked().plain
        var reader = WorkerProperties(properties)
        self.mode = mode
        self.properties = properties
        bootstrapServers = reader.list("bootstrap.servers") ?? ["localhost:9092"]
        keyConverter = try reader.required("key.converter")
        valueConverter = try reader.required("value.converter")
        headerConverter = reader.string("header.converter") ?? headerConverter
        listeners = reader.list("listeners") ?? listeners
        try readREST(&reader)
        advertisedHost = reader.string("rest.advertised.host.name")
        advertisedPort = try reader.integer("rest.advertised.port", 1...65535)
        gracefulShutdownTimeout =
            try reader.milliseconds("task.shutdown.graceful.timeout.ms") ?? gracefulShutdownTimeout
        offsetFlushInterval = try reader.milliseconds("offset.flush.interval.ms") ?? offsetFlushInterval
        offsetFlushTimeout = try reader.milliseconds("offset.flush.timeout.ms") ?? offsetFlushTimeout
        isTopicCreationEnabled = try reader.boolean("topic.creation.enable") ?? true
        isTopicTrackingEnabled = try reader.boolean("topic.tracking.enable") ?? true
        isTopicTrackingResetAllowed = try reader.boolean("topic.tracking.allow.reset") ?? true
        clientOverrides = try ClientOverridePolicy.read(&reader)
        let limit = try reader.integer("task.restart.max.attempts", -1...Int(Int32.max)) ?? -1
        restartLimit = limit < 0 ? nil : limit
        switch mode {
        case .distributed: try readDistributed(&reader)
        case .standalone: offsetFile = try reader.required("offset.storage.file.filename")
        }
        unknownProperties = reader.unused.filter { !Self.isKnownElsewhere($0) }.sorted()
    }

    private mutating func readREST(_ reader: inout WorkerProperties) throws(ConnectError) {
        adminListeners = properties["admin.listeners"].map { _ in reader.list("admin.listeners") ?? [] }
        maximumRequestSize =
            try reader.integer("rest.request.max.bytes", 1024...Int(Int32.max)) ?? maximumRequestSize
        restPolicy.allowedOrigins = reader.list("access.control.allow.origin") ?? []
        restPolicy.allowedMethods = reader.list("access.control.allow.methods") ?? []
        if let text = reader.string("response.http.headers.config") {
            restPolicy.headers = try RESTPolicy.headers(text)
        }
        restPolicy.access = try RESTAccess.read(
            usersFile: reader.string("rest.auth.users.file"), tokensFile: reader.string("rest.auth.tokens.file"))
    }

    private mutating func readDistributed(_ reader: inout WorkerProperties) throws(ConnectError) {
        groupID = try reader.required("group.id")
        configTopic = try reader.topic("config", partitions: 1)
        offsetTopic = try reader.topic("offset", partitions: 25)
        statusTopic = try reader.topic("status", partitions: 5)
        let names = [configTopic.name, offsetTopic.name, statusTopic.name]
        guard Set(names).count == 3 else {
            throw .config(
                "config.storage.topic, offset.storage.topic and status.storage.topic must be three different topics; "
                    + "they are \(names.joined(separator: ", "))")
        }
        sessionTimeout = try reader.milliseconds("session.timeout.ms") ?? sessionTimeout
        heartbeatInterval = try reader.milliseconds("heartbeat.interval.ms") ?? heartbeatInterval
        rebalanceTimeout = try reader.milliseconds("rebalance.timeout.ms") ?? rebalanceTimeout
        if let text = reader.string("connect.protocol") {
            guard let mode = ConnectProtocol.Mode(rawValue: text.lowercased()) else {
                throw .config("connect.protocol=\(text): eager, compatible or sessioned is needed")
            }
            connectProtocol = mode
        }
        scheduledRebalanceMaxDelay =
            try reader.milliseconds("scheduled.rebalance.max.delay.ms") ?? scheduledRebalanceMaxDelay
        workerSyncTimeout = try reader.milliseconds("worker.sync.timeout.ms") ?? workerSyncTimeout
        sessionKeyTTL = try reader.milliseconds("inter.worker.key.ttl.ms") ?? sessionKeyTTL
        rebalanceWait = try reader.milliseconds("rest.rebalance.wait.ms") ?? rebalanceWait
        if let text = reader.string("exactly.once.source.support") {
            guard let support = ExactlyOnceSource(rawValue: text.lowercased()) else {
                throw .config("exactly.once.source.support=\(text): disabled, preparing or enabled is needed")
            }
            exactlyOnceSource = support
        }
    }

    /// The properties of the worker's own Kafka clients: those that are given without a prefix.
    var clientProperties: [String: String] {
        var result = properties.filter {
            Self.clientNames.contains($0.key) || $0.key.hasPrefix("ssl.") || $0.key.hasPrefix("sasl.")
        }
        result["bootstrap.servers"] = bootstrapServers.joined(separator: ",")
        return result
    }

    /// The properties of a connector's client: the worker's, then `<kind>.*`, then the connector's `<kind>.override.*`.
    /// - Parameter kind: `producer`, `consumer` or `admin`.
    func clientProperties(_ kind: String, overriddenBy connector: [String: String]) -> [String: String] {
        var result = clientProperties
        for (name, value) in properties where name.hasPrefix(kind + ".") {
            result[String(name.dropFirst(kind.count + 1))] = value
        }
        for (name, value) in connector where name.hasPrefix(kind + ".override.") {
            result[String(name.dropFirst(kind.count + 10))] = value
        }
        return result
    }

    private static let clientNames: Set<String> = [
        "client.dns.lookup", "client.id", "metadata.max.age.ms", "metadata.recovery.strategy", "send.buffer.bytes",
        "receive.buffer.bytes", "reconnect.backoff.ms", "reconnect.backoff.max.ms",
        "socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms", "retry.backoff.ms",
        "retry.backoff.max.ms", "request.timeout.ms", "connections.max.idle.ms", "security.protocol",
    ]

    /// Names of Kafka Connect that have no effect here (yet): known, so not worth a warning.
    private static let inertNames: Set<String> = [
        "plugin.path", "plugin.discovery",
        "metrics.sample.window.ms", "metrics.num.samples", "metrics.recording.level", "metric.reporters",
        "rest.advertised.listener", "rest.extension.classes", "admin.listeners",
        "inter.worker.key.generation.algorithm",
        "inter.worker.key.size", "inter.worker.signature.algorithm",
        "connect.protocol", "scheduled.rebalance.max.delay.ms", "inter.worker.key.ttl.ms",
        "inter.worker.verification.algorithms", "worker.sync.timeout.ms", "worker.unsync.backoff.ms",
        "key.converter.plugin.version", "value.converter.plugin.version", "header.converter.plugin.version",
        // Standalone files carry them, distributed ones do not, and the other way round.
        "offset.storage.file.filename", "group.id",
    ]

    private static let knownPrefixes = [
        "key.converter.", "value.converter.", "header.converter.", "producer.", "consumer.", "admin.", "ssl.", "sasl.",
        "listeners.https.", "config.providers", "metrics.context.",
    ]

    private static func isKnownElsewhere(_ name: String) -> Bool {
        clientNames.contains(name) || inertNames.contains(name) || knownPrefixes.contains { name.hasPrefix($0) }
    }
}
