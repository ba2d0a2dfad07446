import ConnectAPI
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// A connector that changes its mind about its task a hundred times, as fast as it can.
private final class RestlessSource: SourceConnector {
    static let className = "test.RestlessSource"
    static let aliases = ["RestlessSource"]
    static let version = "1"
    static let taskClassName = "test.RestlessTask"
    static let configDefinition = ConfigDefinition([])
    static let changes = 100

    private let count = NIOLockedValueBox(0)
    private let changer = NIOLockedValueBox<Task<Void, Never>?>(nil)

    func start(_ config: [String: String], context: any ConnectorContext) async throws {
        let task = Task { [count] in
            while count.withLockedValue({ $0 < Self.changes }), !Task.isCancelled {
                count.withLockedValue { $0 += 1 }
                context.requestTaskReconfiguration()
                await Task.yield()
            }
        }
        changer.withLockedValue { $0 = task }
    }

    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] {
        [["topic": "t", "throughput": "1", "change": "\(count.withLockedValue { $0 })"]]
    }

    func stop() async { changer.withLockedValue { $0 }?.cancel() }

    func makeTask() -> any SourceTask { VerifiableSourceConnector().makeTask() }
}

/// Task configurations go from the worker that runs the connector to the group's leader, which stores them.
@Suite(.timeLimit(.minutes(2)))
struct TaskReconfigurationTests {
    @Test func whatTheConnectorSaysLastIsWhatItsTasksGet() async throws {
        let broker = try await TestBroker.start()
        var workers: [DistributedWorker] = []
        for _ in 0..<2 {
            var configuration = WorkerConfiguration(embeddedWith: [broker.bootstrapServers], groupID: "workers")
            configuration.isEmbedded = false
            configuration.listeners = ["http://127.0.0.1:0"]
            let plugins = PluginRegistry()
            plugins.register(source: RestlessSource.self)
            let worker = try DistributedWorker(
                configuration: configuration, plugins: plugins,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await worker.start()
            workers.append(worker)
        }
        for worker in workers { try await worker.waitUntilReady() }
        // Two, so that one of them runs where the leader is not.
        for name in ["c0", "c1"] {
            let config: OrderedDictionary = ["connector.class": "RestlessSource", "tasks.max": "1"]
            for worker in workers {
                do { _ = try await worker.herder.putConnectorConfig(name, config: config) } catch { continue }
            }
        }
        for name in ["c0", "c1"] {
            try await until {
                let tasks = try await workers[0].herder.tasks(of: name)
                return tasks.first?.config["change"] == "\(RestlessSource.changes)"
            }
        }
        for worker in workers { await worker.shutdown() }
        await broker.stop()
    }
}
