import KafkaProtocol
import KafkaStorage
public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
import TransportSecurity

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A single-node broker that speaks the Kafka protocol and keeps its logs in one folder.
///
/// ```swift
/// let broker = Broker(configuration: configuration, logger: logger)
/// let address = try await broker.start()
/// // … address.port is what clients connect to …
/// await broker.shutdown()
/// ```
public final class Broker: Sendable {
    /// Where a broker listens.
    public struct Address: Sendable, Hashable, CustomStringConvertible {
        /// The host or IP address.
        public let host: String
        /// The port.
        public let port: Int

        /// `host:port`, with brackets around an IPv6 address.
        public var description: String {
            host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    private struct Running {
        var node: BrokerNode
        var servers: [any Channel]
        var maintenance: [RepeatedTask]
        var ownGroup: MultiThreadedEventLoopGroup?
        var address: Address
    }

    /// What the broker was made with.
    public let configuration: BrokerConfiguration
    private let logger: Logger
    private let givenGroup: (any EventLoopGroup)?
    private let running = NIOLockedValueBox<Running?>(nil)

    /// A broker that is not started yet.
    ///
    /// - Parameters:
    ///   - configuration: Where to listen and where to keep the logs.
    ///   - logger: Told of failures and repairs.
    ///   - eventLoopGroup: Threads to run on; by default the broker starts `networkThreads` of its own and ends them at
    ///     shutdown.
    public init(configuration: BrokerConfiguration, logger: Logger, eventLoopGroup: (any EventLoopGroup)? = nil) {
        self.configuration = configuration
        self.logger = logger
        givenGroup = eventLoopGroup
    }

    /// The port clients connect to; 0 before the start and after the shutdown.
    public var port: Int { running.withLockedValue { $0?.address.port ?? 0 } }

    /// The port of each listener, by its name; empty before the start and after the shutdown.
    public var ports: [String: Int] {
        let servers = running.withLockedValue { $0?.servers ?? [] }
        return Dictionary(
            zip(configuration.listeners.map(\.name), servers.map { $0.localAddress?.port ?? 0 }),
            uniquingKeysWith: { first, _ in first })
    }

    /// The id of the cluster, kept in the data folder; nil before the start and after the shutdown.
    public var clusterID: String? { running.withLockedValue { $0?.node.clusterID } }

    /// Opens the data folder, recovers what needs it and begins to listen.
    ///
    /// - Returns: Where it listens; the port is the real one if 0 was configured.
    /// - Throws: `BrokerError` with code `storage` (folder not writable, used by another process, from another node) or
    ///   `bind` (address in use or not ours); the messages name folder and address.
    @discardableResult
    public func start() async throws(BrokerError) -> Address {
        if let address = running.withLockedValue({ $0?.address }) { return address }
        var keys: [(TLSContextSource?, TokenVerifier?)] = []
        for listener in configuration.listeners { keys.append(try securityContext(listener)) }
        let ownGroup =
            givenGroup == nil ? MultiThreadedEventLoopGroup(numberOfThreads: configuration.networkThreads) : nil
        let group: any EventLoopGroup = givenGroup ?? ownGroup ?? MultiThreadedEventLoopGroup.singleton
        let node: BrokerNode
        do throws(StorageError) {
            node = try BrokerNode(configuration: configuration, logger: logger, eventLoop: group.next())
        } catch {
            try? await ownGroup?.shutdownGracefully()
            throw BrokerError(.storage, error.message, cause: error)
        }
        var servers: [any Channel] = []
        for (listener, keys) in zip(configuration.listeners, keys) {
            do {
                servers.append(try await listen(node, group, listener, keys))
            } catch {
                for server in servers { try? await server.close().get() }
                await node.closeConnections()
                await node.close()
                try? await ownGroup?.shutdownGracefully()
                throw bindError(error, listener)
            }
        }
        let port = servers.first?.localAddress?.port ?? configuration.port
        node.resumeTransactions()
        let maintenance = [
            scheduleMaintenance(of: node, on: group.next()), scheduleIdleChecks(of: node, on: group.next()),
        ].compactMap { $0 }
        let address = Address(host: configuration.host, port: port)
        running.withLockedValue {
            $0 = Running(
                node: node, servers: servers, maintenance: maintenance, ownGroup: ownGroup, address: address)
        }
        return address
    }

    /// Stops listening, closes the connections, puts everything on disk and releases the folder.
    public func shutdown() async {
        let ended = running.withLockedValue { running in
            defer { running = nil }
            return running
        }
        guard let ended else { return }
        for task in ended.maintenance { task.cancel() }
        for server in ended.servers { try? await server.close().get() }
        await ended.node.closeConnections()
        await ended.node.close()
        try? await ended.ownGroup?.shutdownGracefully()
    }

    /// A short round every minute, a thorough one every `log.retention.check.interval.ms`.
    private func scheduleMaintenance(of node: BrokerNode, on eventLoop: any EventLoop) -> RepeatedTask {
        let thorough = max(1, configuration.retentionCheckInterval)
        let short = min(60_000, thorough)
        let elapsed = NIOLockedValueBox<Int64>(0)
        let interval = TimeAmount.milliseconds(short)
        return eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let isThorough = elapsed.withLockedValue { elapsed in
                elapsed += short
                guard elapsed >= thorough else { return false }
                elapsed = 0
                return true
            }
            node.maintain(everything: isThorough)
        }
    }

