/// What every client needs to know. The names in the comments are Kafka's property names.
public struct ClientConfiguration: Sendable {
    /// `bootstrap.servers`: where to ask for the cluster, as `host:port`.
    public var bootstrapServers: [String]
    /// `client.id`: a name for logs and quotas.
    public var clientID: String = "sluice"
    /// `client.rack`: where this client is, for reading from near replicas.
    public var rack: String = ""
    /// `request.timeout.ms`: how long one request may take before its connection is given up.
    public var requestTimeout: Duration = .seconds(30)
    /// `default.api.timeout.ms`: how long one call may take with all its retries.
    public var apiTimeout: Duration = .seconds(60)
    /// `retry.backoff.ms`: wait before the first retry; doubles with every further one, with 20 % jitter.
    public var retryBackoff: Duration = .milliseconds(100)
    /// `retry.backoff.max.ms`: the longest wait between retries.
    public var retryBackoffMax: Duration = .seconds(1)
    /// `reconnect.backoff.ms`: wait before the first reconnection to a broker.
    public var reconnectBackoff: Duration = .milliseconds(50)
    /// `reconnect.backoff.max.ms`: the longest wait between reconnections.
    public var reconnectBackoffMax: Duration = .seconds(1)
    /// `socket.connection.setup.timeout.ms`: how long TCP and version negotiation may take.
    public var connectTimeout: Duration = .seconds(10)
    /// `metadata.max.age.ms`: metadata older than this is asked for again.
    public var metadataMaxAge: Duration = .seconds(300)
    /// `connections.max.idle.ms`: a connection unused for this long is closed.
    public var connectionsMaxIdle: Duration = .seconds(540)
    /// How long a call keeps trying while no bootstrap server has ever answered (ours; Kafka goes on for the whole of
    /// `default.api.timeout.ms`). Console tools set it to zero: a wrong address is then told at once.
    public var bootstrapPatience: Duration = .seconds(60)
    /// `security.protocol`, `sasl.*`: how connections prove who the client is.
    public var security = ClientSecurity()
    /// Names given to `init(properties:)` that no client configuration knows.
    public internal(set) var unknownProperties: Set<String> = []

    /// Defaults, with the brokers to ask first.
    public init(bootstrapServers: [String]) {
        self.bootstrapServers = bootstrapServers
    }

    /// Reads Kafka's property names. `bootstrap.servers` is required.
    public init(properties: [String: String]) throws(KafkaError) {
        var reader = PropertyReader(properties)
        try self.init(reader: &reader)
        unknownProperties = reader.unused
    }

    init(reader: inout PropertyReader) throws(KafkaError) {
        guard let servers = reader.list("bootstrap.servers"), !servers.isEmpty else {
            throw KafkaError(.invalidConfiguration, "bootstrap.servers is missing: give it as host:port,host:port")
        }
        self.init(bootstrapServers: servers)
        security = try ClientSecurity(reader: &reader)
        clientID = reader.string("client.id") ?? clientID
        rack = reader.string("client.rack") ?? rack
        requestTimeout = try reader.milliseconds("request.timeout.ms") ?? requestTimeout
        apiTimeout = try reader.milliseconds("default.api.timeout.ms") ?? apiTimeout
        retryBackoff = try reader.milliseconds("retry.backoff.ms") ?? retryBackoff
        retryBackoffMax = max(try reader.milliseconds("retry.backoff.max.ms") ?? retryBackoffMax, retryBackoff)
        reconnectBackoff = try reader.milliseconds("reconnect.backoff.ms") ?? reconnectBackoff
        reconnectBackoffMax = max(
            try reader.milliseconds("reconnect.backoff.max.ms") ?? reconnectBackoffMax, reconnectBackoff)
        connectTimeout = try reader.milliseconds("socket.connection.setup.timeout.ms") ?? connectTimeout
        metadataMaxAge = try reader.milliseconds("metadata.max.age.ms") ?? metadataMaxAge
        connectionsMaxIdle = try reader.milliseconds("connections.max.idle.ms") ?? connectionsMaxIdle
        bootstrapPatience = apiTimeout
        try validate()
    }

    /// The parsed bootstrap servers.
    func bootstrapAddresses() throws(KafkaError) -> [HostPort] {
        try validate()
        var addresses: [HostPort] = []
        for server in bootstrapServers { addresses.append(try HostPort(parsing: server)) }
        return addresses
    }

    private func validate() throws(KafkaError) {
        guard !bootstrapServers.isEmpty else {
            throw KafkaError(.invalidConfiguration, "bootstrap.servers is empty: give it as host:port,host:port")
        }
        for server in bootstrapServers { _ = try HostPort(parsing: server) }
    }
}
