internal import KafkaProtocol

/// Transactions of a log: which records are stable, and which of them were aborted.
extension LogState {
    /// The offset up to which a read_committed consumer reads: the first record of the oldest open transaction, or the
    /// log's end.
    var lastStableOffset: Int64 {
        guard let first = producers.firstUnstableOffset else { return logEndOffset }
        return min(max(first, logStartOffset), logEndOffset)
    }

    /// Takes note of a transaction that a marker has ended.
    mutating func note(_ completed: ProducerStateManager.CompletedTransaction) throws(StorageError) {
        guard !completed.isCommit else { return }
        let stable = producers.firstUnstableOffset ?? completed.lastOffset + 1
        let entry = AbortedTransaction(
            producerID: completed.producerID, firstOffset: completed.firstOffset, lastOffset: completed.lastOffset,
            lastStableOffset: stable)
        let base = segments[segmentIndex(for: completed.lastOffset)].baseOffset
        try withTransactionIndex(base) { $0.append(entry) }
    }

    /// The aborted transactions with records in `start..<end`, by first offset.
    mutating func abortedTransactions(in range: Range<Int64>) throws(StorageError) -> [AbortedTransaction] {
        var found: [AbortedTransaction] = []
        search: for segment in segments[segmentIndex(for: range.lowerBound)...] {
            var isComplete = false
            try withTransactionIndex(segment.baseOffset) { index in
                for entry in index.entries {
                    if entry.lastOffset >= range.lowerBound, entry.firstOffset < range.upperBound {
                        found.append(entry)
                    }
                    if entry.lastStableOffset >= range.upperBound {
                        isComplete = true
                        return
                    }
                }
            }
            if isComplete { break search }
        }
        return found.sorted { $0.firstOffset < $1.firstOffset }
    }

    private mutating func withTransactionIndex(
        _ base: Int64, _ body: (inout TransactionIndex) -> Void
    ) throws(StorageError) {
        var index =
            if let loaded = transactionIndexes.removeValue(forKey: base) { loaded } else {
                try TransactionIndex(opening: transactionIndexPath(base), fileSystem)
            }
        body(&index)
        transactionIndexes[base] = index
    }

    func transactionIndexPath(_ base: Int64) -> String {
        "\(directory)/\(LogFileNames.name(base, LogFileNames.transactionIndex))"
    }

    /// Puts the entries of all segments on the device. Comes before a snapshot of the producers.
    mutating func storeTransactionIndexes() throws(StorageError) {
        let fileSystem = fileSystem
        for base in transactionIndexes.keys { try transactionIndexes[base]?.store(fileSystem) }
    }

    /// Forgets the entries whose markers are at `offset` or behind it: a recovery reads those markers again.
    mutating func truncateTransactionIndexes(to offset: Int64) throws(StorageError) {
        for segment in segments.reversed() {
            try withTransactionIndex(segment.baseOffset) { $0.truncate(to: offset) }
            if segment.baseOffset <= offset { return }
        }
    }
}
