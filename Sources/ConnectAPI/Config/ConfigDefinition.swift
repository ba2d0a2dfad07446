public import OrderedCollections

/// The options of a connector, a converter or the worker, with what Kafka's REST API says about each
/// (Kafka class `ConfigDef`).
public struct ConfigDefinition: Sendable {
    /// The type of an option; the raw value is Kafka's name of it.
    public enum ValueType: String, Sendable {
        case boolean = "BOOLEAN"
        case string = "STRING"
        case int = "INT"
        case short = "SHORT"
        case long = "LONG"
        case double = "DOUBLE"
        case list = "LIST"
        case className = "CLASS"
        case password = "PASSWORD"
    }

    /// How much an option matters.
    public enum Importance: String, Sendable {
        case high = "HIGH"
        case medium = "MEDIUM"
        case low = "LOW"
    }

    /// How wide a form's field should be.
    public enum Width: String, Sendable {
        case none = "NONE"
        case short = "SHORT"
        case medium = "MEDIUM"
        case long = "LONG"
    }

    /// What an option is when the configuration does not name it.
    public enum Default: Sendable, Hashable {
        /// There is none: leaving the option out is an error.
        case required
        /// Null.
        case null
        /// A value in the form in which a configuration gives it.
        case value(String)
    }

    /// One option.
    public struct Key: Sendable {
        /// The option's name.
        public var name: String
        /// Its type.
        public var type: ValueType
        /// Its default.
        public var defaultValue: Default
        /// How much it matters.
        public var importance: Importance
        /// What it does, for people.
        public var doc: String
        /// The group it is shown in.
        public var group: String?
        /// Its place in the group; -1 without a group.
        public var order: Int
        /// The width of its field.
        public var width: Width
        /// Its name for people; the name itself when not given.
        public var displayName: String
        /// Options whose meaning depends on this one.
        public var dependents: [String]
        /// Checks a parsed value.
        public var validator: ConfigValidator?
        /// Recommends values and says whether the option applies.
        public var recommender: ConfigRecommender?

        /// Makes an option.
        public init(
            _ name: String, _ type: ValueType, default defaultValue: Default, importance: Importance, doc: String,
            group: String? = nil, order: Int = -1, width: Width = .none, displayName: String? = nil,
            dependents: [String] = [], validator: ConfigValidator? = nil, recommender: ConfigRecommender? = nil
        ) {
            self.name = name
            self.type = type
            self.defaultValue = defaultValue
            self.importance = importance
            self.doc = doc
            self.group = group
            self.order = order
            self.width = width
            self.displayName = displayName ?? name
            self.dependents = dependents
            self.validator = validator
            self.recommender = recommender
        }
    }

    /// The options by name, in order.
    public private(set) var keys: OrderedDictionary<String, Key> = [:]

    /// Makes a definition of the options in order; a later option replaces one of the same name in its place.
    public init(_ keys: [Key] = []) {
        for key in keys { self.keys[key.name] = key }
    }

    /// The groups in the order in which they first appear; options without a group add none.
    public var groups: [String] {
        var seen: OrderedSet<String> = []
        for case let group? in keys.values.map(\.group) { seen.append(group) }
        return Array(seen)
    }

    /// The names of the options that hold secrets.
    public var passwordNames: [String] {
        keys.values.filter { $0.type == .password }.map(\.name)
    }

    /// The same options, one of them changed. An unknown name changes nothing.
    public func modifying(_ name: String, _ change: (inout Key) -> Void) -> ConfigDefinition {
        guard var key = keys[name] else { return self }
        change(&key)
        var result = self
        result.keys[name] = key
        return result
    }

    /// These options and then those of another definition.
    public func appending(_ other: ConfigDefinition) -> ConfigDefinition {
        ConfigDefinition(Array(keys.values) + Array(other.keys.values))
    }
}
