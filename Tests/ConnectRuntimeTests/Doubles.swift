import ConnectAPI
import KafkaClient
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

@testable import ConnectRuntime

/// A log in memory that remembers what was appended.
final class RecordedLog: TopicLog {
    private let entries: NIOLockedValueBox<[LogEntry]>
    private let failure = NIOLockedValueBox<(any Error)?>(nil)

    init(_ entries: [LogEntry] = []) {
        self.entries = NIOLockedValueBox(entries)
    }

    var all: [LogEntry] { entries.withLockedValue { $0 } }
    var keys: [String] { all.map { String(buffer: $0.key) } }

    func failAppends(_ error: (any Error)?) { failure.withLockedValue { $0 = error } }

    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {
        for (offset, entry) in all.enumerated() { apply(entry, LogPosition(partition: 0, offset: Int64(offset))) }
    }

    @discardableResult
    func append(_ new: [LogEntry]) async throws -> [LogPosition] {
        if let error = failure.withLockedValue({ $0 }) { throw error }
        entries.withLockedValue { $0 += new }
        return []
    }

    func close() async {}
}

/// A connector whose start and tasks a test decides, keyed by the connector's name.
final class FakeSource: SourceConnector {
    static let className = "test.FakeSourceConnector"
    static let aliases = ["Fake"]
    static let version = "1.2.3"
    static let taskClassName = "test.FakeSourceTask"
    static let configDefinition = ConfigDefinition([
        ConfigDefinition.Key("secret.word", .password, default: .null, importance: .low, doc: ""),
        ConfigDefinition.Key("tasks", .int, default: .value("1"), importance: .low, doc: ""),
    ])

    private let config = NIOLockedValueBox<[String: String]>([:])

    init() {}

    func start(_ config: [String: String], context: any ConnectorContext) async throws {
        self.config.withLockedValue { $0 = config }
        if let text = config["fail.start"] { throw ConnectError.fatal(text) }
    }

    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        let config = self.config.withLockedValue { $0 }
        let count = Int(config["tasks"] ?? "1") ?? 1
        return (0..<count).map { ["number": "\($0)", "flavour": config["flavour"] ?? ""] }
    }

    func stop() async {}
    func makeTask() -> any SourceTask { FakeTask() }
}

final class FakeTask: SourceTask {
    func start(_ config: [String: String], context: any SourceTaskContext) async throws {}
    func poll() async throws -> [SourceBatch] { [] }
    func stop() async {}
}

/// Runs nothing; tells what it was asked to run and ends a run as told.
final class FakeLauncher: TaskLauncher {
    private struct State {
        var launches: [TaskLaunch] = []
        var failures: [TaskID: any Error] = [:]
        var running: Set<TaskID> = []
    }

    private let state = NIOLockedValueBox(State())

    var launches: [TaskLaunch] { state.withLockedValue { $0.launches } }
    var running: Set<TaskID> { state.withLockedValue { $0.running } }

    /// The next run of a task fails so.
    func failNext(_ id: TaskID, _ error: any Error) { state.withLockedValue { $0.failures[id] = error } }

    func run(
        _ launch: TaskLaunch, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) async throws {
        let failure = state.withLockedValue { state in
            state.launches.append(launch)
            return state.failures.removeValue(forKey: launch.id)
        }
        if let failure { throw failure }
        try await launch.admission?.fence()
        try await launch.admission?.check()
        state.withLockedValue { _ = $0.running.insert(launch.id) }
        defer { state.withLockedValue { _ = $0.running.remove(launch.id) } }
        while true {
            switch control.wish {
            case .run:
                report(.taskRunning(launch.id.task))
                await control.sleep(.seconds(3600), while: [.run])
            case .pause:
                report(.taskPaused(launch.id.task))
                await control.waitWhilePaused()
            case .stop:
                return
            }
        }
    }
}

final class NoCluster: ClusterAccess {
    private let fenced = NIOLockedValueBox<[String]>([])

    /// The transactional ids that were shut out.
    var fencedProducers: [String] { fenced.withLockedValue { $0 } }

    func clusterID() async throws -> String? { "test" }
    func groupOffsets(_ group: String) async throws -> [TopicPartition: Int64] { [:] }
    func alterGroupOffsets(_ group: String, _ offsets: [TopicPartition: Int64?]) async throws {}
    func deleteGroup(_ group: String) async throws {}
    func fenceProducers(_ ids: [String]) async throws { fenced.withLockedValue { $0 += ids } }
}

/// A herder on logs in memory.
struct HerderFixture {
    let configLog: RecordedLog
    let offsetLog: RecordedLog
    let statusLog: RecordedLog
    let launcher = FakeLauncher()
    let cluster = NoCluster()
    let herder: WorkerHerder

    init(
        config: [LogEntry] = [], offsets: [LogEntry] = [], status: [LogEntry] = [], exactlyOnce: Bool = false
    ) {
        configLog = RecordedLog(config)
        offsetLog = RecordedLog(offsets)
        statusLog = RecordedLog(status)
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let plugins = PluginRegistry()
        plugins.register(source: FakeSource.self)
        var configuration = WorkerConfiguration(embeddedWith: ["localhost:1"])
        configuration.exactlyOnceSource = exactlyOnce ? .enabled : .disabled
        herder = WorkerHerder(
            WorkerHerder.Parts(
                configuration: configuration, plugins: plugins,
                configStore: ConfigStore(log: configLog, logger: logger, isExactlyOnce: exactlyOnce),
                offsets: OffsetStores(worker: OffsetStore(log: offsetLog)),
                statusStore: StatusStore(log: statusLog, logger: logger), launcher: launcher, cluster: cluster,
                loggers: ConnectLoggers(base: logger)))
        herder.workerID = "127.0.0.1:8083"
    }

    /// Waits until the connector's status is as expected (the suite's time limit bounds it).
    func status(
        of name: String, until condition: (ConnectorStatus) -> Bool
    ) async throws -> ConnectorStatus {
        while true {
            let status = try await herder.connectorStatus(name)
            if condition(status) { return status }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
