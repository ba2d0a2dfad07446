public import ConnectAPI
public import OrderedCollections
import Synchronization

/// Counts, and tells each number.
public final class TickSource: SourceConnector {
    /// What `connector.class` says.
    public static let className = "org.example.TickSource"
    /// Shorter names of it.
    public static let aliases = ["Tick"]
    /// What REST shows.
    public static let version = "1.0"
    /// What the config topic says of the tasks.
    public static let taskClassName = "org.example.TickTask"
    /// `topic`, `interval.ms`.
    public static let configDefinition = ConfigDefinition([
        .init("topic", .string, default: .required, importance: .high, doc: "Where to write to."),
        .init(
            "interval.ms", .long, default: .value("1000"), importance: .low, doc: "Milliseconds between two numbers.",
            validator: .atLeast(1)),
    ])

    private let config = Mutex<[String: String]>([:])

    /// Makes a connector that is not started.
    public init() {}

    /// Keeps the configuration for the task. A connector that watches its system begins here.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLock { $0 = config }
    }

    /// One task: there is one row of numbers. A connector for tables would share them out among `maxTasks`.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = config.withLock { $0 }
        var task: OrderedDictionary<String, String> = [:]
        for name in TickSource.configDefinition.keys.keys { task[name] = config[name] }
        return [task]
    }

    /// Nothing to let go of.
    public func stop() async {}

    /// Makes a task that is not started.
    public func makeTask() -> any SourceTask { TickTask() }

    /// The offset is the last number: a task that starts there goes on right behind it.
    public func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? { .supported }
}
