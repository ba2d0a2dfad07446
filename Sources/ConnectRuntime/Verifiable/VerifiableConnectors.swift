public import ConnectAPI
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
public import OrderedCollections

/// Writes the numbers 0, 1, 2, … into a topic, each task its own row of numbers, so that a reader can tell what is lost
/// or comes twice; Kafka's tool of the same name. For tests and measurements.
///
/// Options: `topic`, `throughput` (records a second of each task; -1, the default, is as many as possible), `batch.size`
/// (records of a poll, 500; an extension).
public final class VerifiableSourceConnector: SourceConnector {
    /// The Java connector's class name.
    public static let className = "org.apache.kafka.connect.tools.VerifiableSourceConnector"
    /// Other names of it.
    public static let aliases = ["VerifiableSourceConnector", "VerifiableSource"]
    /// The Kafka whose behaviour this is.
    public static let version = "4.3.0"
    /// The Java task's class name.
    public static let taskClassName = "org.apache.kafka.connect.tools.VerifiableSourceTask"
    /// `topic`, `throughput`, `batch.size`.
    public static let configDefinition = ConfigDefinition([
        .init("topic", .string, default: .required, importance: .high, doc: "The topic to write to."),
        .init(
            "throughput", .long, default: .value("-1"), importance: .low,
            doc: "The most records that each task writes in a second; -1 for no limit."),
        .init(
            "batch.size", .int, default: .value("500"), importance: .low, doc: "The most records of one poll.",
            validator: .between(1, 100_000)),
    ])

    private let config = NIOLockedValueBox<[String: String]>([:])

    /// Makes a connector that is not started.
    public init() {}

    /// Keeps the configuration for the tasks.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLockedValue { $0 = config }
    }

    /// As many tasks as are allowed, each with its `id`.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = self.config.withLockedValue { $0 }.sorted { $0.key < $1.key }
        return (0..<maxTasks).map { id in
            var task = OrderedDictionary(uniqueKeysWithValues: config.map { ($0.key, $0.value) })
            task["id"] = String(id)
            return task
        }
    }

    /// Does nothing.
    public func stop() async {}

    /// Makes a task that is not started.
    public func makeTask() -> any SourceTask { VerifiableSourceTask() }

    /// The offset is the last number.
    public func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? { .supported }
}

/// One row of numbers: key = the task's id, value = the number.
private final class VerifiableSourceTask: SourceTask {
    private var topic = ""
    private var id: Int32 = 0
    private var next: Int64 = 0
    private var throughput: Int64 = -1
    private var batchSize = 500
    private var started = ContinuousClock.now
    private var sent: Int64 = 0
    private var partition: OffsetMap = [:]

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        let options = try VerifiableSourceConnector.configDefinition.parse(config)
        topic = options.string("topic")
        throughput = options.optionalInt("throughput") ?? -1
        batchSize = max(1, options.int("batch.size"))
        id = config["id"].flatMap { Int32($0) } ?? 0
        partition = ["id": .int32(id)]
        let stored = try await context.offsets(for: [partition])[partition]
        next = stored?["seqno"]?.integer.map { $0 + 1 } ?? 0
        started = .now
    }

    func poll() async throws -> [SourceBatch] {
        var count = Int64(batchSize)
        if throughput >= 0 {
            let due = (ContinuousClock.now - started).wholeMilliseconds * throughput / 1000 - sent
            guard due > 0 else {
                try await Task.sleep(for: .milliseconds(5))
                return []
            }
            count = min(count, due)
        }
        let records = (next..<(next + count)).map {
            SourceRecord(topic: topic, keySchema: .int32, key: .int32(id), valueSchema: .int64, value: .int64($0))
        }
        next += count
        sent += count
        return [SourceBatch(records: records, sourcePartition: partition, sourceOffset: ["seqno": .int64(next - 1)])]
    }

    func stop() async {}
}

/// Takes records and forgets them; Kafka's tool of the same name prints them. For tests and measurements.
public final class VerifiableSinkConnector: SinkConnector {
    /// The Java connector's class name.
    public static let className = "org.apache.kafka.connect.tools.VerifiableSinkConnector"
    /// Other names of it.
    public static let aliases = ["VerifiableSinkConnector", "VerifiableSink"]
    /// The Kafka whose behaviour this is.
    public static let version = "4.3.0"
    /// The Java task's class name.
    public static let taskClassName = "org.apache.kafka.connect.tools.VerifiableSinkTask"
    /// None.
    public static let configDefinition = ConfigDefinition()

    /// Makes a connector that is not started.
    public init() {}

    /// Does nothing.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {}

    /// As many tasks as are allowed.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        (0..<maxTasks).map { ["id": String($0)] }
    }

    /// Does nothing.
    public func stop() async {}

    /// Makes a task that is not started.
    public func makeTask() -> any SinkTask { VerifiableSinkTask() }
}

private final class VerifiableSinkTask: SinkTask {
    func start(_ config: [String: String], context: any SinkTaskContext) async throws {}
    func put(_ records: [SinkRecord]) async throws {}
    func stop() async {}
}
