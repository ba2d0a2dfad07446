import KafkaProtocol

/// InitProducerId (22), versions 0–5.
///
/// - Gives an idempotent producer an id that no other producer has or had; the id's block is on disk first.
/// - With a transactional id: the id's producer id with the next epoch, which fences who had it before; a transaction that
///   is open is aborted first, and one that is being ended is waited for.
/// - v3+ a producer that knows its id and epoch goes on from them (KIP-360). Without a transactional id Kafka gives a new
///   producer id then, and so do we.
/// - v4+ fenced producers learn PRODUCER_FENCED, before INVALID_PRODUCER_EPOCH.
enum InitProducerIDHandler: RequestHandler {
    typealias Request = InitProducerIdRequest

    static var versions: ClosedRange<Int16> { 0...5 }

    static func handle(_ request: InitProducerIdRequest, _ call: Call<InitProducerIdResponse>) {
        guard let id = request.transactionalId else {
            guard call.allowsOnCluster(.idempotentWrite, logs: false) || call.allowsAnywhere(.write, .topic) else {
                return call.respond(failure(.clusterAuthorizationFailed))
            }
            return giveProducerID(call)
        }
        guard call.allows(.write, .transactionalID, id) else {
            return call.respond(failure(.transactionalIdAuthorizationFailed))
        }
        let hasExpectation = request.producerId != -1 || request.producerEpoch != -1
        guard !id.isEmpty, !hasExpectation || (request.producerId >= 0 && request.producerEpoch >= 0) else {
            return call.respond(failure(.invalidRequest))
        }
        let expected =
            hasExpectation ? Transaction.Producer(id: request.producerId, epoch: request.producerEpoch) : nil
        call.node.transactions.run { transactions in
            transactions.initialise(id, timeout: request.transactionTimeoutMs, expected: expected) {
                error, transaction in
                guard error == .none, let transaction else {
                    return call.respond(failure(error.forTransactions(fencedFrom: 4, version: call.version)))
                }
                var response = InitProducerIdResponse()
                response.producerId = transaction.producerID
                response.producerEpoch = transaction.epoch
                call.respond(response)
            }
        }
    }

    private static func giveProducerID(_ call: Call<InitProducerIdResponse>) {
        var response = InitProducerIdResponse()
        do throws(Refusal) {
            response.producerId = try call.node.topics.nextProducerID()
        } catch {
            return call.respond(failure(error.code))
        }
        let answer = response
        call.node.topics.whenDurable { refusal in
            call.respond(refusal.map { failure($0.code) } ?? answer)
        }
    }

    private static func failure(_ error: ErrorCode) -> InitProducerIdResponse {
        var response = InitProducerIdResponse()
        response.errorCode = error
        response.producerEpoch = -1
        return response
    }
}
