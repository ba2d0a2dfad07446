import ConnectAPI
import KafkaClient
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// What distributed and standalone workers share: REST in front of a herder, loaded in the background.
final class WorkerCore: Sendable {
    private struct State {
        var loading: Task<Void, Never>?
        var membership: WorkerMembership?
        var group: WorkerGroup?
        var isStopped = false
    }

    let configuration: WorkerConfiguration
    let herder: WorkerHerder
    let clients: WorkerClients
    let logger: Logger
    private let rest: RESTServer?
    private let address = NIOLockedValueBox<SocketAddress?>(nil)
    private let state = NIOLockedValueBox(State())

    init(
        _ configuration: WorkerConfiguration, plugins: PluginRegistry, configLog: (WorkerClients) -> any TopicLog,
        offsetLog: (WorkerClients) -> any TopicLog, statusLog: (WorkerClients) -> any TopicLog, logger: Logger
    ) throws {
        self.configuration = configuration
        let loggers = ConnectLoggers(base: logger)
        self.logger = loggers.logger("connect.worker")
        clients = try WorkerClients(configuration, logger: loggers.logger("connect.clients"))
        let metrics = TaskMetricsRegistry()
        let storeLogger = loggers.logger("connect.stores")
        let clients = clients
        let offsets = OffsetStores(
            worker: OffsetStore(log: offsetLog(clients)),
            workerTopic: configuration.mode == .distributed ? configuration.offsetTopic.name : "",
            makeLog: { name in
                var topic = configuration.offsetTopic
                topic.name = name
                return FollowedTopicLog(
                    KafkaTopicLog(
                        topic: topic, property: "offsets.storage.topic", mustHaveOnePartition: false, clients: clients))
            })
        let statusStore = StatusStore(log: statusLog(clients), logger: storeLogger)
        herder = WorkerHerder(
            WorkerHerder.Parts(
                configuration: configuration, plugins: plugins,
                configStore: ConfigStore(
                    log: configLog(clients), logger: storeLogger,
                    isExactlyOnce: configuration.exactlyOnceSource == .enabled),
                offsets: offsets,
                statusStore: statusStore,
                launcher: KafkaTaskLauncher(
                    configuration: configuration, plugins: plugins, offsets: offsets,
                    statusStore: statusStore, clients: clients, loggers: loggers, metrics: metrics),
                cluster: clients, loggers: loggers, metrics: metrics))
        var restConfiguration = RESTConfiguration(listeners: try RESTListeners.parse(configuration))
        restConfiguration.policy = configuration.restPolicy
        restConfiguration.workers = configuration.workerRESTClient
        restConfiguration.maximumBodySize = configuration.maximumRequestSize
        rest =
            restConfiguration.listeners.isEmpty
            ? nil
            : RESTServer(
                herder: herder, configuration: restConfiguration, logger: loggers.logger("connect.rest"))
    }

    /// The address of REST; nil before ``start()``, or without REST.
    var restAddress: SocketAddress? { address.withLockedValue { $0 } }

    /// Listens, and begins to load in the background.
    func start() async throws {
        for name in configuration.unknownProperties {
            logger.warning("unknown property in the worker's configuration", metadata: ["name": "\(name)"])
        }
        if let rest {
            let bound = try await rest.start().first
            address.withLockedValue { $0 = bound }
        }
        herder.workerID = workerID
        let task = Task { await load() }
        state.withLockedValue { $0.loading = task }
    }

    private var workerID: String {
        let bound = restAddress
        let port = configuration.advertisedPort ?? bound?.port ?? 8083
        return "\(configuration.advertisedHost ?? Self.hostForOthers(bound?.ipAddress)):\(port)"
    }

    /// Where other workers reach this one.
    private var workerURL: String { "\(configuration.advertisedScheme)://\(workerID)/" }

    private static func hostForOthers(_ host: String?) -> String {
        guard let host, host != "0.0.0.0", host != "::" else { return "127.0.0.1" }
        return host
    }

