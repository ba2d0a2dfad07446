internal import KafkaProtocol
internal import NIOCore

/// Logs in on a new connection: SaslHandshake, then SaslAuthenticate until the mechanism is satisfied.
struct SaslExchange {
    let connection: BrokerConnection
    let user: ClientSecurity.User
    let timeout: Duration

    /// The connection, authenticated; or an error that says what the broker did not like, without the password.
    func run() -> EventLoopFuture<BrokerConnection> {
        let promise = connection.channel.eventLoop.makePromise(of: BrokerConnection.self)
        var handshake = SaslHandshakeRequest()
        handshake.mechanism = user.mechanism.name
        connection.submit(handshake, version: 1, timeout: timeout) { result in
            switch result {
            case .success(let answer) where answer.errorCode == .none: begin(promise)
            case .success(let answer):
                fail(
                    promise,
                    .broker(
                        answer.errorCode, "\(connection.address) refused \(user.mechanism.name)",
                        detail: "it offers \(answer.mechanisms.joined(separator: ", "))"))
            case .failure(let error): fail(promise, error)
            }
        }
        return promise.futureResult
    }

    private func begin(_ promise: EventLoopPromise<BrokerConnection>) {
        switch user.mechanism {
        case .plain:
            send(Array("\0\(user.name)\0\(user.password)".utf8), promise) { _ in promise.succeed(connection) }
        case .token: sendToken(promise)
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
    private func sendToken(_ promise: EventLoopPromise<BrokerConnection>) {
        guard let provider = user.token else {
            return fail(promise, KafkaError(.invalidState, "there is nobody to give a token"))
        }
        Task {
            do {
                let token = try await provider()
                send(Array("n,,\u{1}auth=Bearer \(token)\u{1}\u{1}".utf8), promise) { answer in
                    if answer.isEmpty { return promise.succeed(connection) }
                    send([1], promise) { _ in
                        fail(
                            promise,
                            KafkaError(.connectionFailed, "\(connection.address) refused the token", isRetriable: false)
                        )
                    }
                }
            } catch {
                fail(
                    promise,
                    error as? KafkaError
                        ?? KafkaError(.connectionFailed, "no token for \(connection.address): \(error)", cause: error))
            }
        }
    }

    private func send(
        _ message: [UInt8], _ promise: EventLoopPromise<BrokerConnection>,
        then next: @escaping @Sendable ([UInt8]) -> Void
    ) {
        var request = SaslAuthenticateRequest()
        request.authBytes = ByteBuffer(bytes: message)
        connection.submit(request, version: 1, timeout: timeout) { result in
            switch result {
            case .success(let answer) where answer.errorCode == .none: next(Array(answer.authBytes.readableBytesView))
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
