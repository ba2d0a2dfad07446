import KafkaProtocol

/// InitProducerId (22), versions 0–5.
///
/// - Gives an idempotent producer an id that no other producer has or had; the id's block is on disk first.
/// - v3+ a producer that knows its id asks for the next epoch (KIP-360); without a transactional id Kafka gives a new
///   id then, and so do we.
/// - A transactional id is refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED: this broker has no transactions yet.
enum InitProducerIDHandler: RequestHandler {
    typealias Request = InitProducerIdRequest

    static var versions: ClosedRange<Int16> { 0...5 }

    static func handle(_ request: InitProducerIdRequest, _ call: Call<InitProducerIdResponse>) {
        var response = InitProducerIdResponse()
        if let id = request.transactionalId {
            response.errorCode = id.isEmpty ? .invalidRequest : .transactionalIdAuthorizationFailed
            response.producerEpoch = -1
            return call.respond(response)
        }
        do throws(Refusal) {
            response.producerId = try call.node.topics.nextProducerID()
        } catch {
            response.errorCode = error.code
            return call.respond(response)
        }
        let answer = response
        call.node.topics.whenDurable { refusal in
            guard let refusal else { return call.respond(answer) }
            var failed = InitProducerIdResponse()
            failed.errorCode = refusal.code
            call.respond(failed)
        }
    }
}
