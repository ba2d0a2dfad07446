import KafkaProtocol
import KafkaStorage
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TransportSecurity

/// A listener with the port that it got.
struct BoundListener: Sendable {
    let listener: Listener
    let port: Int
    /// The listener's keys, if it speaks TLS.
    var tls: TLSContext?
    /// Checks the tokens of OAUTHBEARER, if the listener has it.
    var tokens: TokenVerifier?
}

/// What the handlers share: the running broker's state.
final class BrokerNode: Sendable {
    let configuration: BrokerConfiguration
    let logger: Logger
    let directory: LogDirectory
    let topics: TopicRegistry
    let groups: GroupCoordinator
    /// Shared by the connections.
    let framePool = FrameBufferPool()
    /// What their requests hold, if that is bounded.
    let requestMemory: RequestMemory?
    let fetchSessions: FetchSessions
    let transactions: TransactionCoordinator
    /// Nil: everybody may do everything.
    let authorizer: Authorizer?
    private let connections: NIOLockedValueBox<Connections>

    private struct Connections {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var byAddress: [String: Int] = [:]
        var rate: RateMeter
    }

    /// What becomes of a connection that has been accepted.
    enum Admission: Equatable {
        case welcome
        /// There are too many.
        case refused
        /// They come too fast from its address: it is held for so many milliseconds and closed then (KIP-612).
        case throttled(Int32)
    }

    /// Does what may take long and nobody waits for.
    private let maintenance = NIOThreadPool(numberOfThreads: 1)

    var clusterID: String { directory.clusterID }

    /// Opens the data folder and replays what the topics were.
    init(configuration: BrokerConfiguration, logger: Logger, eventLoop: any EventLoop) throws(StorageError) {
        self.configuration = configuration
        self.logger = logger
        connections = NIOLockedValueBox(Connections(rate: RateMeter(configuration.quotaWindows)))
        requestMemory =
            configuration.queuedMaxRequestBytes > 0 ? RequestMemory(limit: configuration.queuedMaxRequestBytes) : nil
        fetchSessions = FetchSessions(slots: configuration.fetchSessionSlots)
        var options = LogDirectory.Options()
        options.nodeID = configuration.nodeID
        options.logger = logger
        directory = try LogDirectory.open(path: configuration.dataDirectory, options: options)
        do throws(StorageError) {
            topics = try TopicRegistry(configuration: configuration, directory: directory, logger: logger)
        } catch {
            // The folder must not stay locked by a broker that never was.
            try? directory.close()
            throw error
        }
        authorizer = Authorizer(configuration, acls: topics.acls, logger: logger)
        groups = GroupCoordinator(
            configuration: configuration, topics: topics, flusher: directory.flusher, eventLoop: eventLoop,
            logger: logger)
        transactions = TransactionCoordinator(
            configuration: configuration, topics: topics, groups: groups, flusher: directory.flusher,
            eventLoop: eventLoop, logger: logger)
    }

    /// Ends the transactions that a crash has left decided and not complete, and watches over those that are open.
    func resumeTransactions() {
        guard topics.topic(named: TopicName.transactionState) != nil else { return }
        transactions.run { [logger] transactions in
            do throws(Refusal) {
                try transactions.loadAll()
            } catch {
                logger.error("the transactions cannot be read back", metadata: ["error": "\(error.message)"])
            }
        }
    }

    /// The address to tell a client: the configured one, or, if we listen on all interfaces, the one it came by.
    func endpoint(for connection: ConnectionHandle) -> (host: String, port: Int32) {
        let listener = connection.listener
        let port = listener.advertisedPort.flatMap { $0 == 0 ? nil : $0 } ?? connection.boundListener.port
        if let host = listener.advertisedHost { return (host, Int32(port)) }
        let isWildcard = ["0.0.0.0", "::", ""].contains(listener.host)
        return (isWildcard ? connection.localHost ?? "127.0.0.1" : listener.host, Int32(port))
    }

    // MARK: Connections

