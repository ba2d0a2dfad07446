import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TransportSecurity

/// Opens connections: TCP, TLS if configured, ApiVersions, then the login.
struct ConnectionFactory: Sendable {
    let configuration: ClientConfiguration
    let group: any EventLoopGroup
    private let keys: ClientKeys

    init(configuration: ClientConfiguration, group: any EventLoopGroup) {
        self.configuration = configuration
        self.group = group
        keys = ClientKeys(configuration.security.tls)
    }

    /// Name and version told to the broker (KIP-511: letters, digits, dots and hyphens only).
    static let softwareName = "sluice"
    static let softwareVersion = "0.1.0"

    /// Connects and negotiates; the future fails with a ``KafkaError`` that names the address.
    func connect(to address: HostPort) -> EventLoopFuture<BrokerConnection> {
        let clientID = configuration.clientID
        let loop = group.next()
        let timeout = configuration.connectTimeout
        let security = configuration.security
        return ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(timeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1024, initial: 4096, maximum: 1 << 20)
            )
            .connect(host: address.host, port: address.port)
            .flatMapError { error in
                loop.makeFailedFuture(
                    KafkaError(
                        .connectionFailed, "cannot reach \(address): \(describeConnectError(error))", cause: error))
            }
            .flatMap { channel in
                let connection = BrokerConnection(channel: channel, address: address, clientID: clientID)
                let secured: EventLoopFuture<Void>
                do {
                    secured = try secure(channel, address, timeout)
                    try channel.pipeline.syncOperations.addHandler(ConnectionHandler(connection))
                } catch {
                    channel.close(promise: nil)
                    return loop.makeFailedFuture(error)
                }
                let negotiated = secured.flatMap { Self.negotiate(connection, timeout: timeout) }
                guard let user = security.user else { return negotiated }
                return negotiated.flatMap { SaslExchange(connection: $0, user: user, timeout: timeout).run() }
            }
    }

    /// Puts TLS before everything else, if it is configured; done when its handshake is.
    private func secure(
        _ channel: any Channel, _ address: HostPort, _ timeout: Duration
    ) throws(KafkaError) -> EventLoopFuture<Void> {
        guard let context = try keys.context() else { return channel.eventLoop.makeSucceededVoidFuture() }
        let promise = channel.eventLoop.makePromise(of: TLSHandshakeResult.self)
        do {
            try channel.pipeline.syncOperations.addHandler(
                TLSHandler(context, hostname: address.host, timeout: TimeAmount(timeout), handshake: promise))
        } catch {
            promise.fail(error)
        }
        return promise.futureResult.map { _ in }.flatMapErrorThrowing { error in
            throw KafkaError.tls(error, "cannot talk to \(address)")
        }
    }

    /// Asks for versions with our newest ApiVersions; a broker that does not know it answers with version 0, which
    /// tells the range to use.
    private static func negotiate(
        _ connection: BrokerConnection, timeout: Duration
    ) -> EventLoopFuture<BrokerConnection> {
        let promise = connection.channel.eventLoop.makePromise(of: BrokerConnection.self)
        ask(connection, version: ApiVersionsRequest.validVersions.upperBound, timeout: timeout, promise: promise)
        return promise.futureResult
    }

    private static func ask(
        _ connection: BrokerConnection, version: Int16, timeout: Duration, promise: EventLoopPromise<BrokerConnection>
    ) {
        var request = ApiVersionsRequest()
        request.clientSoftwareName = softwareName
        request.clientSoftwareVersion = softwareVersion
        connection.submitApiVersions(request, version: version, timeout: timeout) { result in
            switch result {
            case .success(let response) where response.errorCode == .none:
                connection.setVersions(APIVersionTable(response, peer: connection.address.description))
                promise.succeed(connection)
            case .success(let response) where response.errorCode == .unsupportedVersion && version > 0:
                let theirs = response.apiKeys.first { $0.apiKey == APIKey.apiVersions.rawValue }
                let next = min(version - 1, max(theirs?.maxVersion ?? 0, 0))
                ask(connection, version: next, timeout: timeout, promise: promise)
            case .success(let response):
                let error = KafkaError.broker(response.errorCode, "\(connection.address) refused ApiVersions")
                connection.close(error)
                promise.fail(error)
            case .failure(let error):
                connection.close(error)
                // With TLS 1.3 a client learns only now that its certificate is refused.
                guard !(error.cause is TLSError) else { return promise.fail(error) }
                promise.fail(
                    KafkaError(
                        .connectionFailed,
                        "\(connection.address) did not tell its versions: \(error.message); "
                            + "is it a Kafka broker's port, and does security.protocol fit it?",
                        isRetriable: error.isRetriable, cause: error))
            }
        }
    }
}

