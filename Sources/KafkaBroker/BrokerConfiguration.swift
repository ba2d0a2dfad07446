/// What a broker needs to know. Names and defaults are Kafka's, except where the documentation says so.
public struct BrokerConfiguration: Sendable {
    /// Address to listen on. Loopback by default: who wants to be reached from outside says so.
    public var host = "127.0.0.1"
    /// Port to listen on; 0 takes any free one.
    public var port = 9092
    /// Host that clients are told to use. By default `host`, or for a wildcard address the one the client came by.
    public var advertisedHost: String?
    /// Port that clients are told to use; by default the one listened on.
    public var advertisedPort: Int?
    /// What the first listener asks of clients; its addresses are those above.
    var firstListener = Listener()
    /// Further listeners.
    public private(set) var moreListeners: [Listener] = []
    /// Folder that holds the logs.
    public var dataDirectory = "/tmp/kafka-logs"
    /// This node's number.
    public var nodeID: Int32 = 1
    /// Shown in metadata.
    public var rack: String?
    /// Partitions of a topic that does not say how many.
    public var numPartitions: Int32 = 1
    /// Whether asking for a topic's metadata creates it.
    public var autoCreateTopics = true
    /// Whether DeleteTopics is allowed.
    public var deleteTopicsEnabled = true
    /// Partitions of `__consumer_offsets`.
    public var offsetsTopicPartitions: Int32 = 50
    /// Partitions of `__transaction_state`.
    public var transactionTopicPartitions: Int32 = 50
    /// Longest time that a transaction may ask to stay open for, in milliseconds.
    public var transactionMaxTimeout: Int32 = 900_000
    /// Milliseconds that an unused transactional id is remembered for.
    public var transactionalIDExpiration: Int64 = 604_800_000
    /// Minutes the offsets of an empty group are kept.
    public var offsetsRetentionMinutes: Int64 = 10080
    /// Longest metadata text of a committed offset, in bytes.
    public var offsetMetadataMaxBytes = 4096
    /// Milliseconds an empty group waits for more members. 0 here, 3000 in Kafka.
    public var groupInitialRebalanceDelay: Int64 = 0
    /// Session timeouts that members may ask for, in milliseconds.
    public var groupSessionTimeouts: ClosedRange<Int32> = 6000...1_800_000
    /// Most members of a group.
    public var groupMaxSize = Int(Int32.max)
    /// What bounds groups of the consumer protocol.
    var consumerGroupLimits = ConsumerGroupLimits()
    /// Largest request, in bytes.
    public var maxRequestBytes = 104_857_600
    /// Most bytes of records in one fetch answer.
    public var fetchMaxBytes = 57_671_680
    /// Incremental fetch sessions that are kept; 0 for none.
    public var fetchSessionSlots = 1000
    /// Requests of one connection whose answers are owed before the broker stops reading from it.
    public var maxPendingResponses = 1000
    /// Connections at a time.
    public var maxConnections = Int(Int32.max)
    /// `connections.max.idle.ms`: milliseconds after which a connection without traffic is closed; negative: never.
    public var connectionsMaxIdle: Int64 = 600_000
    /// `max.connection.creation.rate`: connections accepted in a second.
    public var maxConnectionCreationRate = Int(Int32.max)
    /// `queued.max.request.bytes`: bytes that the requests of all connections may hold; -1 for no limit.
    public var queuedMaxRequestBytes = -1
    /// What was changed while the broker runs.
    var changes = BrokerConfigChanges()
    /// Milliseconds between two looks for old segments.
    public var retentionCheckInterval: Int64 = 300_000
    /// Event loop threads, if the broker makes its own group.
    public var networkThreads = 1
    /// Whether `authorizer.class.name` names Kafka's authoriser.
    public var hasAuthorizer = false
    /// `super.users`: principals that may do everything, as `User:alice`.
    public var superUsers: Set<String> = []
    /// `allow.everyone.if.no.acl.found`: whether what no ACL is about is allowed.
    public var allowsEveryoneWithoutAcl = false
    /// `quota.window.num`, `quota.window.size.seconds`.
    var quotaWindows = RateMeter.Windows()
    /// `max.connections.per.ip`.
    public var maxConnectionsPerIP = Int(Int32.max)
    /// `max.connections.per.ip.overrides`, by address.
    public var maxConnectionsByIP: [String: Int] = [:]
    /// Records that a partition of the offsets topic may hold before what is known is written anew.
    var offsetsTidyAfter = 20_000
    /// The settings as given, by Kafka's names; defaults of topic settings are looked up here.
    public private(set) var properties: [String: String] = [:]
    /// Settings of listeners as given. There are passwords among them: they are not among `properties`, which clients may
    /// ask for.
    private var listenerProperties: [String: String] = [:]
    private static let listenerSettings: Set<String> = [
        "listeners", "advertised.listeners", "listener.security.protocol.map", "controller.listener.names",
        "sasl.enabled.mechanisms", "connections.max.reauth.ms",
    ]
    /// Names that were given and mean nothing here; the caller should warn about them.
    public private(set) var unknownNames: [String] = []

