public import OrderedCollections

/// `GET /health`: 200, 503 or 500 with a message.
public enum WorkerHealth: Sendable, Hashable {
    /// 503: has not read its state yet.
    case starting
    /// 200.
    case healthy
    /// 500: has started, but cannot do its work; the message says why.
    case unhealthy(String)
}

/// A plain value in a source partition or source offset (Connect allows only these there).
public enum OffsetValue: Sendable, Hashable {
    /// JSON null.
    case null
    /// JSON true or false.
    case boolean(Bool)
    /// A JSON number without fraction.
    case integer(Int64)
    /// A JSON number with fraction or exponent.
    case double(Double)
    /// A JSON string.
    case string(String)
}

/// One offset of a connector. Sinks use `kafka_topic`, `kafka_partition` and `kafka_offset` as keys.
public struct ConnectorOffset: Sendable, Hashable {
    /// What the offset is of; nil is JSON null.
    public var partition: OrderedDictionary<String, OffsetValue>?
    /// Where to go on; nil removes the offset.
    public var offset: OrderedDictionary<String, OffsetValue>?

    /// Makes an entry.
    public init(partition: OrderedDictionary<String, OffsetValue>?, offset: OrderedDictionary<String, OffsetValue>?) {
        self.partition = partition
        self.offset = offset
    }
}

/// One entry of `GET /connector-plugins`.
public struct PluginInfo: Sendable, Hashable {
    /// The full class name that `connector.class` and the like take.
    public var className: String
    /// `source`, `sink`, `converter`, `header_converter`, `transformation`, `predicate`.
    public var type: String
    /// The plugin's version.
    public var version: String

    /// Makes an entry.
    public init(className: String, type: String, version: String) {
        self.className = className
        self.type = type
        self.version = version
    }
}

/// The `definition` of an option in REST answers.
public struct ConfigKeyInfo: Sendable, Hashable {
    /// The option's name.
    public var name: String
    /// Kafka's type word: STRING, INT, LONG, SHORT, DOUBLE, BOOLEAN, LIST, CLASS, PASSWORD.
    public var type: String
    /// Whether there is no default.
    public var isRequired: Bool
    /// The default as text; nil if there is none or it is null.
    public var defaultValue: String?
    /// HIGH, MEDIUM or LOW.
    public var importance: String
    /// One or two sentences.
    public var documentation: String
    /// The group it is shown in.
    public var group: String?
    /// Its place in the group; -1 if it has none.
    public var orderInGroup: Int
    /// NONE, SHORT, MEDIUM or LONG.
    public var width: String
    /// The name for people.
    public var displayName: String
    /// Options whose values depend on this one.
    public var dependents: [String]

    /// Makes a definition.
    public init(
        name: String, type: String, isRequired: Bool, defaultValue: String?, importance: String,
        documentation: String, group: String?, orderInGroup: Int, width: String, displayName: String,
        dependents: [String]
    ) {
        self.name = name
        self.type = type
        self.isRequired = isRequired
        self.defaultValue = defaultValue
        self.importance = importance
        self.documentation = documentation
        self.group = group
        self.orderInGroup = orderInGroup
        self.width = width
        self.displayName = displayName
        self.dependents = dependents
    }
}

/// The `value` of an option in `PUT /connector-plugins/{p}/config/validate`.
public struct ConfigValueInfo: Sendable, Hashable {
    /// The option's name.
    public var name: String
    /// Its value as text, masked if it is a password.
    public var value: String?
    /// Values worth choosing from.
    public var recommendedValues: [String]
    /// What is wrong.
    public var errors: [String]
    /// Whether it is of interest given the other values.
    public var isVisible: Bool

    /// Makes a value.
    public init(
        name: String, value: String?, recommendedValues: [String] = [], errors: [String] = [], isVisible: Bool = true
    ) {
        self.name = name
        self.value = value
        self.recommendedValues = recommendedValues
        self.errors = errors
        self.isVisible = isVisible
    }
}

/// The answer of `PUT /connector-plugins/{p}/config/validate`.
public struct ConfigInfos: Sendable, Hashable {
    /// Definition and value of one option.
    public struct Entry: Sendable, Hashable {
        /// The definition; nil for an option that the plugin does not define.
        public var definition: ConfigKeyInfo?
        /// The value and its errors.
        public var value: ConfigValueInfo

        /// Makes an entry.
        public init(definition: ConfigKeyInfo?, value: ConfigValueInfo) {
            self.definition = definition
            self.value = value
        }
    }

    /// The connector class that was checked.
    public var name: String
    /// The groups of the definitions in order.
    public var groups: [String]
    /// The options in order.
    public var configs: [Entry]

    /// Makes the answer.
    public init(name: String, groups: [String], configs: [Entry]) {
        self.name = name
        self.groups = groups
        self.configs = configs
    }

    /// How many error messages there are in all; Connect counts messages, not options.
    public var errorCount: Int { configs.reduce(0) { $0 + $1.value.errors.count } }
}

/// A logger as `GET /admin/loggers` shows it.
public struct LoggerLevel: Sendable, Hashable {
    /// The logger's name.
    public var name: String
    /// TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF.
    public var level: String
    /// When it was set over REST, in milliseconds since 1970; nil if never.
    public var lastModified: Int64?

    /// Makes an entry.
    public init(name: String, level: String, lastModified: Int64? = nil) {
        self.name = name
        self.level = level
        self.lastModified = lastModified
    }
}

/// Whom a change of a log level concerns (KIP-976).
public enum LoggerScope: String, Sendable, Hashable {
    /// This worker.
    case worker
    /// All workers of the group.
    case cluster
}
