public import KafkaProtocol

/// A record and where it comes from.
public struct ConsumerRecord: Sendable {
    /// The partition.
    public let topicPartition: TopicPartition
    /// Offset, timestamp, key, value and headers.
    public let record: Record
}

extension KafkaConsumer {
    /// The records one by one. Ends when the consumer is closed; throws what ``poll(timeout:)`` throws.
    ///
    /// A batch counts as done for auto-commit when the first record of the next one is asked for.
    public var records: ConsumerRecords { ConsumerRecords(consumer: self) }

    /// The records in whole batches. Ends when the consumer is closed; throws what ``poll(timeout:)`` throws.
    public var batches: ConsumerBatches { ConsumerBatches(consumer: self) }

    /// Polls for as long as it takes; nil when the consumer has been closed.
    fileprivate func nextBatches() async throws -> [ConsumerBatch]? {
        while true {
            do {
                let batches = try await poll(timeout: .seconds(60))
                if !batches.isEmpty { return batches }
            } catch let error as KafkaError where error.code == .closed {
                return nil
            }
        }
    }
}

/// All batches that a consumer reads. One task may iterate.
public struct ConsumerBatches: AsyncSequence, Sendable {
    /// A batch.
    public typealias Element = ConsumerBatch

    let consumer: KafkaConsumer

    /// Reads on.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let consumer: KafkaConsumer
        private var waiting: ArraySlice<ConsumerBatch> = []

        init(consumer: KafkaConsumer) {
            self.consumer = consumer
        }

        /// The next batch; nil when the consumer has been closed.
        public mutating func next() async throws -> ConsumerBatch? {
            if let batch = waiting.popFirst() { return batch }
            guard let batches = try await consumer.nextBatches() else { return nil }
            waiting = batches[...]
            return waiting.popFirst()
        }
    }

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer: consumer) }
}

/// All records that a consumer reads. One task may iterate.
public struct ConsumerRecords: AsyncSequence, Sendable {
    /// A record and its partition.
    public typealias Element = ConsumerRecord

    let consumer: KafkaConsumer

    /// Reads on.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private var batches: ConsumerBatches.AsyncIterator
        private var current: ConsumerBatch?
        private var index = 0

        init(consumer: KafkaConsumer) {
            batches = ConsumerBatches.AsyncIterator(consumer: consumer)
        }

        /// The next record; nil when the consumer has been closed.
        public mutating func next() async throws -> ConsumerRecord? {
            while true {
                if let current, index < current.records.count {
                    defer { index += 1 }
                    return ConsumerRecord(topicPartition: current.topicPartition, record: current.records[index])
                }
                guard let batch = try await batches.next() else { return nil }
                current = batch
                index = 0
            }
        }
    }

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer: consumer) }
}
