internal import KafkaProtocol

/// What a pass of compaction knows of transactions: which batches were aborted, and which transactions still have records.
struct CleanedTransactions {
    /// The aborted transactions by producer, each producer's in the order of the log.
    private let aborted: [Int64: [AbortedTransaction]]
    /// Producers with a record kept since their last marker.
    private var kept: Set<Int64> = []

    init(_ aborted: [AbortedTransaction]) {
        self.aborted = Dictionary(grouping: aborted, by: \.producerID)
    }

    /// Whether a data batch belongs to a transaction that was aborted.
    func isAborted(_ header: RecordBatchHeader) -> Bool {
        guard header.isTransactional, !header.isControl, let transactions = aborted[header.producerId] else {
            return false
        }
        // One producer's transactions do not overlap.
        var low = 0
        var high = transactions.count
        while low < high {
            let middle = (low + high) / 2
            if transactions[middle].lastOffset < header.baseOffset { low = middle + 1 } else { high = middle }
        }
        return low < transactions.count && transactions[low].firstOffset <= header.baseOffset
    }

    /// A batch stays in the log. A marker ends its producer's transaction.
    mutating func noteKept(_ header: RecordBatchHeader) {
        guard header.isTransactional else { return }
        if header.isControl { kept.remove(header.producerId) } else { kept.insert(header.producerId) }
    }

    /// Whether a marker ends a transaction that has no records any more.
    func endsNothing(_ marker: RecordBatchHeader) -> Bool { !kept.contains(marker.producerId) }
}
