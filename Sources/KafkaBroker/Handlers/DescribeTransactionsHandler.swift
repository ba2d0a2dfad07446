import KafkaProtocol

/// DescribeTransactions (65), version 0. An id that nobody knows is TRANSACTIONAL_ID_NOT_FOUND.
enum DescribeTransactionsHandler: RequestHandler {
    typealias Request = DescribeTransactionsRequest
    typealias State = DescribeTransactionsResponse.TransactionState

    static func handle(_ request: DescribeTransactionsRequest, _ call: Call<DescribeTransactionsResponse>) {
        call.node.transactions.run { transactions in
            var response = DescribeTransactionsResponse()
            response.transactionStates = request.transactionalIds.map { id in
                guard call.allows(.describe, .transactionalID, id) else {
                    var denied = State()
                    denied.transactionalId = id
                    denied.errorCode = .transactionalIdAuthorizationFailed
                    return denied
                }
                var state = describe(id, transactions)
                state.topics.removeAll { !call.allows(.describe, .topic, $0.topic, logs: false) }
                return state
            }
            call.respond(response)
        }
    }

    private static func describe(_ id: String, _ transactions: Transactions) -> State {
        var answer = State()
        answer.transactionalId = id
        do throws(Refusal) {
            guard !id.isEmpty else {
                answer.errorCode = .invalidRequest
                return answer
            }
            guard let transaction = try transactions.entry(id)?.transaction else {
                answer.errorCode = .transactionalIdNotFound
                return answer
            }
            answer.transactionState = transaction.state.name
            answer.transactionTimeoutMs = transaction.timeout
            answer.transactionStartTimeMs = transaction.startTimestamp
            answer.producerId = transaction.producerID
            answer.producerEpoch = transaction.epoch
            answer.topics = Dictionary(grouping: transaction.partitions, by: \.topic).sorted { $0.key < $1.key }.map {
                topic, keys in
                var entry = State.TopicData()
                entry.topic = topic
                entry.partitions = keys.map(\.partition).sorted()
                return entry
            }
        } catch {
            answer.errorCode = error.code.forCoordinator
        }
        return answer
    }
}
