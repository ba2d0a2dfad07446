import Logging

/// An open transaction, as ``KafkaProducer/withTransaction(_:)`` hands it out. Not to be kept beyond the closure.
public struct KafkaTransaction: Sendable {
    let producer: KafkaProducer

    /// Sends records as part of the transaction and waits for them. See ``KafkaProducer/send(contentsOf:)``.
    @discardableResult
    public func send(contentsOf records: [ProducerRecord]) async throws -> [RecordMetadata] {
        try await producer.send(contentsOf: records)
    }

    /// Sends a record as part of the transaction and waits for it.
    @discardableResult
    public func send(_ record: ProducerRecord) async throws -> RecordMetadata {
        try await producer.send(record)
    }

    /// Hands a record over and returns; the commit waits for it, and fails if it does not arrive.
    @discardableResult
    public func enqueue(_ record: ProducerRecord) async throws -> SendReceipt {
        try await producer.enqueue(record)
    }

    /// Hands records over and returns; the commit waits for them, and fails if one does not arrive.
    @discardableResult
    public func enqueue(contentsOf records: [ProducerRecord]) async throws -> SendReceipt {
        try await producer.enqueue(contentsOf: records)
    }

    /// Commits offsets with the transaction. See ``KafkaProducer/sendOffsets(_:group:)``.
    public func sendOffsets(
        _ offsets: [TopicPartition: OffsetAndMetadata], group: ConsumerGroupMetadata
    ) async throws {
        try await producer.sendOffsets(offsets, group: group)
    }
}

extension KafkaProducer {
    /// Runs `body` in a transaction: commits when it returns, aborts when it throws, also when the task is cancelled.
    ///
    /// Calls ``initTransactions(timeout:)`` the first time. Throws what `body` throws, or why the commit failed; an error
    /// that is ``KafkaError/isAbortable`` has been answered by an abort, and the whole may be tried again. After one that
    /// is ``KafkaError/isFatal`` the producer must be closed.
    @discardableResult
    public func withTransaction<Value: Sendable>(
        _ body: (KafkaTransaction) async throws -> Value
    ) async throws -> Value {
        if needsInitTransactions { try await initTransactions() }
        try beginTransaction()
        do {
            let value = try await body(KafkaTransaction(producer: self))
            // Not a child of this task: a cancelled caller would leave it open whether the commit came through.
            try await Task { try await self.commitTransaction() }.value
            return value
        } catch {
            if needsAbort {
                do {
                    try await Task { try await self.abortTransaction() }.value
                } catch let abortError as KafkaError where abortError.isFatal {
                    throw abortError
                } catch {
                    logger.warning(
                        "the transaction could not be aborted; its time-out will", metadata: ["error": "\(error)"])
                }
            }
            throw error
        }
    }
}