    /// The defaults.
    public init() {}

    /// Reads settings under Kafka's names.
    ///
    /// - Throws: `BrokerError` with code `configuration` that names the setting and what it must be.
    public init(properties: [String: String]) throws(BrokerError) {
        try apply(properties)
    }

    /// Adds settings under Kafka's names to those already made.
    public mutating func apply(_ added: [String: String]) throws(BrokerError) {
        for (name, value) in added.sorted(by: { $0.key < $1.key }) {
            let isOfListeners =
                name.hasPrefix("listener.name.") || ListenerConfiguration.isKnown(name)
                || Self.listenerSettings.contains(name)
            if isOfListeners { listenerProperties[name] = ConfigKey.trimmed(value) }
            guard let key = BrokerConfigKeys.key(name) else {
                if isOfListeners { continue }
                if !BrokerConfigKeys.accepted.contains(name) { unknownNames.append(name) }
                continue
            }
            let value = ConfigKey.trimmed(value)
            if let fault = key.fault(in: value) { throw BrokerError(.configuration, fault) }
            properties[name] = value
        }
        try readAddresses()
        try readAuthorizer()
        readNumbers()
        _ = try Self.connectionsByIP(properties["max.connections.per.ip.overrides"] ?? "")
        readLimits()
        guard queuedMaxRequestBytes <= 0 || queuedMaxRequestBytes >= maxRequestBytes else {
            throw BrokerError(
                .configuration,
                "queued.max.request.bytes must be larger or equal to socket.request.max.bytes (\(maxRequestBytes)): "
                    + "set both, or -1 for no limit.")
        }
    }

    private mutating func readNumbers() {
        func int(_ name: String) -> Int? { properties[name].flatMap { Int($0) } }
        func flag(_ name: String) -> Bool? { properties[name].map { $0.lowercased() == "true" } }
        if let id = int("node.id") ?? int("broker.id"), id >= 0 { nodeID = Int32(clamping: id) }
        rack = properties["broker.rack"] ?? rack
        numPartitions = int("num.partitions").map { Int32(clamping: $0) } ?? numPartitions
        autoCreateTopics = flag("auto.create.topics.enable") ?? autoCreateTopics
        deleteTopicsEnabled = flag("delete.topic.enable") ?? deleteTopicsEnabled
        offsetsTopicPartitions =
            int("offsets.topic.num.partitions").map { Int32(clamping: $0) } ?? offsetsTopicPartitions
        transactionTopicPartitions =
            int("transaction.state.log.num.partitions").map { Int32(clamping: $0) } ?? transactionTopicPartitions
        transactionMaxTimeout = int("transaction.max.timeout.ms").map { Int32(clamping: $0) } ?? transactionMaxTimeout
        transactionalIDExpiration =
            int("transactional.id.expiration.ms").map { Int64($0) } ?? transactionalIDExpiration
        offsetsRetentionMinutes = int("offsets.retention.minutes").map { Int64($0) } ?? offsetsRetentionMinutes
        offsetMetadataMaxBytes = int("offset.metadata.max.bytes") ?? offsetMetadataMaxBytes
        groupInitialRebalanceDelay =
            int("group.initial.rebalance.delay.ms").map { Int64($0) } ?? groupInitialRebalanceDelay
        let shortest =
            int("group.min.session.timeout.ms").map { Int32(clamping: $0) } ?? groupSessionTimeouts.lowerBound
        let longest = int("group.max.session.timeout.ms").map { Int32(clamping: $0) } ?? groupSessionTimeouts.upperBound
        groupSessionTimeouts = shortest...max(shortest, longest)
        groupMaxSize = int("group.max.size") ?? groupMaxSize
        consumerGroupLimits.sessionTimeout =
            int("group.consumer.session.timeout.ms").map { Int64($0) } ?? consumerGroupLimits.sessionTimeout
        consumerGroupLimits.heartbeatInterval =
            int("group.consumer.heartbeat.interval.ms").map { Int32(clamping: $0) }
            ?? consumerGroupLimits.heartbeatInterval
        consumerGroupLimits.maxSize = int("group.consumer.max.size") ?? consumerGroupLimits.maxSize
        consumerGroupLimits.migration =
            properties["group.consumer.migration.policy"].flatMap { GroupMigrationPolicy(rawValue: $0.lowercased()) }
            ?? consumerGroupLimits.migration
        maxRequestBytes = int("socket.request.max.bytes") ?? maxRequestBytes
        fetchMaxBytes = int("fetch.max.bytes") ?? fetchMaxBytes
        connectionsMaxIdle = int("connections.max.idle.ms").map { Int64($0) } ?? connectionsMaxIdle
        queuedMaxRequestBytes = int("queued.max.request.bytes") ?? queuedMaxRequestBytes
        retentionCheckInterval = int("log.retention.check.interval.ms").map { Int64($0) } ?? retentionCheckInterval
        fetchSessionSlots = int("max.incremental.fetch.session.cache.slots") ?? fetchSessionSlots
        networkThreads = int("num.network.threads") ?? networkThreads
        quotaWindows.count = int("quota.window.num") ?? quotaWindows.count
        quotaWindows.size = int("quota.window.size.seconds").map { Int64($0) * 1000 } ?? quotaWindows.size
        allowsEveryoneWithoutAcl = flag("allow.everyone.if.no.acl.found") ?? allowsEveryoneWithoutAcl
    }

