public import ConnectAPI
import Logging
public import OrderedCollections
import Synchronization

/// Reads tables of a database into topics; takes the configuration of Confluent's JDBC source connector.
public final class SQLSourceConnector: SourceConnector {
    /// The Java connector's class name.
    public static let className = "io.confluent.connect.jdbc.JdbcSourceConnector"
    /// Other names of it.
    public static let aliases = [
        "JdbcSourceConnector", "JdbcSource", "org.apache.kafka.connect.jdbc.JdbcSourceConnector",
    ]
    /// The Java connector's version whose behaviour this is.
    public static let version = "10.9.7"
    /// The Java task's class name.
    public static let taskClassName = "io.confluent.connect.jdbc.source.JdbcSourceTask"

    private struct State {
        var config: [String: String] = [:]
        /// Nil if a query is read.
        var monitor: TableMonitor?
        var hasQuery = false
        var offsets: (any OffsetReader)?
    }

    private let state = Mutex(State())

    /// Makes a connector that is not started.
    public init() {}

    /// Checks each option, what options say together, and that the database can be reached.
    public func validate(_ config: [String: String]) async -> [ConfigValue] {
        await SourceValidation.validate(config)
    }

    /// Checks the configuration and begins to watch the list of tables.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        let options = try SourceOptions(config)
        if !options.database.unknownParameters.isEmpty {
            context.logger.warning(
                "Parameters of connection.url that this driver does not have are left alone",
                metadata: ["parameters": "\(options.database.unknownParameters.joined(separator: ","))"])
        }
        guard options.query == nil else {
            return state.withLock { $0 = State(config: config, hasQuery: true) }
        }
        let monitor = TableMonitor(options, context)
        state.withLock { $0 = State(config: config, monitor: monitor, offsets: context.offsetReader) }
        monitor.start()
    }

    /// Plans at most `maxTasks` tasks: each reads a range of the tables; a table belongs to one task.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let (config, monitor, hasQuery) = state.withLock { ($0.config, $0.monitor, $0.hasQuery) }
        guard monitor != nil || hasQuery else { return [] }
        let tables = hasQuery ? [] : await monitor?.tables()
        var names: Set<String> = []
        for table in tables ?? [] where !names.insert(table.name).inserted {
            throw ConnectError.config(
                "Two databases have a table named \(table.name), whose records would share one topic; narrow the "
                    + "choice with catalog.pattern or table.whitelist")
        }
        var base: OrderedDictionary<String, String> = [:]
        for (name, value) in config.sorted(by: { $0.key < $1.key }) { base[name] = value }
        var groups = Self.groups(tables ?? [], atMost: maxTasks)
        var chunks = ChunkAssignment(try await plans(tables ?? [], config, max(maxTasks, 1)))
        if !chunks.tables.isEmpty {
            // Every task has a hand in them, those included that have no table of their own.
            while groups.count < maxTasks { groups.append([]) }
            chunks.tasks = groups.count
        }
        return groups.enumerated().map { index, group in
            var task = base
            task["tables"] = group.map { IdentifierQuoting().quoted($0) }.joined(separator: ",")
            task["tables.fetched"] = tables == nil ? "false" : "true"
            chunks.task = index
            for (name, value) in chunks.properties { task[name] = value }
            return task
        }
    }

    /// What is read by several tasks.
    private func plans(
        _ tables: [TableID], _ config: [String: String], _ maxTasks: Int
    ) async throws -> [ChunkAssignment.Table] {
        guard !tables.isEmpty, let reader = state.withLock({ $0.offsets }) else { return [] }
        let options = try SourceOptions(config)
        guard case .incrementing = options.mode else { return [] }
        do {
            return try await ChunkAssignment.plans(of: tables, options, tasks: maxTasks, reader: reader)
        } catch let error as SQLError {
            let text = "The ranges of tables of \(options.database.description) could not be read: "
            throw error.isRetriable
                ? ConnectError.retriable(text + options.text(of: error))
                : .fatal(text + options.text(of: error), cause: nil)
        }
    }

    /// Makes a task that is not started.
    public func makeTask() -> any SourceTask {
        SQLSourceTask()
    }

    /// With a growing column every batch ends behind its last row. By timestamps alone it may end between two rows of
    /// one timestamp, and both come again; mode bulk reads everything each time.
    public func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? {
        ["incrementing", "timestamp+incrementing"].contains(config["mode"] ?? "") ? .supported : .unsupported
    }

    /// Stops watching the database.
    public func stop() async {
        let monitor = state.withLock { $0.monitor }
        monitor?.stop()
    }

    /// Contiguous ranges whose sizes differ by at most one, the larger ones first (Kafka's
    /// `ConnectorUtils.groupPartitions`). No tables make one empty group: its task says so.
    static func groups(_ tables: [TableID], atMost count: Int) -> [[TableID]] {
        guard !tables.isEmpty else { return [[]] }
        let count = max(min(tables.count, count), 1)
        let (size, larger) = tables.count.quotientAndRemainder(dividingBy: count)
        var start = 0
        return (0..<count).map { index in
            let end = start + size + (index < larger ? 1 : 0)
            defer { start = end }
            return Array(tables[start..<end])
        }
    }
}
