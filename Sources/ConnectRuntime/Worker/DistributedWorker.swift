public import Logging
import NIOCore

/// A worker that keeps its state in three topics and shares connectors and tasks with the other workers of its
/// `group.id`, Sluice's or Kafka Connect's. (The worker inside `sluice up` works alone.)
public final class DistributedWorker: Sendable {
    private let core: WorkerCore

    /// For tests of this module.
    var testing: WorkerCore { core }

    /// Makes a worker that does not run yet.
    /// - Throws: a ``ConnectError`` that names the property which is wrong.
    public init(configuration: WorkerConfiguration, plugins: PluginRegistry, logger: Logger) throws {
        func log(
            _ topic: WorkerConfiguration.InternalTopic, _ kind: String, _ clients: WorkerClients
        ) -> any TopicLog {
            let log = KafkaTopicLog(
                topic: topic, property: kind + ".storage.topic", mustHaveOnePartition: kind == "config",
                clients: clients)
            guard !configuration.isEmbedded else { return log }
            let hasLeader = kind == "config" && configuration.exactlyOnceSource != .disabled
            return FollowedTopicLog(
                log, leader: hasLeader ? LeaderProducer(groupID: configuration.groupID, clients: clients) : nil)
        }
        core = try WorkerCore(
            configuration, plugins: plugins, configLog: { log(configuration.configTopic, "config", $0) },
            offsetLog: { log(configuration.offsetTopic, "offset", $0) },
            statusLog: { log(configuration.statusTopic, "status", $0) }, logger: logger)
    }

    /// Starts REST and returns; the state is loaded in the background (`GET /health` answers 503 until then).
    /// - Throws: if REST cannot listen; the message names the address.
    public func start() async throws { try await core.start() }

    /// Returns when the worker has read its state and started its connectors.
    /// - Throws: what keeps it from starting.
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
