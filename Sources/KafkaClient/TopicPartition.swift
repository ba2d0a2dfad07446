/// One partition of one topic.
public struct TopicPartition: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The topic's name.
    public var topic: String
    /// The partition, from 0.
    public var partition: Int32

    /// Names a partition.
    public init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// `topic-partition`, as Kafka writes it.
    public var description: String { "\(topic)-\(partition)" }

    /// By topic, then by partition.
    public static func < (left: TopicPartition, right: TopicPartition) -> Bool {
        left.topic == right.topic ? left.partition < right.partition : left.topic < right.topic
    }
}

/// A position to commit: the offset of the next record to read.
public struct OffsetAndMetadata: Hashable, Sendable {
    /// The next offset to read.
    public var offset: Int64
    /// The leader epoch of the last record read, -1 if unknown.
    public var leaderEpoch: Int32
    /// Free text kept with the offset.
    public var metadata: String

    /// A position to commit.
    public init(offset: Int64, leaderEpoch: Int32 = -1, metadata: String = "") {
        self.offset = offset
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
    }
}

/// Where a broker listens.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Name or address.
    public var host: String
    /// TCP port.
    public var port: Int

    /// Makes an address.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`, `[v6]:port`, or `PROTOCOL://host:port`.
    public init(parsing text: String) throws(KafkaError) {
        let wrong = KafkaError(
            .invalidConfiguration, "'\(text)' is not a broker address: write host:port, for example localhost:9092")
        var rest = Substring(text)
        if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        guard let colon = rest.lastIndex(of: ":") else { throw wrong }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, let port = Int(rest[rest.index(after: colon)...]), (1...65535).contains(port) else {
            throw wrong
        }
        self.init(host: String(host), port: port)
    }

    /// `host:port`, with brackets around an IPv6 address.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A broker of the cluster.
public struct BrokerNode: Hashable, Sendable, CustomStringConvertible {
    /// The broker's id.
    public var id: Int32
    /// Where it listens.
    public var address: HostPort
    /// Its rack, if it has one.
    public var rack: String?

    /// Makes a broker.
    public init(id: Int32, address: HostPort, rack: String? = nil) {
        self.id = id
        self.address = address
        self.rack = rack
    }

    /// `host:port (id n)`.
    public var description: String { "\(address) (id \(id))" }
}
