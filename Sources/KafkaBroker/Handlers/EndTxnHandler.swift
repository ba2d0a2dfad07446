import KafkaProtocol

/// EndTxn (26), versions 0–5.
///
/// - Answered when the outcome is on disk and the markers can be read.
/// - v2+ fenced producers learn PRODUCER_FENCED. v5: the epoch is bumped, the answer carries the producer id and epoch for
///   the next transaction (KIP-890).
enum EndTxnHandler: RequestHandler {
    typealias Request = EndTxnRequest

    static func handle(_ request: EndTxnRequest, _ call: Call<EndTxnResponse>) {
        @Sendable func answer(_ error: ErrorCode, _ transaction: Transaction?) {
            var response = EndTxnResponse()
            response.errorCode = error.forTransactions(fencedFrom: 2, version: call.version)
            if call.version >= 5, error == .none, let transaction {
                response.producerId = transaction.producerID
                response.producerEpoch = transaction.epoch
            }
            call.respond(response)
        }
        if request.transactionalId.isEmpty { return answer(.invalidRequest, nil) }
        guard call.allows(.write, .transactionalID, request.transactionalId) else {
            return answer(.transactionalIdAuthorizationFailed, nil)
        }
        let producer = Transaction.Producer(id: request.producerId, epoch: request.producerEpoch)
        call.node.transactions.run { transactions in
            transactions.end(
                request.transactionalId, by: producer, commits: request.committed, bumpsEpoch: call.version >= 5,
                answer)
        }
    }
}
