public import KafkaBroker
public import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// Stands before a ``TestBroker`` and does to single requests what brokers and networks do to them: hold them up, answer
/// with an error, cut the connection before or after the broker has acted.
///
/// ```swift
/// let broker = try await TestBroker.startIntercepted()
/// try broker.interceptor?.intercept(.produce, times: 2, .error(.notLeaderOrFollower))
/// broker.interceptor?.intercept(.fetch) { request in request.clientID == "slow" ? .delay(.seconds(1)) : .pass }
/// ```
///
/// Requests of one connection are answered in their order, whatever is done to them. Rules of one API take turns in the
/// order in which they were made; a request that no rule wants passes.
public final class BrokerInterceptor: Sendable {
    /// What is done with a request.
    public enum Action: Sendable {
        /// The broker gets it.
        case pass
        /// The broker gets it, and what comes behind it on its connection, so much later.
        case delay(Duration)
        /// The broker does not get it; the client gets this error in the request's own form.
        case error(ErrorCode)
        /// The broker does not get it; the client gets this message, which must be the API's response.
        case answer(any KafkaMessage)
        /// The broker does not get it, and the connection is cut.
        case drop
        /// The broker gets it; the connection is cut when its answer comes.
        case dropAnswer
    }

    /// A request on its way.
    public struct Request: Sendable {
        /// The API.
        public let apiKey: APIKey
        /// The version of its layout.
        public let version: Int16
        /// `client.id`.
        public let clientID: String?
        let correlationID: Int32
        let body: ByteBuffer

        /// Reads the request. Throws for another API's type, and for bytes that are none.
        public func decode<R: KafkaRequest>(as type: R.Type = R.self) throws(WireError) -> R {
            guard R.apiKey == apiKey else { throw WireError("the request is \(apiKey), not \(R.apiKey)") }
            var reader = WireReader(body)
            return try R.decode(from: &reader, version: version)
        }
    }

    private struct Rule {
        var left: Int
        var body: @Sendable (Request) -> Action
    }

    private struct State {
        var rules: [APIKey: [Rule]] = [:]
        var seen: [APIKey: Int] = [:]
        var target = 0
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = NIOLockedValueBox(State())
    private let server: any Channel

    /// Where clients connect.
    public var port: Int { server.localAddress?.port ?? 0 }

    private init(server: any Channel) {
        self.server = server
    }

    // MARK: - Rules

    /// Does something to the next requests of an API. Throws if `action` is an error in an API whose answers
    /// ``ErrorAnswers`` does not know: give an ``Action/answer(_:)`` then.
    public func intercept(_ key: APIKey, times: Int = 1, _ action: Action) throws(WireError) {
        if case .error = action, !ErrorAnswers.known.contains(key) {
            throw WireError("\(key) has no ready error answer: use .answer with its response")
        }
        add(key, Rule(left: times) { _ in action })
    }

    /// Asks `body` for each further request of an API, until ``clear()``; what it lets pass the next rule may take.
    public func intercept(_ key: APIKey, _ body: @escaping @Sendable (Request) -> Action) {
        add(key, Rule(left: .max, body: body))
    }

    private func add(_ key: APIKey, _ rule: Rule) {
        state.withLockedValue { $0.rules[key, default: []].append(rule) }
    }

    /// From now on everything passes.
    public func clear() { state.withLockedValue { $0.rules = [:] } }

    /// How many requests of an API have come so far.
    public func count(of key: APIKey) -> Int { state.withLockedValue { $0.seen[key] ?? 0 } }

    /// Cuts all connections.
    public func cutConnections() {
        for channel in state.withLockedValue({ Array($0.connections.values) }) { channel.close(promise: nil) }
    }

    func action(for request: Request) -> Action {
        let rules = state.withLockedValue { state in
            state.seen[request.apiKey, default: 0] += 1
            return state.rules[request.apiKey] ?? []
        }
        for (index, rule) in rules.enumerated() where rule.left > 0 {
            let action = rule.body(request)
            if case .pass = action { continue }
            if rule.left < .max {
                state.withLockedValue { state in
                    guard let count = state.rules[request.apiKey]?.count, index < count else { return }
                    state.rules[request.apiKey]?[index].left -= 1
                }
            }
            return action
        }
        return .pass
    }

    // MARK: - Connections

    static func start() async throws -> BrokerInterceptor {
        let holder = NIOLockedValueBox<BrokerInterceptor?>(nil)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                guard let interceptor = holder.withLockedValue({ $0 }) else { return channel.close() }
                return interceptor.connect(channel)
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let interceptor = BrokerInterceptor(server: server)
        holder.withLockedValue { $0 = interceptor }
        return interceptor
    }

    func setTarget(_ port: Int) { state.withLockedValue { $0.target = port } }

    func stop() async {
        try? await server.close().get()
        cutConnections()
    }

    private func connect(_ client: any Channel) -> EventLoopFuture<Void> {
        let target = state.withLockedValue { state in
            state.connections[ObjectIdentifier(client)] = client
            return state.target
        }
        client.closeFuture.whenComplete { [self] _ in
            state.withLockedValue { $0.connections[ObjectIdentifier(client)] = nil }
        }
        return ClientBootstrap(group: client.eventLoop)
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { [self] broker in
                let pair = InterceptedConnection(interceptor: self, client: client, broker: broker)
                try client.pipeline.syncOperations.addHandlers([FrameCutter { pair.requestCame($0) }])
                try broker.pipeline.syncOperations.addHandlers([FrameCutter { pair.answerCame($0) }])
                client.closeFuture.whenComplete { _ in broker.close(promise: nil) }
                broker.closeFuture.whenComplete { _ in client.close(promise: nil) }
                client.setOption(.autoRead, value: true).whenComplete { _ in }
            }
            .flatMapError { _ in client.close() }
    }
}

extension TestBroker {
    /// Starts a broker behind a ``BrokerInterceptor``: clients that go by ``bootstrapServers`` or by the cluster's
    /// metadata come through it.
    public static func startIntercepted(
        properties: [String: String] = [:], configure: (inout BrokerConfiguration) -> Void = { _ in }
    ) async throws -> TestBroker {
        let interceptor = try await BrokerInterceptor.start()
        do {
            let broker = try await start(properties: properties, interceptor: interceptor) { configuration in
                configuration.advertisedPort = interceptor.port
                configure(&configuration)
            }
            return broker
        } catch {
            await interceptor.stop()
            throw error
        }
    }
}
