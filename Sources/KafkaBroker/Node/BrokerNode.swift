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
    let fetchSessions: FetchSessions
    let transactions: TransactionCoordinator
    /// Nil: everybody may do everything.
    let authorizer: Authorizer?
    private let connections = NIOLockedValueBox(Connections())

    private struct Connections {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var byAddress: [String: Int] = [:]
    }
    /// Does what may take long and nobody waits for.
    private let maintenance = NIOThreadPool(numberOfThreads: 1)

    var clusterID: String { directory.clusterID }

    /// Opens the data folder and replays what the topics were.
    init(configuration: BrokerConfiguration, logger: Logger, eventLoop: any EventLoop) throws(StorageError) {
        self.configuration = configuration
        self.logger = logger
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

    /// Counts a connection in; false if there are too many.
    func register(_ channel: any Channel) -> Bool {
        let address = channel.remoteAddress?.ipAddress ?? ""
        let mostFromThere = configuration.maxConnectionsByIP[address] ?? configuration.maxConnectionsPerIP
        let isAccepted = connections.withLockedValue { connections in
            guard connections.channels.count < configuration.maxConnections,
                connections.byAddress[address, default: 0] < mostFromThere
            else { return false }
            connections.channels[ObjectIdentifier(channel)] = channel
            connections.byAddress[address, default: 0] += 1
            return true
        }
        guard isAccepted else {
            logger.info("refusing a connection: there are too many", metadata: ["client": "\(address)"])
            return false
        }
        channel.closeFuture.whenComplete { [self] _ in
            connections.withLockedValue { connections in
                connections.channels[ObjectIdentifier(channel)] = nil
                let left = connections.byAddress[address, default: 1] - 1
                connections.byAddress[address] = left > 0 ? left : nil
            }
        }
        return true
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
