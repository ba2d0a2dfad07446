import ConnectAPI
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

@testable import ConnectRuntime

/// The systems that the connectors below read and write, by the connector's option `system`.
final class FakeSystem: Sendable {
    private struct State {
        /// How many rows there are; row n holds the number n.
        var rows: Int64 = 0
        var written: [Int64] = []
        var isDown = false
        var mustHang = false
        var hanging = 0
        var refused: Set<Int64> = []
        var starts: [Int64] = []
    }

    private static let all = NIOLockedValueBox<[String: FakeSystem]>([:])
    private let state = NIOLockedValueBox(State())

    static func named(_ name: String) -> FakeSystem {
        all.withLockedValue { systems in
            if let known = systems[name] { return known }
            let new = FakeSystem()
            systems[name] = new
            return new
        }
    }

    var rows: Int64 {
        get { state.withLockedValue { $0.rows } }
        set { state.withLockedValue { $0.rows = newValue } }
    }
    var isDown: Bool {
        get { state.withLockedValue { $0.isDown } }
        set { state.withLockedValue { $0.isDown = newValue } }
    }
    /// The next to use the system hangs, and hears nothing, not even that it is to stop.
    func hangNext() { state.withLockedValue { $0.mustHang = true } }
    var isHanging: Bool { state.withLockedValue { $0.hanging > 0 } }
    func release() { state.withLockedValue { $0.hanging = 0 } }
    /// Whether the caller hung.
    func pass() async -> Bool {
        let mustHang = state.withLockedValue { state in
            defer { state.mustHang = false }
            if state.mustHang { state.hanging += 1 }
            return state.mustHang
        }
        guard mustHang else { return false }
        while isHanging { try? await Task.sleep(for: .milliseconds(2)) }
        return true
    }

    var written: [Int64] { state.withLockedValue { $0.written } }
    /// Where each start of the source task resumed.
    var starts: [Int64] { state.withLockedValue { $0.starts } }

    func refuse(_ number: Int64) { state.withLockedValue { _ = $0.refused.insert(number) } }
    func noteStart(_ offset: Int64) { state.withLockedValue { $0.starts.append(offset) } }

    func write(_ numbers: [Int64]) throws {
        try state.withLockedValue { state in
            if state.isDown { throw ConnectError.retriable("the system is down") }
            if let bad = numbers.first(where: { state.refused.contains($0) }) {
                throw ConnectError.data("refused \(bad)")
            }
            state.written += numbers
        }
    }
}

final class RowSource: SourceConnector {
    static let className = "test.RowSourceConnector"
    static let aliases: [String] = []
    static let version = "1"
    static let taskClassName = "test.RowSourceTask"
    static let configDefinition = ConfigDefinition()
    private let config = NIOLockedValueBox<[String: String]>([:])

    init() {}
    func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLockedValue { $0 = config }
    }
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = self.config.withLockedValue { $0 }
        return [["system": config["system"] ?? "", "topic": config["topic"] ?? ""]]
    }
    func stop() async {}
    func makeTask() -> any SourceTask { RowSourceTask() }
}

final class RowSourceTask: SourceTask {
    private var system = FakeSystem.named("")
    private var topic = ""
    private var position: Int64 = 0
    private let partition: OffsetMap = ["table": .string("rows")]

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        system = FakeSystem.named(config["system"] ?? "")
        topic = config["topic"] ?? ""
        let stored = try await context.offsets(for: [partition])[partition]
        position = stored?["position"]?.integer ?? 0
        system.noteStart(position)
    }

    func poll() async throws -> [SourceBatch] {
        if system.isDown { throw ConnectError.retriable("the system is down") }
        let rows = system.rows
        guard position < rows else {
            try await Task.sleep(for: .milliseconds(2))
            return []
        }
        let numbers = (position + 1)...min(rows, position + 100)
        position = numbers.upperBound
        _ = await system.pass()
        let records = numbers.map { SourceRecord(topic: topic, valueSchema: .int64, value: .int64($0)) }
        return [SourceBatch(records: records, sourcePartition: partition, sourceOffset: ["position": .int64(position)])]
    }

    func stop() async {}
}