    /// Reads the state and starts the connectors; goes on trying while the cluster cannot be reached.
    private func load() async {
        var delay = Duration.milliseconds(50)
        while !Task.isCancelled {
            do {
                if configuration.isEmbedded { try await join() } else { makeGroup() }
                herder.clusterID = try await clients.clusterID()
                try await herder.start()
                logger.info("the worker has read its topics", metadata: ["worker": "\(workerID)"])
                return
            } catch let error as KafkaError where error.isRetriable {
                logger.warning("cannot load yet, trying again", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: delay) } catch { return }
                delay = min(delay * 2, .seconds(2))
            } catch is CancellationError {
                return
            } catch {
                logger.error("the worker cannot start", metadata: ["error": "\(error)"])
                herder.readiness.fail("The worker cannot start: \(error)")
                return
            }
        }
    }

    /// Makes this worker a member of its group, which it joins once it has read its topics.
    private func makeGroup() {
        guard configuration.mode == .distributed, state.withLockedValue({ $0.group == nil && !$0.isStopped }) else {
            return
        }
        let membership = GroupMembership(
            cluster: clients.cluster,
            configuration: GroupConfiguration(
                groupID: configuration.groupID, protocolType: "connect", sessionTimeout: configuration.sessionTimeout,
                rebalanceTimeout: configuration.rebalanceTimeout, heartbeatInterval: configuration.heartbeatInterval),
            logger: logger)
        let group = WorkerGroup(
            WorkerGroup.Configuration(
                url: workerURL, mode: configuration.connectProtocol,
                sessionTimeout: configuration.sessionTimeout, heartbeatInterval: configuration.heartbeatInterval,
                rebalanceTimeout: configuration.rebalanceTimeout, syncTimeout: configuration.workerSyncTimeout,
                maxDelay: configuration.scheduledRebalanceMaxDelay),
            membership: membership, logger: logger)
        state.withLockedValue { $0.group = group }
        herder.join(group)
    }

    /// The embedded worker works alone, and keeps others from the work.
    private func join() async throws {
        guard configuration.mode == .distributed else { return }
        let membership = WorkerMembership(
            configuration, clients: clients, workerURL: workerURL,
            isAddressFixed: try RESTListeners.parse(configuration).first?.port != 0, logger: logger)
        let previous = state.withLockedValue { state in
            defer { state.membership = membership }
            return state.membership
        }
        await previous?.leave()
        membership.onGeneration = { [herder] in herder.generation = $0 }
        membership.onDisplaced = { [weak self] message in await self?.displaced(message) }
        guard configuration.isEmbedded else {
            try await membership.join()
            return
        }
        Task { [weak self] in
            do {
                try await membership.join()
            } catch let error as HerderError {
                await self?.displaced(error.message)
            } catch {
                self?.logger.warning("the worker group could not be joined", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Another worker leads the group: two must not run the same connectors.
    private func displaced(_ message: String) async {
        logger.error("this worker stops its connectors", metadata: ["reason": "\(message)"])
        herder.readiness.fail(message)
        await herder.stop()
    }

    /// Returns when the state is loaded; throws what keeps the worker from starting.
    func waitUntilReady(atMost timeout: Duration) async throws(HerderError) {
        try await herder.readiness.wait(atMost: timeout)
    }

    /// Stops everything: REST first, then tasks within `task.shutdown.graceful.timeout.ms`, then the clients.
    func shutdown() async {
        let (loading, membership, group, isFirst) = state.withLockedValue { state in
            defer { state.isStopped = true }
            return (state.loading, state.membership, state.group, !state.isStopped)
        }
        guard isFirst else { return }
        await rest?.stop()
        loading?.cancel()
        // What it runs stops first and says so; then it leaves, and the others take over at once.
        await group?.stopFollowing()
        await herder.stop()
        await group?.leave()
        await membership?.leave()
        await clients.close()
    }
}