    /// Idle connections are closed within a quarter of `connections.max.idle.ms`, half a minute at most, after their time.
    private func scheduleIdleChecks(of node: BrokerNode, on eventLoop: any EventLoop) -> RepeatedTask? {
        let idle = configuration.connectionsMaxIdle
        guard idle >= 0 else { return nil }
        let interval = TimeAmount.milliseconds(max(10, min(idle / 4, 30_000)))
        return eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            node.closeIdleConnections(.milliseconds(min(idle, 1 << 38)))
        }
    }

    private func securityContext(_ listener: Listener) throws(BrokerError) -> (TLSContextSource?, TokenVerifier?) {
        do throws(TLSError) {
            let tls = try listener.tls.map { settings throws(TLSError) in
                try TLSContextSource(settings, role: .server)
            }
            guard listener.mechanisms.contains("OAUTHBEARER") else { return (tls, nil) }
            return (tls, try TokenVerifier(listener.tokenRules))
        } catch {
            throw BrokerError(.configuration, "The listener \(listener.name): \(error.message).", cause: error)
        }
    }

    private func listen(
        _ node: BrokerNode, _ group: any EventLoopGroup, _ listener: Listener,
        _ keys: (TLSContextSource?, TokenVerifier?)
    ) async throws -> any Channel {
        let logger = logger
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPacer(node: node))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 8192, maximum: 256 << 10)
            )
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 * 1024, high: 1024 * 1024))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    switch node.register(channel) {
                    case .welcome: break
                    case .refused: throw ChannelError.operationUnsupported
                    case .throttled(let hold):
                        // Its bytes stay where they are until it is closed.
                        _ = channel.setOption(.autoRead, value: false)
                        channel.eventLoop.scheduleTask(in: .milliseconds(Int64(hold))) { channel.close(promise: nil) }
                        return
                    }
                    let tls = keys.0?.current(logger: logger, listener: listener)
                    let bound = BoundListener(
                        listener: listener, port: channel.localAddress?.port ?? listener.port, tls: tls,
                        tokens: keys.1)
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(TLSHandler(tls)) }
                    try pipeline.addHandler(ConnectionHandler(node: node, listener: bound))
                }
            }
        // An address needs no look-up, which would start a thread.
        if let address = try? SocketAddress(ipAddress: listener.host, port: listener.port) {
            return try await bootstrap.bind(to: address).get()
        }
        return try await bootstrap.bind(host: listener.host, port: listener.port).get()
    }

    private func bindError(_ error: any Error, _ listener: Listener) -> BrokerError {
        let address = Address(host: listener.host, port: listener.port)
        guard let error = error as? IOError else {
            return BrokerError(.bind, "The broker cannot listen on \(address): \(error)", cause: error)
        }
        let reason: String =
            switch error.errnoCode {
            case EADDRINUSE: "the port is in use by another process. Stop that one or choose another port"
            case EADDRNOTAVAIL: "this machine has no such address"
            case EACCES: "this user may not use that port"
            default: "\(error)"
            }
        return BrokerError(.bind, "The broker cannot listen on \(address): \(reason).", cause: error)
    }
}

extension TLSContextSource {
    /// The listener's keys; new files that cannot be used are logged, and the old keys stay.
    fileprivate func current(logger: Logger, listener: Listener) -> TLSContext {
        let (context, change) = current()
        switch change {
        case .none: break
        case .reloaded:
            logger.info("the keys of a listener were read anew", metadata: ["listener": "\(listener.name)"])
        case .failed(let error):
            logger.error(
                "the keys of a listener have changed and cannot be used, the old ones stay",
                metadata: ["listener": "\(listener.name)", "error": "\(error)"])
        }
        return context
    }
}
