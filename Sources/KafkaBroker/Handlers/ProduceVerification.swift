import KafkaProtocol
import KafkaStorage
import NIOCore

/// Asks the transaction coordinator about the partitions that a transactional produce request would begin to write to.
///
/// v12+ the partitions become part of the transaction, before they must have been added (KIP-890). The answer is used on
/// the coordinator's event loop: no marker can come between it and the append.
enum ProduceVerification {
    /// What the coordinator says of partitions; those that are not named have an open transaction already.
    typealias Verdicts = [OffsetKey: ErrorCode]

    /// Calls back with what is to be known of the request's partitions: at once if nothing is.
    static func verify(
        _ request: ProduceRequest, _ call: Call<ProduceResponse>, _ done: @escaping @Sendable (Verdicts) -> Void
    ) {
        // Whoever may not write is refused when it comes to appending.
        guard let id = request.transactionalId, call.allows(.write, .transactionalID, id, logs: false) else {
            return done([:])
        }
        var producer: Transaction.Producer?
        var keys: Set<OffsetKey> = []
        for data in request.topicData {
            let topic =
                call.version >= 13 ? call.node.topics.topic(id: data.topicId) : call.node.topics.topic(named: data.name)
            for partition in data.partitionData {
                guard let topic, call.allows(.write, .topic, topic.name, logs: false),
                    let found = topic.partition(partition.index), let records = partition.records,
                    let header = try? RecordBatchHeader(parsing: records), header.isTransactional,
                    let log = try? found.log(), !log.hasOpenTransaction(header)
                else { continue }
                producer = Transaction.Producer(id: header.producerId, epoch: header.producerEpoch)
                keys.insert(OffsetKey(topic: topic.name, partition: partition.index))
            }
        }
        guard let producer, !keys.isEmpty else { return done([:]) }
        let (asked, version) = (keys, call.version)
        call.node.transactions.run { transactions in
            if version >= 12 {
                transactions.add(asked, to: id, by: producer, version: Transaction.epochBumpVersion) { error, _ in
                    done(Dictionary(uniqueKeysWithValues: asked.map { ($0, told(error, version)) }))
                }
            } else {
                transactions.verify(asked, of: id, by: producer) { verdicts in
                    done(verdicts.mapValues { told($0, version) })
                }
            }
        }
    }

    /// Errors as a producer of this version understands them.
    private static func told(_ error: ErrorCode, _ version: Int16) -> ErrorCode {
        switch error {
        case .producerFenced: .invalidProducerEpoch
        case .transactionAbortable where version < 11: .invalidTxnState
        case .concurrentTransactions where version < 12, .coordinatorNotAvailable, .coordinatorLoadInProgress:
            .notEnoughReplicas
        default: error
        }
    }
}
