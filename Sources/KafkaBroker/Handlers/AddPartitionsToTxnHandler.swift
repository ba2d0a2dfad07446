import KafkaProtocol

/// AddPartitionsToTxn (24), versions 0–5.
///
/// - v0–3 come from clients: one transaction, an error per partition. If one partition is not there, none is added and the
///   others are answered with OPERATION_NOT_ATTEMPTED.
/// - v4+ come from brokers: several transactions, each added or (`verify_only`) only looked up.
/// - v2+ fenced producers learn PRODUCER_FENCED, before INVALID_PRODUCER_EPOCH.
enum AddPartitionsToTxnHandler: RequestHandler {
    typealias Request = AddPartitionsToTxnRequest
    typealias Topic = AddPartitionsToTxnRequest.AddPartitionsToTxnTopic
    typealias TopicResult = AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult

    private struct Asked: Sendable {
        var id: String
        var producer: Transaction.Producer
        var verifiesOnly: Bool
        var topics: [Topic]
    }

    static func handle(_ request: AddPartitionsToTxnRequest, _ call: Call<AddPartitionsToTxnResponse>) {
        var asked: [Asked]
        if call.version < 4 {
            let producer = Transaction.Producer(
                id: request.v3AndBelowProducerId, epoch: request.v3AndBelowProducerEpoch)
            asked = [
                Asked(
                    id: request.v3AndBelowTransactionalId, producer: producer, verifiesOnly: false,
                    topics: request.v3AndBelowTopics)
            ]
        } else {
            asked = request.transactions.map { entry in
                Asked(
                    id: entry.transactionalId,
                    producer: Transaction.Producer(id: entry.producerId, epoch: entry.producerEpoch),
                    verifiesOnly: entry.verifyOnly, topics: entry.topics)
            }
        }
        let all = asked
        call.node.transactions.run { transactions in
            next(all[...], AddPartitionsToTxnResponse(), transactions, call)
        }
    }

    /// Serves one transaction after the other.
    private static func next(
        _ asked: ArraySlice<Asked>, _ response: AddPartitionsToTxnResponse, _ transactions: Transactions,
        _ call: Call<AddPartitionsToTxnResponse>
    ) {
        guard let first = asked.first else { return call.respond(response) }
        serve(first, transactions, call) { results in
            var response = response
            if call.version < 4 {
                response.resultsByTopicV3AndBelow = results
            } else {
                var result = AddPartitionsToTxnResponse.AddPartitionsToTxnResult()
                result.transactionalId = first.id
                result.topicResults = results
                response.resultsByTransaction.append(result)
            }
            next(asked.dropFirst(), response, transactions, call)
        }
    }

    private static func serve(
        _ asked: Asked, _ transactions: Transactions, _ call: Call<AddPartitionsToTxnResponse>,
        _ done: @escaping ([TopicResult]) -> Void
    ) {
        func answer(_ error: (OffsetKey) -> ErrorCode) {
            done(results(asked.topics) { error($0).forTransactions(fencedFrom: 2, version: call.version) })
        }
        if asked.id.isEmpty { return answer { _ in .invalidRequest } }
        // What brokers send to each other (v4+) is theirs to do; here it comes from administrators.
        guard
            call.version < 4
                ? call.allows(.write, .transactionalID, asked.id) : call.allowsOnCluster(.clusterAction)
        else {
            return answer { _ in call.version < 4 ? .transactionalIdAuthorizationFailed : .clusterAuthorizationFailed }
        }
        let keys = Set(
            asked.topics.flatMap { topic in
                topic.partitions.map { OffsetKey(topic: topic.name, partition: $0) }
            })
        if asked.verifiesOnly {
            return transactions.verify(keys, of: asked.id, by: asked.producer) { verdicts in
                answer { verdicts[$0] ?? .invalidTxnState }
            }
        }
        let denied = call.version < 4 ? Set(keys.map(\.topic)).filter { !call.allows(.write, topic: $0) } : []
        guard denied.isEmpty else {
            return answer { denied.contains($0.topic) ? .topicAuthorizationFailed : .operationNotAttempted }
        }
        let unknown = keys.filter { call.node.topics.topic(named: $0.topic)?.partition($0.partition) == nil }
        guard unknown.isEmpty else {
            return answer { unknown.contains($0) ? .unknownTopicOrPartition : .operationNotAttempted }
        }
        let version: Int16 = call.version < 4 ? 1 : Transaction.epochBumpVersion
        transactions.add(keys, to: asked.id, by: asked.producer, version: version) { error, _ in
            answer { _ in error }
        }
    }

    private static func results(_ topics: [Topic], _ error: (OffsetKey) -> ErrorCode) -> [TopicResult] {
        topics.map { topic in
            var result = TopicResult()
            result.name = topic.name
            result.resultsByPartition = topic.partitions.map { index in
                var entry = AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult()
                entry.partitionIndex = index
                entry.partitionErrorCode = error(OffsetKey(topic: topic.name, partition: index)).rawValue
                return entry
            }
            return result
        }
    }
}

extension ErrorCode {
    /// What a client of this version is told: those before `fencedFrom` do not know PRODUCER_FENCED.
    func forTransactions(fencedFrom: Int16, version: Int16) -> ErrorCode {
        self == .producerFenced && version < fencedFrom ? .invalidProducerEpoch : self
    }
}
