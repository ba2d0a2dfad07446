public import ConnectAPI
public import OrderedCollections
import Synchronization

/// Reads a text file, or standard input, line by line into a topic; Kafka's `FileStreamSource`.
///
/// Offsets are Kafka's: `{"filename": path}` → `{"position": bytes}`. Unlike Kafka's it counts bytes (Kafka's counts
/// characters, and goes astray after the first one that is not ASCII), and follows a file that is truncated or
/// replaced.
public final class FileStreamSourceConnector: SourceConnector {
    /// The Java connector's class name.
    public static let className = "org.apache.kafka.connect.file.FileStreamSourceConnector"
    /// Other names of it.
    public static let aliases = ["FileStreamSourceConnector", "FileStreamSource"]
    /// The Kafka whose behaviour this is.
    public static let version = "4.3.0"
    /// The Java task's class name.
    public static let taskClassName = "org.apache.kafka.connect.file.FileStreamSourceTask"
    /// `file`, `topic`, `batch.size`.
    public static let configDefinition = ConfigDefinition([
        .init(
            "file", .string, default: .null, importance: .high,
            doc: "The file to read. Without it, standard input is read."),
        .init(
            "topic", .string, default: .required, importance: .high, doc: "The topic to write to.",
            validator: .nonEmptyWithoutControlCharacters),
        .init(
            "batch.size", .int, default: .value("2000"), importance: .low,
            doc: "The most lines that one poll returns.", validator: .atLeast(1)),
    ])

    private let config = Mutex<[String: String]>([:])

    /// Makes a connector that is not started.
    public init() {}

    /// Keeps the configuration for the task.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLock { $0 = config }
    }

    /// One task: a file cannot be shared.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        [FileOptions.taskConfig(config.withLock { $0 })]
    }

    /// Does nothing.
    public func stop() async {}

    /// Makes a task that is not started.
    public func makeTask() -> any SourceTask { FileStreamSourceTask() }

    /// A file can be read again from an offset, standard input cannot.
    public func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? {
        config["file"]?.isEmpty ?? true ? .unsupported : .supported
    }
}

/// Writes the values of records into a text file, or to standard output, one a line; Kafka's `FileStreamSink`.
public final class FileStreamSinkConnector: SinkConnector {
    /// The Java connector's class name.
    public static let className = "org.apache.kafka.connect.file.FileStreamSinkConnector"
    /// Other names of it.
    public static let aliases = ["FileStreamSinkConnector", "FileStreamSink"]
    /// The Kafka whose behaviour this is.
    public static let version = "4.3.0"
    /// The Java task's class name.
    public static let taskClassName = "org.apache.kafka.connect.file.FileStreamSinkTask"
    /// `file`.
    public static let configDefinition = ConfigDefinition([
        .init(
            "file", .string, default: .null, importance: .high,
            doc: "The file to append to; it is made if there is none. Without it, standard output is written.")
    ])

    private let config = Mutex<[String: String]>([:])

    /// Makes a connector that is not started.
    public init() {}

    /// Keeps the configuration for the tasks.
    public func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLock { $0 = config }
    }

    /// As many tasks as are allowed: appending lines is safe from more than one.
    public func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = FileOptions.taskConfig(config.withLock { $0 })
        return Array(repeating: config, count: maxTasks)
    }

    /// Does nothing.
    public func stop() async {}

    /// Makes a task that is not started.
    public func makeTask() -> any SinkTask { FileStreamSinkTask() }
}

/// What both connectors read from their configurations.
enum FileOptions {
    /// The connector's configuration in an order that does not change from one start to the next.
    static func taskConfig(_ config: [String: String]) -> OrderedDictionary<String, String> {
        OrderedDictionary(uniqueKeysWithValues: config.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    /// The path; nil if the option is absent or empty.
    static func path(_ config: [String: String]) -> String? {
        config["file"].flatMap { $0.isEmpty ? nil : $0 }
    }
}
