public import ConnectAPI
public import OrderedCollections
import Synchronization

/// Writes topics into tables of a database; takes the configuration of Confluent's JDBC sink connector.
public final class SQLSinkConnector: SinkConnector {
    /// The Java connector's class name.
    public static let className = "io.confluent.connect.jdbc.JdbcSinkConnector"
    /// Other names of it.
    public static let aliases = ["JdbcSinkConnector", "JdbcSink", "org.apache.kafka.connect.jdbc.JdbcSinkConnector"]
    /// The Java connector's version whose behaviour this is.
    public static let version = "10.9.7"
    /// The Java task's class name.
    public static let taskClassName = "io.confluent.connect.jdbc.sink.JdbcSinkTask"

    private let config = Mutex<[String: String]>([:])

    /// Makes a connector that is not started.
    public init() {}

    /// Checks each option, what options say together, and that the database can be reached.
    public func validate(_ config: [String: String]) async -> [ConfigValue] {
        await SinkValidation.validate(config)
    }

    /// Checks the configuration.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        _ = try SinkOptions(config)
        self.config.withLock { $0 = config }
    }

    /// Plans tasks that are all alike: the consumer group divides the partitions.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        var task: OrderedDictionary<String, String> = [:]
        for (name, value) in config.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { task[name] = value }
        return Array(repeating: task, count: max(maxTasks, 1))
    }

    /// Makes a task that is not started.
    public func makeTask() -> any SinkTask {
        SQLSinkTask()
    }

    /// Has nothing to stop.
    public func stop() async {}
}
