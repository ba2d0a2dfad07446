import KafkaProtocol

/// SaslHandshake (17), version 1; 0–1 are announced because librdkafka before 2.1 takes the broker for one without SASL
/// otherwise.
///
/// - The client names a mechanism and is told which there are; one that is not enabled is UNSUPPORTED_SASL_MECHANISM.
/// - On a listener without SASL, or once authenticated unless the session has an end (KIP-368), ILLEGAL_SASL_STATE.
/// - Version 0, after which messages come without Kafka's headers (clients before 1.0), closes the connection.
enum SaslHandshakeHandler: RequestHandler {
    typealias Request = SaslHandshakeRequest

    static var versions: ClosedRange<Int16> { 1...1 }
    static var announcedVersions: ClosedRange<Int16> { 0...1 }

    static func handle(_ request: SaslHandshakeRequest, _ call: Call<SaslHandshakeResponse>) {
        call.connection.onLoop { handler in
            var response = SaslHandshakeResponse()
            response.mechanisms = call.connection.listener.mechanisms
            response.errorCode = handler.session.handshake(request.mechanism, now: SteadyClock.now()) ?? .none
            call.respond(response)
        }
    }
}
