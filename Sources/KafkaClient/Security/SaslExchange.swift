internal import KafkaProtocol
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Logs in on a new connection: SaslHandshake, then SaslAuthenticate until the mechanism is satisfied. If the broker
/// knows the user for a time only (KIP-368), the same again before that is over, while other requests wait.
struct SaslExchange {
    let connection: BrokerConnection
    let user: ClientSecurity.User
    let timeout: Duration
    /// Milliseconds that the broker knows the user for, as its last answer said; 0 for ever.
    private let session = NIOLockedValueBox<Int64>(0)

    init(connection: BrokerConnection, user: ClientSecurity.User, timeout: Duration) {
        self.connection = connection
        self.user = user
        self.timeout = timeout
    }

    /// The connection, authenticated; or an error that says what the broker did not like, without the password.
    func run() -> EventLoopFuture<BrokerConnection> {
        let promise = connection.channel.eventLoop.makePromise(of: BrokerConnection.self)
        guard case .token = user.mechanism else {
            handshake(token: nil, promise)
            return finished(promise)
        }
        // Whoever makes tokens may take his time; requests need not wait for him.
        Task {
            do {
                guard let provider = user.token else {
                    throw KafkaError(.invalidState, "there is nobody to give a token")
                }
                handshake(token: try await provider(), promise)
            } catch {
                fail(
                    promise,
                    error as? KafkaError
                        ?? KafkaError(.connectionFailed, "no token for \(connection.address): \(error)", cause: error))
            }
        }
        return finished(promise)
    }

    private func finished(_ promise: EventLoopPromise<BrokerConnection>) -> EventLoopFuture<BrokerConnection> {
        promise.futureResult.map { connection in
            connection.goOn()
            renewLater()
            return connection
        }
    }

    /// Between 85 and 95 % of the session's time, as in Java, so that not all connections do it at once. If that takes until
    /// the session ends (a token may be long in coming), requests wait for it: the broker would cut the connection.
    private func renewLater() {
        let lifetime = session.withLockedValue { $0 }
        guard lifetime > 0 else { return }
        let wait = TimeAmount.milliseconds(Int64(Double(lifetime) * .random(in: 0.85...0.95)))
        let (user, timeout) = (user, timeout)
        let loop = connection.channel.eventLoop
        let end = loop.scheduleTask(in: .milliseconds(lifetime * 97 / 100)) { [weak connection] in
            connection?.holdBack()
        }
        loop.scheduleTask(in: wait) { [weak connection] in
            guard let connection, connection.isOpen else { return }
            SaslExchange(connection: connection, user: user, timeout: timeout).run().whenComplete { _ in end.cancel() }
        }
    }

    private func handshake(token: String?, _ promise: EventLoopPromise<BrokerConnection>) {
        connection.holdBack()
        var handshake = SaslHandshakeRequest()
        handshake.mechanism = user.mechanism.name
        connection.submit(handshake, version: 1, timeout: timeout, isLogin: true) { result in
            switch result {
            case .success(let answer) where answer.errorCode == .none: begin(token, promise)
            case .success(let answer):
                fail(
                    promise,
                    .broker(
                        answer.errorCode, "\(connection.address) refused \(user.mechanism.name)",
                        detail: "it offers \(answer.mechanisms.joined(separator: ", "))"))
            case .failure(let error): fail(promise, error)
            }
        }
    }

    private func begin(_ token: String?, _ promise: EventLoopPromise<BrokerConnection>) {
        switch user.mechanism {
        case .plain:
            send(Array("\0\(user.name)\0\(user.password)".utf8), promise) { _ in promise.succeed(connection) }
        case .token: sendToken(token ?? "", promise)
        case .scram(let mechanism):
            let client = ScramClient(mechanism, user: user.name, password: user.password)
            send(client.first, promise) { challenge in
                var client = client
                do throws(ScramError) {
                    let final = try client.final(challenge)
                    let finished = client
                    send(final, promise) { last in
                        do throws(ScramError) {
                            try finished.verify(last)
                            promise.succeed(connection)
                        } catch {
                            fail(promise, violation(error))
                        }
                    }
                } catch {
                    fail(promise, violation(error))
                }
            }
        }
    }

    /// RFC 7628. An answer that is not empty says why the token is not accepted; the broker waits for it to be
    /// acknowledged.
    private func sendToken(_ token: String, _ promise: EventLoopPromise<BrokerConnection>) {
        send(Array("n,,\u{1}auth=Bearer \(token)\u{1}\u{1}".utf8), promise) { answer in
            if answer.isEmpty { return promise.succeed(connection) }
            send([1], promise) { _ in
                fail(
                    promise,
                    KafkaError(.connectionFailed, "\(connection.address) refused the token", isRetriable: false))
            }
        }
    }

    private func send(
        _ message: [UInt8], _ promise: EventLoopPromise<BrokerConnection>,
        then next: @escaping @Sendable ([UInt8]) -> Void
    ) {
        var request = SaslAuthenticateRequest()
        request.authBytes = ByteBuffer(bytes: message)
        // Kafka 2.1 has version 0, which knows no end of a session.
        let version = (try? connection.versions.version(for: SaslAuthenticateRequest.self, limit: 2)) ?? 0
        connection.submit(request, version: version, timeout: timeout, isLogin: true) { result in
            switch result {
            case .success(let answer) where answer.errorCode == .none:
                session.withLockedValue { $0 = answer.sessionLifetimeMs }
                next(Array(answer.authBytes.readableBytesView))
            case .success(let answer):
                fail(
                    promise,
                    .broker(
                        answer.errorCode, "\(connection.address) refused the user \(user.name)",
                        detail: answer.errorMessage))
            case .failure(let error): fail(promise, error)
            }
        }
    }

    private func violation(_ error: ScramError) -> KafkaError {
        KafkaError(
            .connectionFailed, "\(connection.address) breaks the rules of \(user.mechanism.name): \(error)",
            isRetriable: false, cause: error)
    }

    private func fail(_ promise: EventLoopPromise<BrokerConnection>, _ error: KafkaError) {
        connection.close(error)
        promise.fail(error)
    }
}
