import KafkaProtocol
import NIOCore

/// The records of `__transaction_state`, in Kafka's format.
enum TransactionRecords {
    typealias Encoded = (key: ByteBuffer, value: ByteBuffer?)

    private static let keyVersion: Int16 = 0
    private static let valueVersion: Int16 = 1

    static func encode(_ transaction: Transaction) throws(WireError) -> Encoded {
        var value = TransactionLogValue()
        value.producerId = transaction.producerID
        value.previousProducerId = transaction.previousProducerID
        value.nextProducerId = transaction.nextProducerID
        value.producerEpoch = transaction.epoch
        value.transactionTimeoutMs = transaction.timeout
        value.transactionStatus = transaction.state.rawValue
        value.transactionPartitions = nil
        if transaction.state != .empty {
            value.transactionPartitions = Dictionary(grouping: transaction.partitions, by: \.topic)
                .sorted { $0.key < $1.key }.map { topic, keys in
                    var entry = TransactionLogValue.PartitionsSchema()
                    entry.topic = topic
                    entry.partitionIds = keys.map(\.partition).sorted()
                    return entry
                }
        }
        value.transactionLastUpdateTimestampMs = transaction.updateTimestamp
        value.transactionStartTimestampMs = transaction.startTimestamp
        value.clientTransactionVersion = transaction.clientVersion
        return (try tombstone(transaction.id).key, try value.encodeVersioned(version: valueVersion))
    }

    static func tombstone(_ id: String) throws(WireError) -> Encoded {
        var key = TransactionLogKey()
        key.transactionalId = id
        return (try key.encodeVersioned(version: keyVersion), nil)
    }

    /// Reads a record; nil for kinds that a newer Kafka has written.
    static func decode(
        key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (id: String, transaction: Transaction?)? {
        guard key.getInteger(at: key.readerIndex, as: Int16.self) == keyVersion else { return nil }
        let id = try TransactionLogKey.decodeVersioned(key).transactionalId
        guard let value else { return (id, nil) }
        let body = try TransactionLogValue.decodeVersioned(value)
        guard let state = Transaction.State(rawValue: body.transactionStatus), state != .dead else { return (id, nil) }
        var transaction = Transaction(
            id: id, producerID: body.producerId, timeout: body.transactionTimeoutMs,
            now: body.transactionLastUpdateTimestampMs)
        transaction.previousProducerID = body.previousProducerId
        transaction.nextProducerID = body.nextProducerId
        transaction.epoch = body.producerEpoch
        transaction.state = state == .prepareEpochFence ? .prepareAbort : state
        transaction.startTimestamp = body.transactionStartTimestampMs
        transaction.clientVersion = body.clientTransactionVersion
        if transaction.clientVersion >= Transaction.epochBumpVersion { transaction.lastEpoch = body.producerEpoch - 1 }
        for topic in body.transactionPartitions ?? [] {
            for partition in topic.partitionIds {
                transaction.partitions.insert(OffsetKey(topic: topic.topic, partition: partition))
            }
        }
        return (id, transaction)
    }
}
