public import Logging
public import OrderedCollections

/// What sources and sinks share. A connector plans tasks; it moves no data itself.
public protocol Connector: AnyObject, Sendable {
    /// The Java class name that `connector.class` gives, such as `io.confluent.connect.jdbc.JdbcSourceConnector`.
    static var className: String { get }
    /// Other names that `connector.class` may use: the simple name, with and without `Connector`, Apache spellings.
    static var aliases: [String] { get }
    /// The version that REST shows.
    static var version: String { get }
    /// The class name of its tasks, which the config topic stores as `task.class`.
    static var taskClassName: String { get }
    /// The connector's own options (those of every connector are the worker's).
    static var configDefinition: ConfigDefinition { get }

    /// Makes a connector that is not started.
    init()

    /// Checks a configuration: one value per option of ``configDefinition``, with what is wrong about it. May connect
    /// to the outside, must not keep anything open.
    func validate(_ config: [String: String]) async -> [ConfigValue]

    /// Starts the connector. It may watch its system from now on, and ask for new tasks through the context.
    func start(_ config: [String: String], context: any ConnectorContext) async throws

    /// The configurations of at most `maxTasks` tasks. Order is kept where they are stored.
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>]

    /// Stops watching. Called once after a `start`, also a failed one.
    func stop() async
}

extension Connector {
    /// Checks each option by itself.
    public func validate(_ config: [String: String]) async -> [ConfigValue] {
        Self.configDefinition.validate(config)
    }
}

/// A connector that reads a system and writes topics.
public protocol SourceConnector: Connector {
    /// Makes a task that is not started.
    func makeTask() -> any SourceTask

    /// Whether the connector, configured so, can deliver each record exactly once; nil if it does not say, which
    /// `exactly.once.support=required` refuses. (Kafka: `SourceConnector.exactlyOnceSupport`.)
    func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport?

    /// Whether the connector's tasks, configured so, can end transactions themselves
    /// (`transaction.boundary=connector`).
    func canDefineTransactionBoundaries(_ config: [String: String]) -> Bool
}

extension SourceConnector {
    /// Does not say.
    public func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? { nil }

    /// It cannot.
    public func canDefineTransactionBoundaries(_ config: [String: String]) -> Bool { false }
}

/// A connector that reads topics and writes a system.
public protocol SinkConnector: Connector {
    /// Makes a task that is not started.
    func makeTask() -> any SinkTask
}

/// What the runtime offers a connector.
public protocol ConnectorContext: Sendable {
    /// The connector's name.
    var connectorName: String { get }
    /// Where the connector logs.
    var logger: Logger { get }
    /// The stored offsets of a source connector; nil for a sink.
    var offsetReader: (any OffsetReader)? { get }
    /// Makes the runtime call ``Connector/taskConfigs(maxTasks:)`` again and replace the tasks if they changed.
    func requestTaskReconfiguration()
    /// Fails the connector; its status shows the error.
    func raiseError(_ error: ConnectError)
}

/// Reads the offsets that a source has stored.
public protocol OffsetReader: Sendable {
    /// The stored offset of each of the partitions that has one. The key order of a partition counts.
    func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap]
}