    /// Counts a connection in, if it may stay.
    func register(_ channel: any Channel) -> Admission {
        let address = channel.remoteAddress?.ipAddress ?? ""
        let hold = topics.quotas.takeConnection(from: address, now: SteadyClock.now())
        guard hold == 0 else { return .throttled(hold) }
        let limits = topics.brokerConfigs.current
        let mostFromThere = limits.maxConnectionsByIP[address] ?? limits.maxConnectionsPerIP
        let isAccepted = connections.withLockedValue { connections in
            guard connections.channels.count < limits.maxConnections,
                connections.byAddress[address, default: 0] < mostFromThere
            else { return false }
            connections.channels[ObjectIdentifier(channel)] = channel
            connections.byAddress[address, default: 0] += 1
            return true
        }
        guard isAccepted else {
            logger.info("refusing a connection: there are too many", metadata: ["client": "\(address)"])
            return .refused
        }
        channel.closeFuture.whenComplete { [self] _ in
            connections.withLockedValue { connections in
                connections.channels[ObjectIdentifier(channel)] = nil
                let left = connections.byAddress[address, default: 1] - 1
                connections.byAddress[address] = left > 0 ? left : nil
            }
        }
        return .welcome
    }

    /// Counts a connection that has been accepted; milliseconds until the next one may be.
    func countConnection() -> Int32 {
        let limit = topics.brokerConfigs.current.maxConnectionCreationRate
        guard limit < Int(Int32.max) else { return 0 }
        guard limit > 0 else { return Int32(clamping: configuration.quotaWindows.size) }
        let now = SteadyClock.now()
        return connections.withLockedValue { connections in
            connections.rate.record(1, now: now)
            return Int32(
                clamping: min(
                    connections.rate.throttle(limit: Double(limit), now: now), configuration.quotaWindows.size))
        }
    }

    /// Looks at every connection and closes those that have been idle for too long.
    func closeIdleConnections(_ idle: TimeAmount) {
        let check = IdleCheck(idleBefore: .now() - idle)
        let open = connections.withLockedValue { Array($0.channels.values) }
        for channels in Dictionary(grouping: open, by: { ObjectIdentifier($0.eventLoop) }).values {
            channels[0].eventLoop.execute {
                for channel in channels { channel.pipeline.fireUserInboundEventTriggered(check) }
            }
        }
    }

    /// Closes every connection and returns when they are closed.
    func closeConnections() async {
        let open = connections.withLockedValue { Array($0.channels.values) }
        for channel in open { channel.close(promise: nil) }
        for channel in open { try? await channel.closeFuture.get() }
    }

    // MARK: Maintenance

    /// Writes checkpoints and flushes what is overdue; now and then also deletes old segments and old offsets of logs
    /// that nobody has used. Works off the event loops.
    func maintain(everything: Bool) {
        maintenance.start()
        maintenance.submit { [self] state in
            guard state == .active else { return }
            framePool.drain()
            if everything { openAll() }
            for (log, error) in directory.maintain(now: WallClock.now()) {
                logger.error("a log cannot be maintained", metadata: ["log": "\(log)", "error": "\(error)"])
            }
            guard everything else { return }
            groups.run { groups in
                groups.expireOffsets(now: WallClock.now())
                groups.tidy()
            }
            transactions.run { $0.maintain(now: WallClock.now()) }
        }
    }

    /// Retention concerns logs that nobody has used since the start, too.
    private func openAll() {
        do throws(StorageError) {
            for name in try directory.existingLogs() {
                _ = try topics.topic(named: name.topic)?.partition(name.partition)?.log()
            }
        } catch {
            logger.error("a log cannot be opened", metadata: ["error": "\(error)"])
        }
    }

    /// Puts everything on disk and lets the folder go.
    func close() async {
        await groups.stop()
        await transactions.stop()
        directory.stopCleaning()
        try? await maintenance.shutdownGracefully()
        do {
            try directory.close()
        } catch {
            logger.error("the data folder could not be closed in order", metadata: ["error": "\(error)"])
        }
    }
}
