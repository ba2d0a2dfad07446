public import KafkaProtocol
internal import NIOCore
internal import Synchronization

/// What transactions need of a log.
extension PartitionLog {
    /// A read_committed consumer's look at the log.
    public struct CommittedRead: Sendable {
        /// Whole batches before the last stable offset; nil if there is nothing to return.
        public var slice: FileSlice?
        /// The log's first offset.
        public var logStartOffset: Int64
        /// The offset that the next record gets.
        public var logEndOffset: Int64
        /// The offset at which the slice ends at the latest.
        public var lastStableOffset: Int64
        /// The transactions whose records in the slice must not be shown, by first offset.
        public var aborted: [AbortedTransaction]
    }

    /// A producer's state in this partition, as DescribeProducers shows it.
    public struct ProducerState: Sendable {
        /// The producer's id.
        public var id: Int64
        /// Its epoch.
        public var epoch: Int16
        /// Sequence number of its last record, -1 if there is none.
        public var lastSequence: Int32
        /// Timestamp of its last batch, ms since 1970.
        public var lastTimestamp: Int64
        /// Epoch of the coordinator that ended its last transaction, -1 if there was none.
        public var coordinatorEpoch: Int32
        /// Where its open transaction begins, -1 if there is none.
        public var transactionStartOffset: Int64
    }

    /// The producers that are remembered, by id.
    public var producerStates: [ProducerState] {
        state.withLock { state in
            state.producers.producers.sorted { $0.key < $1.key }.map { id, producer in
                ProducerState(
                    id: id, epoch: producer.epoch, lastSequence: producer.batches.last?.lastSequence ?? -1,
                    lastTimestamp: producer.lastTimestamp, coordinatorEpoch: producer.coordinatorEpoch,
                    transactionStartOffset: producer.currentTransactionFirstOffset ?? -1)
            }
        }
    }

    /// Appends the control batch that ends a producer's transaction here.
    /// - Throws: `.invalidProducerEpoch` if a newer epoch has written; failures as `append` does.
    public func appendMarker(
        producerID: Int64, producerEpoch: Int16, _ marker: EndTransactionMarker
    ) throws(StorageError) -> LogAppendInfo {
        let now = services.now()
        var prepared: PreparedBatch
        do throws(RecordError) {
            var builder = RecordBatchBuilder(
                producerId: producerID, producerEpoch: producerEpoch, isTransactional: true, isControl: true)
            builder.append(timestamp: now, key: marker.key, value: marker.value)
            let batch = try builder.build()
            prepared = PreparedBatch(
                header: try RecordBatchHeader(parsing: batch), bytes: batch, logAppendTime: -1, leaderEpoch: 0,
                now: now)
        } catch {
            throw StorageError(error)
        }
        prepared.marker = marker
        prepared.isVerified = true
        if configuration.messageTimestampType == .logAppendTime { try prepared.setLogAppendTime(now) }
        return try state.withLock { state throws(StorageError) in try state.append(prepared) }
    }

    /// Finds batches from `offset` on that lie before the last stable offset, and the aborted transactions among them.
    ///
    /// Parameters and errors are those of `read`.
    public func readCommitted(
        from offset: Int64, maxBytes: Int, minOneBatch: Bool = true
    ) throws(StorageError) -> CommittedRead {
        while true {
            let (stable, replacements) = state.withLock { ($0.lastStableOffset, $0.replacements) }
            let found = try read(from: offset, maxBytes: maxBytes, minOneBatch: minOneBatch, before: stable)
            var result = CommittedRead(
                slice: found.slice, logStartOffset: found.logStartOffset, logEndOffset: found.logEndOffset,
                lastStableOffset: stable, aborted: [])
            guard found.slice != nil else { return result }
            let end = found.sliceEndOffset ?? stable
            let aborted = try state.withLock { state throws(StorageError) -> [AbortedTransaction]? in
                // Compaction drops the entries of the records that it drops; those of this slice must still be there.
                guard state.replacements == replacements else { return nil }
                return try state.abortedTransactions(in: offset..<max(offset, min(end, stable)))
            }
            guard let aborted else { continue }
            result.aborted = aborted
            return result
        }
    }

    /// The aborted transactions with records in a range of offsets, by first offset.
    func abortedTransactions(in range: Range<Int64>) throws(StorageError) -> [AbortedTransaction] {
        try state.withLock { state throws(StorageError) in try state.abortedTransactions(in: range) }
    }
}

extension PartitionLog {
    /// Whether the batch's producer has an open transaction here, so that the batch may be appended to it.
    public func hasOpenTransaction(_ header: RecordBatchHeader) -> Bool {
        state.withLock { $0.producers.hasOpenTransaction(header) }
    }
}
