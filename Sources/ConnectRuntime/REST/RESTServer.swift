public import Logging
public import NIOCore
import NIOHTTP1
public import NIOPosix
import TransportSecurity

/// How the REST server listens.
public struct RESTConfiguration: Sendable {
    /// One address to listen on.
    public struct Listener: Sendable, Hashable {
        /// The host to bind; `0.0.0.0` for all interfaces.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int
        /// What is served there.
        var scope = RESTPolicy.Scope.everything
        /// Keys of an https listener.
        var tls: TLSSettings?

        /// Makes an address.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// The addresses to listen on.
    public var listeners: [Listener]
    /// The largest body that a request may have, in bytes; larger ones get 413.
    public var maximumBodySize: Int
    /// How long a connection may be silent before it is closed.
    public var idleTimeout: Duration
    /// What holds for every answer.
    var policy = RESTPolicy()
    /// How requests are forwarded to other workers.
    var workers = WorkerRESTClient()

    /// Makes a configuration.
    public init(
        listeners: [Listener] = [Listener(host: "127.0.0.1", port: 8083)], maximumBodySize: Int = 4 * 1024 * 1024,
        idleTimeout: Duration = .seconds(75)
    ) {
        self.listeners = listeners
        self.maximumBodySize = maximumBodySize
        self.idleTimeout = idleTimeout
    }
}

/// The Connect REST server: HTTP/1.1 on NIO, in front of a herder.
public final class RESTServer: Sendable {
    private let herder: any Herder
    private let configuration: RESTConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let channels = RunningChannels()

    /// Makes a server that does not listen yet.
    public init(
        herder: any Herder, configuration: RESTConfiguration, logger: Logger,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.herder = herder
        self.configuration = configuration
        self.group = eventLoopGroup
        self.logger = logger
    }

    /// Binds every listener.
    /// - Returns: the bound addresses, in the order of the listeners.
    /// - Throws: a ``RESTServerError`` that names the address which could not be bound; nothing listens then.
    @discardableResult
    public func start() async throws -> [SocketAddress] {
        var addresses: [SocketAddress] = []
        for listener in configuration.listeners {
            do {
                let channel = try await bind(listener)
                channels.add(listening: channel)
                if let address = channel.localAddress { addresses.append(address) }
            } catch {
                await stop()
                throw RESTServerError(
                    message: "Cannot listen for REST on \(listener.host):\(listener.port): \(error)")
            }
        }
        logger.info("REST server is listening", metadata: ["addresses": "\(addresses)"])
        return addresses
    }

    /// Stops listening, lets running requests end, and closes all connections.
    public func stop() async {
        await channels.close()
    }

    private func bind(_ listener: RESTConfiguration.Listener) async throws -> any Channel {
        let (configuration, channels, herder, logger) = (configuration, channels, herder, logger)
        let tls = try listener.tls.map { settings throws(TLSError) in try TLSContext(settings, role: .server) }
        let scheme = tls == nil ? "http" : "https"
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let port = channel.localAddress?.port ?? listener.port
                var policy = configuration.policy
                policy.scope = listener.scope
                let service = RESTService(
                    herder: herder, baseURL: "\(scheme)://\(listener.host):\(port)", logger: logger, policy: policy,
                    workers: configuration.workers)
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(TLSHandler(tls)) }
                    try pipeline.addHandler(
                        IdleStateHandler(allTimeout: TimeAmount(configuration.idleTimeout)))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(
                        RESTHandler(
                            service: service, maximumBodySize: configuration.maximumBodySize, channels: channels))
                }
            }
            .bind(host: listener.host, port: listener.port).get()
    }
}

/// Why the REST server could not start.
public struct RESTServerError: Error, Sendable, CustomStringConvertible {
    /// Names the address and the reason.
    public let message: String
    /// The message.
    public var description: String { message }
}