    private mutating func readAuthorizer() throws(BrokerError) {
        if let name = properties["authorizer.class.name"] {
            guard name.isEmpty || Authorizer.classNames.contains(name) else {
                throw BrokerError(
                    .configuration,
                    "authorizer.class.name=\(name): only \(Authorizer.classNames.sorted().joined(separator: " or ")) "
                        + "is known here; both are the same.")
            }
            hasAuthorizer = !name.isEmpty
        }
        guard let text = properties["super.users"] else { return }
        superUsers = []
        for item in text.split(separator: ";").map({ ConfigKey.trimmed(String($0)) }) where !item.isEmpty {
            guard let principal = Principal(parsing: item) else {
                throw BrokerError(
                    .configuration, "super.users: \(item) is not of the form User:name; several are separated by ;.")
            }
            superUsers.insert(principal.description)
        }
    }

    private mutating func readAddresses() throws(BrokerError) {
        if let folders = properties["log.dirs"] ?? properties["log.dir"] {
            let list = ConfigKey.items(folders)
            guard let first = list.first, list.count == 1 else {
                throw BrokerError(
                    .configuration,
                    "log.dirs must name one folder, not \(list.count): this broker keeps all logs in one.")
            }
            dataDirectory = first
        }
        var first = Listener()
        (first.host, first.port) = (host, port)
        (first.advertisedHost, first.advertisedPort) = (advertisedHost, advertisedPort)
        let listeners = try ListenerConfiguration(properties: listenerProperties).listeners(first)
        firstListener = listeners[0]
        moreListeners = Array(listeners.dropFirst())
        (host, port) = (firstListener.host, firstListener.port)
        (advertisedHost, advertisedPort) = (firstListener.advertisedHost, firstListener.advertisedPort)
    }

    /// All listeners; the first has the addresses of this configuration.
    public var listeners: [Listener] {
        var first = firstListener
        (first.host, first.port) = (host, port)
        (first.advertisedHost, first.advertisedPort) = (advertisedHost, advertisedPort)
        return [first] + moreListeners
    }

    /// Splits `PLAINTEXT://host:port`; brackets around an IPv6 host are taken off.
    static func parseListener(
        _ text: String, setting: String
    ) throws(BrokerError) -> (name: String, host: String, port: Int) {
        guard let scheme = text.firstRange(of: "://") else {
            throw BrokerError(.configuration, "\(setting): \(text) is not of the form PLAINTEXT://host:port.")
        }
        let name = String(text[..<scheme.lowerBound])
        let rest = text[scheme.upperBound...]
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (0...65535).contains(port)
        else { throw BrokerError(.configuration, "\(setting): \(text) has no port between 0 and 65535.") }
        var host = String(rest[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return (name, host, port)
    }
}