extension BrokerConnection {
    /// ApiVersions is special: an answer with UNSUPPORTED_VERSION always has the layout of version 0.
    func submitApiVersions(
        _ request: ApiVersionsRequest, version: Int16, timeout: Duration,
        completion: @escaping @Sendable (Result<ApiVersionsResponse, KafkaError>) -> Void
    ) {
        let peer = address
        submitRaw(request, version: version, timeout: timeout) { result in
            completion(
                result.flatMap { frame in
                    let code = frame.getInteger(at: frame.readerIndex + 4, as: Int16.self).map(
                        ErrorCode.init(rawValue:))
                    guard let code, code != .none else {
                        return Self.decode(ApiVersionsRequest.self, frame, version: version, peer: peer)
                    }
                    let decoded = Self.decode(ApiVersionsRequest.self, frame, version: 0, peer: peer)
                    if case .failure = decoded {
                        // Not all brokers keep to that (librdkafka's mock): what counts is the code.
                        var bare = ApiVersionsResponse()
                        bare.errorCode = code
                        return .success(bare)
                    }
                    return decoded
                })
        }
    }
}

/// A connect error in a user's words.
func describeConnectError(_ error: any Error) -> String {
    if let error = error as? NIOConnectionError {
        if let first = error.connectionErrors.first { return describeConnectError(first.error) }
        if error.dnsAError != nil || error.dnsAAAAError != nil {
            return "the host name is unknown; check bootstrap.servers and advertised.listeners"
        }
    }
    if let error = error as? IOError {
        switch error.errnoCode {
        case 111, 61: return "connection refused; is the broker running?"
        case 104, 54: return "connection reset by the broker"
        case 110, 60: return "connection timed out; is there a firewall between?"
        case 113, 65: return "no route to host"
        default: break
        }
    }
    if let error = error as? ChannelError, case .connectTimeout = error {
        return "no answer in time; is the address right, is there a firewall between?"
    }
    if let error = error as? SocketAddressError, case .unknown = error {
        return "the host name is unknown; check bootstrap.servers and advertised.listeners"
    }
    return "\(error)"
}

/// The keys of a client, read when it first connects.
final class ClientKeys: Sendable {
    private let settings: TLSSettings?
    private let made = NIOLockedValueBox<TLSContext?>(nil)

    init(_ settings: TLSSettings?) {
        self.settings = settings
    }

    /// nil if connections are not enciphered.
    func context() throws(KafkaError) -> TLSContext? {
        guard let settings else { return nil }
        do {
            return try made.withLockedValue { made in
                if let made { return made }
                let context = try TLSContext(settings, role: .client)
                made = context
                return context
            }
        } catch {
            throw KafkaError.tls(error, "security.protocol")
        }
    }
}

extension KafkaError {
    /// A failure of TLS; only one that may mend by itself is tried again.
    static func tls(_ error: any Error, _ what: String) -> KafkaError {
        let error = error as? TLSError ?? TLSError(.connection, describeConnectError(error))
        return KafkaError(
            error.kind == .configuration ? .invalidConfiguration : .connectionFailed, "\(what): \(error.message)",
            isRetriable: error.isRetriable, cause: error)
    }
}
