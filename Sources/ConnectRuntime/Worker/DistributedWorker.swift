public import Logging
import NIOCore

/// A worker that keeps its state in three topics. One worker per `group.id` for now: a second one refuses to start.
public final class DistributedWorker: Sendable {
    private let core: WorkerCore

    /// Makes a worker that does not run yet.
    /// - Throws: a ``ConnectError`` that names the property which is wrong.
    public init(configuration: WorkerConfiguration, plugins: PluginRegistry, logger: Logger) throws {
        core = try WorkerCore(
            configuration, plugins: plugins,
            configLog: {
                KafkaTopicLog(
                    topic: configuration.configTopic, property: "config.storage.topic", mustHaveOnePartition: true,
                    clients: $0)
            },
            offsetLog: {
                KafkaTopicLog(
                    topic: configuration.offsetTopic, property: "offset.storage.topic", mustHaveOnePartition: false,
                    clients: $0)
            },
            statusLog: {
                KafkaTopicLog(
                    topic: configuration.statusTopic, property: "status.storage.topic", mustHaveOnePartition: false,
                    clients: $0)
            }, logger: logger)
    }

    /// Starts REST and returns; the state is loaded in the background (`GET /health` answers 503 until then).
    /// - Throws: if REST cannot listen; the message names the address.
    public func start() async throws { try await core.start() }

    /// Returns when the worker has read its state and started its connectors.
    /// - Throws: what keeps it from starting, such as another worker in the group.
    public func waitUntilReady(timeout: Duration = .seconds(60)) async throws(HerderError) {
        try await core.waitUntilReady(atMost: timeout)
    }

    /// The port that REST listens on; nil before ``start()``.
    public var restPort: Int? { core.restAddress?.port }

    /// What REST speaks to.
    public var herder: any Herder { core.herder }

    /// Stops REST, the connectors and tasks (offsets are stored), and leaves the group.
    public func shutdown() async { await core.shutdown() }
}
