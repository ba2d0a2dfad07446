/// Whether a topic's records have keys.
public enum TopicKeyRule: Sendable {
    /// Every record has one; publishing without is an error. Records of one key stay in order.
    case required
    /// A record without a key goes to any partition.
    case optional
}

/// What to do when a topic does not exist at the start.
public enum TopicCreation: Sendable, Hashable {
    /// Fail, and name the existing topic that looks most like it.
    case mustExist
    /// Make it. -1 is the broker's own default.
    case create(partitions: Int32, replicationFactor: Int16 = -1)
}

/// A topic as the services that share it know it: its name, how its values look, and whether records have a key.
///
/// Publishers and listeners are made of the same `Topic`, so that they can't miss each other by a name. That it exists
/// is checked when they start.
public struct Topic<Value: Sendable>: Sendable {
    /// The topic's name.
    public var name: String
    /// How values become bytes.
    public var serde: any Serde<Value>
    /// Whether records have keys.
    public var keyRule: TopicKeyRule
    /// What to do when it does not exist.
    public var creation: TopicCreation

    /// Describes a topic. The name is checked when something that uses it starts.
    public init(
        _ name: String, _ serde: any Serde<Value>, keys keyRule: TopicKeyRule = .required,
        creation: TopicCreation = .mustExist
    ) {
        self.name = name
        self.serde = serde
        self.keyRule = keyRule
        self.creation = creation
    }
}

extension Topic where Value: Codable {
    /// Describes a topic whose values are JSON.
    public init(
        _ name: String, json type: Value.Type = Value.self, keys keyRule: TopicKeyRule = .required,
        creation: TopicCreation = .mustExist
    ) {
        self.init(name, JSONSerde(type), keys: keyRule, creation: creation)
    }
}
