import KafkaProtocol
import Logging
import NIOCore

/// SaslAuthenticate (36), versions 0–2.
///
/// - Carries the messages of the mechanism. A failure is SASL_AUTHENTICATION_FAILED with the same words for a wrong name
///   and a wrong password, sent after 100 ms (`connection.failed.authentication.delay.ms`), and then the connection ends.
/// - v1+ `session_lifetime_ms`: when the client must have authenticated anew (KIP-368); after that only a new SaslHandshake
///   is served on its connection.
enum SaslAuthenticateHandler: RequestHandler {
    typealias Request = SaslAuthenticateRequest

    private static let delayOfRefusal = TimeAmount.milliseconds(100)

    static func handle(_ request: SaslAuthenticateRequest, _ call: Call<SaslAuthenticateResponse>) {
        call.connection.onLoop { handler in
            let step = handler.session.authenticate(
                Array(request.authBytes.readableBytesView), tokens: call.connection.boundListener.tokens,
                wallClock: Double(WallClock.now()) / 1000, now: SteadyClock.now()
            ) { user, mechanism in
                call.node.topics.scramUsers.credential(of: user, mechanism)
            }
            var response = SaslAuthenticateResponse()
            switch step {
            case .answer(let bytes):
                response.errorMessage = nil
                response.authBytes = ByteBuffer(bytes: bytes)
                response.sessionLifetimeMs = handler.session.lifetime
                handler.authenticationAdvanced()
                call.respond(response)
            case .refuse(let code, let message):
                response.errorCode = code
                response.errorMessage = message
                call.node.logger.info(
                    "a client failed to authenticate",
                    metadata: [
                        "client": "\(call.connection.clientHost)", "listener": "\(call.connection.listener.name)",
                    ])
                let refusal = response
                call.eventLoop.scheduleTask(in: delayOfRefusal) {
                    call.respond(refusal)
                    call.closeConnection()
                }
            }
        }
    }
}
