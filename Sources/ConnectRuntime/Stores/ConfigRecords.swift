import ConnectAPI
import NIOCore
import OrderedCollections

/// A record of the config topic, in the format of Kafka Connect's `KafkaConfigBackingStore`: the key is text, the value
/// JSON without envelope.
enum ConfigRecord: Hashable {
    /// nil: deleted.
    case connector(String, ConnectorProperties?)
    /// Counts once a commit follows.
    case task(TaskID, ConnectorProperties)
    case commit(String, taskCount: Int)
    /// nil: as if STARTED.
    case target(String, TargetState?)
    case restart(RestartRequest)
    case loggerLevel(namespace: String, level: String)
    /// How many tasks the last fencing of an exactly-once source took account of (KIP-618).
    case fencing(String, taskCount: Int)
    /// The key of requests between workers (KIP-507).
    case sessionKey(SessionKey)

    private static let targetPrefix = "target-state-"
    private static let connectorPrefix = "connector-"
    private static let taskPrefix = "task-"
    private static let commitPrefix = "commit-"
    private static let restartPrefix = "restart-connector-"
    private static let fencingPrefix = "tasks-fencing-"
    private static let sessionKeyName = "session-key"
    private static let loggerPrefix = "logger-cluster-"

    /// The record as it is written.
    var entry: LogEntry {
        switch self {
        case .connector(let name, let config):
            LogEntry(key: Self.connectorPrefix + name, value: config.map(Self.properties))
        case .task(let id, let config):
            LogEntry(key: "\(Self.taskPrefix)\(id)", value: Self.properties(config))
        case .commit(let name, let count):
            LogEntry(key: Self.commitPrefix + name, value: JSONValue.object(["tasks": .integer(Int64(count))]).bytes)
        case .target(let name, let state):
            LogEntry(key: Self.targetPrefix + name, value: state.map(Self.target))
        case .restart(let request):
            LogEntry(
                key: Self.restartPrefix + request.connector,
                value: JSONValue.object([
                    "include-tasks": .bool(request.includeTasks), "only-failed": .bool(request.onlyFailed),
                ]).bytes)
        case .loggerLevel(let namespace, let level):
            LogEntry(key: Self.loggerPrefix + namespace, value: JSONValue.object(["level": .string(level)]).bytes)
        case .fencing(let name, let count):
            LogEntry(
                key: Self.fencingPrefix + name, value: JSONValue.object(["task-count": .integer(Int64(count))]).bytes)
        case .sessionKey(let key):
            LogEntry(key: Self.sessionKeyName, value: key.json.bytes)
        }
    }

    private static func properties(_ config: ConnectorProperties) -> [UInt8] {
        var members: OrderedDictionary<String, JSONValue> = [:]
        for (name, value) in config { members[name] = .string(value) }
        return JSONValue.object(["properties": .object(members)]).bytes
    }

    /// STOPPED is PAUSED to workers older than Kafka 3.5, which read `state` only (KIP-875).
    private static func target(_ state: TargetState) -> [UInt8] {
        let old = state == .stopped ? TargetState.paused : state
        return JSONValue.object(["state": .string(old.rawValue), "state.v2": .string(state.rawValue)]).bytes
    }

    /// Reads a record; nil if it is none of ours or damaged, which Connect logs and skips.
    /// The prefixes are tried in Connect's order.
    init?(_ entry: LogEntry) {
        let key = String(buffer: entry.key)
        let json = entry.value.flatMap { try? JSONValue(parsing: $0) }
        guard entry.value == nil || json != nil else { return nil }
        if let name = key.suffix(after: Self.targetPrefix) {
            guard let json else { self = .target(name, nil); return }
            let text = json["state.v2"]?.stringValue ?? json["state"]?.stringValue
            guard let state = text.flatMap(TargetState.init(rawValue:)) else { return nil }
            self = .target(name, state)
        } else if let name = key.suffix(after: Self.connectorPrefix) {
            guard let json else { self = .connector(name, nil); return }
            guard let config = Self.readProperties(json) else { return nil }
            self = .connector(name, config)
        } else if let rest = key.suffix(after: Self.taskPrefix) {
            guard let id = TaskID(parsing: rest), let config = json.flatMap(Self.readProperties) else { return nil }
            self = .task(id, config)
        } else if let name = key.suffix(after: Self.commitPrefix) {
            guard let count = json?["tasks"]?.integerValue, let count = Int(exactly: count), count >= 0 else {
                return nil
            }
            self = .commit(name, taskCount: count)
        } else if let name = key.suffix(after: Self.restartPrefix) {
            guard let json else { return nil }
            self = .restart(
                RestartRequest(
                    connector: name, includeTasks: json["include-tasks"]?.boolValue ?? false,
                    onlyFailed: json["only-failed"]?.boolValue ?? false))
        } else if let name = key.suffix(after: Self.fencingPrefix) {
            guard let count = json?["task-count"]?.integerValue.flatMap({ Int(exactly: $0) }), count >= 0 else {
                return nil
            }
            self = .fencing(name, taskCount: count)
        } else if key == Self.sessionKeyName {
            guard let sessionKey = json.flatMap(SessionKey.init(json:)) else { return nil }
            self = .sessionKey(sessionKey)
        } else if let namespace = key.suffix(after: Self.loggerPrefix) {
            guard let level = json?["level"]?.stringValue else { return nil }
            self = .loggerLevel(namespace: namespace, level: level)
        } else {
            return nil
        }
    }

    /// A null value of a property (Java keeps them) is left out: the option is not set.
    private static func readProperties(_ json: JSONValue) -> ConnectorProperties? {
        guard let members = json["properties"]?.objectValue else { return nil }
        var config: ConnectorProperties = [:]
        for (name, value) in members {
            switch value {
            case .string(let text): config[name] = text
            case .null: continue
            default: config[name] = value.text
            }
        }
        return config
    }
}

extension TaskID {
    /// Splits at the last hyphen: `a-b-0` is task 0 of `a-b`.
    init?(parsing text: String) {
        guard let hyphen = text.lastIndex(of: "-"), let task = Int(text[text.index(after: hyphen)...]), task >= 0 else {
            return nil
        }
        self.init(connector: String(text[..<hyphen]), task: task)
    }
}

extension String {
    /// What follows a prefix; nil if this does not begin with it.
    func suffix(after prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
