public import KafkaProtocol

/// A topic to create.
public struct TopicToCreate: Sendable {
    /// Its name.
    public var name: String
    /// How many partitions; -1: the broker's `num.partitions`.
    public var partitions: Int32
    /// How many replicas each; -1: the broker's `default.replication.factor`.
    public var replicationFactor: Int16
    /// Topic configuration, such as `cleanup.policy`.
    public var configs: [String: String]

    /// Makes a topic.
    public init(
        name: String, partitions: Int32 = -1, replicationFactor: Int16 = -1, configs: [String: String] = [:]
    ) {
        self.name = name
        self.partitions = partitions
        self.replicationFactor = replicationFactor
        self.configs = configs
    }
}

/// A topic in a list.
public struct TopicListing: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// Its id; zero if the broker gives topics none.
    public var id: KafkaUUID
    /// Whether it is Kafka's own, such as `__consumer_offsets`.
    public var isInternal: Bool
}

/// A topic with its partitions.
public struct TopicDescription: Sendable {
    /// A partition.
    public struct Partition: Sendable, Hashable {
        /// Its number, from 0.
        public var id: Int32
        /// The leading broker; -1 if there is none.
        public var leader: Int32
        /// Counts changes of the leader; -1 if unknown.
        public var leaderEpoch: Int32
        /// Brokers that should hold it.
        public var replicas: [Int32]
        /// Brokers that hold all of it.
        public var inSyncReplicas: [Int32]
    }

    /// Its name.
    public var name: String
    /// Its id; zero if the broker gives topics none.
    public var id: KafkaUUID
    /// Whether it is Kafka's own.
    public var isInternal: Bool
    /// Its partitions, in order.
    public var partitions: [Partition]
}

/// Something that has a configuration.
public struct ConfigResource: Sendable, Hashable {
    /// What it is; the values are the wire's.
    public enum Kind: Int8, Sendable {
        /// A topic, by name.
        case topic = 2
        /// A broker, by id.
        case broker = 4
        /// The loggers of a broker, by id.
        case brokerLogger = 8
        /// A consumer group, by id (Kafka 4.0).
        case group = 32
    }

    /// What it is.
    public var kind: Kind
    /// Its name or id.
    public var name: String

    /// Names a resource.
    public init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }
}

/// One entry of a configuration.
public struct ConfigEntry: Sendable, Hashable {
    /// Where a value comes from (Kafka: `ConfigEntry.ConfigSource`); the values are the wire's.
    public enum Source: Int8, Sendable {
        /// The broker did not say.
        case unknown = 0
        /// Set on the topic.
        case topic = 1
        /// Set on this broker at run time.
        case dynamicBroker = 2
        /// Set on all brokers at run time.
        case dynamicDefaultBroker = 3
        /// From the broker's properties file.
        case staticBroker = 4
        /// Kafka's default.
        case defaultConfig = 5
        /// Set on a broker's logger at run time.
        case dynamicBrokerLogger = 6
        /// Set on the group.
        case group = 8
    }

    /// The option.
    public var name: String
    /// Its value; nil if unset or secret.
    public var value: String?
    /// Where the value comes from.
    public var source: Source
    /// Whether it can't be changed.
    public var isReadOnly: Bool
    /// Whether its value is kept secret.
    public var isSensitive: Bool

    /// Whether nobody has set it.
    public var isDefault: Bool { source == .defaultConfig }
}

/// A change of one entry of a configuration.
public struct ConfigAlteration: Sendable, Hashable {
    /// What to do; the values are the wire's.
    public enum Operation: Int8, Sendable {
        /// Set the value.
        case set = 0
        /// Go back to the default.
        case delete = 1
        /// Add to a list.
        case append = 2
        /// Remove from a list.
        case subtract = 3
    }

    /// The option.
    public var name: String
    /// What to do.
    public var operation: Operation
    /// The value; nil for `delete`.
    public var value: String?

    /// Makes a change.
    public init(name: String, operation: Operation, value: String?) {
        self.name = name
        self.operation = operation
        self.value = value
    }
}

/// The cluster.
public struct ClusterDescription: Sendable {
    /// Its id.
    public var clusterID: String?
    /// The broker to send changes to; -1 if unknown.
    public var controllerID: Int32
    /// Its brokers, by id.
    public var brokers: [BrokerNode]
}

/// A group in a list.
public struct GroupListing: Sendable, Hashable {
    /// Its id.
    public var groupID: String
    /// `consumer`, `connect`, or empty for a group that only has offsets.
    public var protocolType: String
    /// `Stable`, `Empty`, …; empty if the broker is older than Kafka 2.6.
    public var state: String
    /// `classic`, `consumer`, …; empty if the broker is older than Kafka 3.8.
    public var type: String
}

/// A group with its members.
public struct GroupDescription: Sendable {
    /// A member.
    public struct Member: Sendable {
        /// The id the coordinator gave.
        public var memberID: String
        /// `group.instance.id`, for a static member.
        public var instanceID: String?
        /// `client.id`.
        public var clientID: String
        /// Where it connects from.
        public var clientHost: String
        /// Its partitions, if it is a consumer.
        public var assignment: [TopicPartition]
    }

    /// Its id.
    public var groupID: String
    /// `consumer`, `connect`, …
    public var protocolType: String
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`.
    public var state: String
    /// The assignor or Connect protocol in use.
    public var protocolName: String
    /// Its members.
    public var members: [Member]
    /// The broker that coordinates it.
    public var coordinator: BrokerNode?
}
