public import ConnectAPI
public import Logging
import NIOCore
public import OrderedCollections

/// A worker that runs the connectors it is given and keeps nothing but source offsets, in a file (see
/// ``FileTopicLog``). Configuration and status are in memory, as Connect's standalone worker has them.
public final class StandaloneWorker: Sendable {
    /// A connector to run, from a properties or JSON file.
    public struct ConnectorFile: Sendable, Hashable {
        /// The connector's name.
        public var name: String
        /// Its configuration.
        public var config: OrderedDictionary<String, String>
        /// `initial_state`, if the file is a create request (Kafka 3.9).
        public var initialState: TargetState?

        /// Makes one from properties, which must hold `name`.
        public init(properties: OrderedDictionary<String, String>) throws(ConnectError) {
            guard let name = properties["name"]?.trimmed, !name.isEmpty else {
                throw .config("a connector's configuration needs a name")
            }
            self.name = name
            config = properties
        }

        /// Makes one from JSON: a flat object of options, or a create request with `name`, `config` and
        /// `initial_state`.
        public init(json: some Sequence<UInt8>) throws(ConnectError) {
            let document: JSONValue
            do throws(JSONError) {
                document = try JSONValue(parsing: json)
            } catch {
                throw .config("not JSON: \(error)")
            }
            guard let members = document.objectValue else { throw .config("a JSON object is needed") }
            guard let inner = members["config"]?.objectValue else {
                try self.init(properties: Self.options(members))
                return
            }
            var options = try Self.options(inner)
            if let name = members["name"]?.stringValue { options["name"] = name }
            try self.init(properties: options)
            if let text = members["initial_state"]?.stringValue {
                guard let state = TargetState(initialState: text) else {
                    throw .config("initial_state=\(text): RUNNING, PAUSED or STOPPED is needed")
                }
                initialState = state
            }
        }

        private static func options(
            _ members: OrderedDictionary<String, JSONValue>
        ) throws(ConnectError) -> OrderedDictionary<String, String> {
            var options: OrderedDictionary<String, String> = [:]
            for (name, value) in members {
                switch value {
                case .string(let text): options[name] = text
                case .integer, .number, .bool: options[name] = value.text
                case .null, .array, .object: throw .config("option \(name) must be a text, a number or a boolean")
                }
            }
            return options
        }
    }

    private let core: WorkerCore
    private let connectors: [ConnectorFile]

    /// Makes a worker that does not run yet.
    /// - Throws: a ``ConnectError`` that names the property which is wrong.
    public init(
        configuration: WorkerConfiguration, connectors: [ConnectorFile], plugins: PluginRegistry, logger: Logger
    ) throws {
        self.connectors = connectors
        let file = FileTopicLog(path: configuration.offsetFile)
        core = try WorkerCore(
            configuration, plugins: plugins, configLog: { _ in MemoryTopicLog() }, offsetLog: { _ in file },
            statusLog: { _ in MemoryTopicLog() }, logger: logger)
    }

    /// Starts REST and every connector.
    /// - Throws: if REST cannot listen or a connector is refused; nothing runs then.
    public func start() async throws {
        try await core.start()
        do {
            try await core.waitUntilReady(atMost: .seconds(60))
            for connector in connectors {
                _ = try await core.herder.createConnector(
                    name: connector.name, config: connector.config, initialState: connector.initialState)
            }
        } catch {
            await core.shutdown()
            throw error
        }
    }

    /// The port that REST listens on; nil before ``start()``.
    public var restPort: Int? { core.restAddress?.port }

    /// What REST speaks to.
    public var herder: any Herder { core.herder }

    /// Stops REST, the connectors and tasks (offsets are stored).
    public func shutdown() async { await core.shutdown() }
}
