import ConnectAPI
import NIOCore
import OrderedCollections

/// A record of the status topic, in the format of Kafka Connect's `KafkaStatusBackingStore`.
enum StatusRecord: Hashable {
    /// The state of a connector or task as one worker wrote it.
    struct State: Hashable {
        var state: RunState
        var trace: String?
        /// Advertised `host:port`.
        var workerID: String
        /// The group's generation when it was written.
        var generation: Int
        /// The plugin's version (Kafka 4.1); nil while it is not loaded.
        var version: String?
    }

    /// A topic that a connector has used (KIP-558).
    struct Topic: Hashable {
        var name: String
        var connector: String
        var task: Int
        /// Milliseconds since 1970.
        var discovered: Int64
    }

    case connector(String, State?)
    case task(TaskID, State?)
    case topic(Topic)
    case topicRemoved(name: String, connector: String)

    private static let connectorPrefix = "status-connector-"
    private static let taskPrefix = "status-task-"
    private static let topicPrefix = "status-topic-"
    private static let topicSeparator = ":connector-"

    /// The state of a connector or task that the record holds.
    var state: State? {
        switch self {
        case .connector(_, let state), .task(_, let state): state
        case .topic, .topicRemoved: nil
        }
    }

    /// The record as it is written.
    var entry: LogEntry {
        switch self {
        case .connector(let name, let state):
            LogEntry(key: Self.connectorPrefix + name, value: state.map(Self.bytes))
        case .task(let id, let state):
            LogEntry(key: "\(Self.taskPrefix)\(id)", value: state.map(Self.bytes))
        case .topic(let topic):
            LogEntry(key: Self.topicKey(topic.name, topic.connector), value: Self.bytes(topic))
        case .topicRemoved(let name, let connector):
            LogEntry(key: Self.topicKey(name, connector), value: nil)
        }
    }

    private static func topicKey(_ topic: String, _ connector: String) -> String {
        topicPrefix + topic + topicSeparator + connector
    }

    private static func bytes(_ state: State) -> [UInt8] {
        JSONValue.object([
            "state": .string(state.state.rawValue),
            "trace": state.trace.map(JSONValue.string) ?? .null,
            "worker_id": .string(state.workerID),
            "generation": .integer(Int64(state.generation)),
            "version": state.version.map(JSONValue.string) ?? .null,
        ]).bytes
    }

    private static func bytes(_ topic: Topic) -> [UInt8] {
        JSONValue.object([
            "topic": .object([
                "name": .string(topic.name), "connector": .string(topic.connector),
                "task": .integer(Int64(topic.task)), "discoverTimestamp": .integer(topic.discovered),
            ])
        ]).bytes
    }

    /// Reads a record; nil if it is none of ours or damaged.
    init?(_ entry: LogEntry) {
        let key = String(buffer: entry.key)
        let json = entry.value.flatMap { try? JSONValue(parsing: $0) }
        guard entry.value == nil || json != nil else { return nil }
        if let name = key.suffix(after: Self.connectorPrefix) {
            let state = json.flatMap(State.init(json:))
            guard json == nil || state != nil else { return nil }
            self = .connector(name, state)
        } else if let rest = key.suffix(after: Self.taskPrefix) {
            let state = json.flatMap(State.init(json:))
            guard let id = TaskID(parsing: rest), json == nil || state != nil else { return nil }
            self = .task(id, state)
        } else if let rest = key.suffix(after: Self.topicPrefix) {
            // Topic names hold no colon, connector names may.
            guard let colon = rest.firstIndex(of: ":"),
                let connector = String(rest[colon...]).suffix(after: Self.topicSeparator)
            else { return nil }
            let name = String(rest[..<colon])
            guard let topic = json?["topic"] else {
                guard json == nil else { return nil }
                self = .topicRemoved(name: name, connector: connector)
                return
            }
            self = .topic(
                Topic(
                    name: name, connector: connector, task: Int(topic["task"]?.integerValue ?? 0),
                    discovered: topic["discoverTimestamp"]?.integerValue ?? 0))
        } else {
            return nil
        }
    }
}

extension StatusRecord.State {
    init?(json: JSONValue) {
        // DESTROYED is Connect's name for a removed entry.
        guard let text = json["state"]?.stringValue, let state = RunState(rawValue: text) else { return nil }
        self.init(
            state: state, trace: json["trace"]?.stringValue, workerID: json["worker_id"]?.stringValue ?? "",
            generation: Int(truncatingIfNeeded: json["generation"]?.integerValue ?? 0),
            version: json["version"]?.stringValue)
    }
}