/// Ends its transactions itself: 1 to 5, of which 4 is given up.
final class TransactionSource: SourceConnector {
    static let className = "test.TransactionSourceConnector"
    static let aliases: [String] = []
    static let version = "1"
    static let taskClassName = "test.TransactionSourceTask"
    static let configDefinition = ConfigDefinition()
    private let config = NIOLockedValueBox<[String: String]>([:])

    init() {}
    func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLockedValue { $0 = config }
    }
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        [["topic": config.withLockedValue { $0["topic"] ?? "" }]]
    }
    func stop() async {}
    func makeTask() -> any SourceTask { TransactionSourceTask() }
    func exactlyOnceSupport(_ config: [String: String]) -> ExactlyOnceSupport? { .supported }
    func canDefineTransactionBoundaries(_ config: [String: String]) -> Bool { true }
}

final class TransactionSourceTask: SourceTask {
    private var topic = ""
    private var batches: [(numbers: [Int64], end: TransactionEnd?)] = []

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        topic = config["topic"] ?? ""
        let stored = try await context.offsets(for: [["all": .string("numbers")]]).values.first
        guard stored == nil, context.definesTransactions else { return }
        batches = [([1, 2], nil), ([3], .commit), ([4], .abort), ([5], .commit), ([6], nil)]
    }

    func poll() async throws -> [SourceBatch] {
        guard !batches.isEmpty else {
            try await Task.sleep(for: .milliseconds(5))
            return []
        }
        // Two at a time: an end may be in the midst of a poll.
        let next = batches.prefix(2)
        batches.removeFirst(next.count)
        return next.map { numbers, end in
            SourceBatch(
                records: numbers.map { SourceRecord(topic: topic, valueSchema: .int64, value: .int64($0)) },
                sourcePartition: ["all": .string("numbers")], sourceOffset: ["number": .int64(numbers.last ?? 0)],
                transactionEnd: end)
        }
    }

    func stop() async {}
}

final class RowSink: SinkConnector {
    static let className = "test.RowSinkConnector"
    static let aliases: [String] = []
    static let version = "1"
    static let taskClassName = "test.RowSinkTask"
    static let configDefinition = ConfigDefinition()
    private let config = NIOLockedValueBox<[String: String]>([:])

    init() {}
    func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLockedValue { $0 = config }
    }
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = self.config.withLockedValue { $0 }
        return [["system": config["system"] ?? ""]]
    }
    func stop() async {}
    func makeTask() -> any SinkTask { RowSinkTask() }
}

final class RowSinkTask: SinkTask {
    private var system = FakeSystem.named("")

    func start(_ config: [String: String], context: any SinkTaskContext) async throws {
        system = FakeSystem.named(config["system"] ?? "")
    }
    func put(_ records: [SinkRecord]) async throws {
        if await system.pass() { throw ConnectError.fatal("the system hung") }
        try system.write(records.compactMap { $0.value.integer })
    }
    func stop() async {}
}

/// A worker on a real broker in this process.
func startWorker(
    _ broker: TestBroker, group: String = "workers", configProviders: ConfigTransformer = ConfigTransformer(),
    exactlyOnce: Bool = false, register: (PluginRegistry) -> Void = { _ in },
    adjust: (inout WorkerConfiguration) -> Void = { _ in }
) async throws -> DistributedWorker {
    var configuration = WorkerConfiguration(embeddedWith: [broker.bootstrapServers], groupID: group)
    configuration.isEmbedded = false
    configuration.configTransformer = configProviders
    configuration.listeners = ["http://127.0.0.1:0"]
    configuration.exactlyOnceSource = exactlyOnce ? .enabled : .disabled
    adjust(&configuration)
    let plugins = PluginRegistry()
    register(plugins)
    plugins.register(source: RowSource.self)
    plugins.register(source: TransactionSource.self)
    plugins.register(source: VerifiableSourceConnector.self)
    plugins.register(sink: RowSink.self)
    let worker = try DistributedWorker(
        configuration: configuration, plugins: plugins,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await worker.start()
    return worker
}

/// Waits until something holds; the suite's time limit bounds it.
func until(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(2)) }
}
