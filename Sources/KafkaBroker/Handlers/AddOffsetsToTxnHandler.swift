import KafkaProtocol

/// AddOffsetsToTxn (25), versions 0–4. The partition of `__consumer_offsets` that the group lives in becomes part of the
/// transaction. v2+ fenced producers learn PRODUCER_FENCED.
enum AddOffsetsToTxnHandler: RequestHandler {
    typealias Request = AddOffsetsToTxnRequest

    static func handle(_ request: AddOffsetsToTxnRequest, _ call: Call<AddOffsetsToTxnResponse>) {
        @Sendable func answer(_ error: ErrorCode) {
            var response = AddOffsetsToTxnResponse()
            response.errorCode = error.forTransactions(fencedFrom: 2, version: call.version)
            call.respond(response)
        }
        if request.transactionalId.isEmpty { return answer(.invalidRequest) }
        if request.groupId.isEmpty { return answer(.invalidGroupId) }
        guard call.allows(.write, .transactionalID, request.transactionalId) else {
            return answer(.transactionalIdAuthorizationFailed)
        }
        guard call.allows(.read, group: request.groupId) else { return answer(.groupAuthorizationFailed) }
        let producer = Transaction.Producer(id: request.producerId, epoch: request.producerEpoch)
        call.node.transactions.run { transactions in
            let key = call.node.groups.onLoop.store.key(of: request.groupId)
            transactions.add([key], to: request.transactionalId, by: producer, version: 1) { error, _ in
                answer(error)
            }
        }
    }
}
