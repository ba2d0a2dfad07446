/// Whether a source connector can take part in exactly-once delivery (KIP-618).
public enum ExactlyOnceSupport: Sendable, Hashable {
    /// A task that starts at a stored offset produces what follows it, no record twice and none left out.
    case supported
    /// With this configuration it cannot: for one, because it has no offsets.
    case unsupported
}

/// Who ends the transactions in which an exactly-once source writes (`transaction.boundary`).
public enum TransactionBoundary: String, Sendable, Hashable, CaseIterable {
    /// Each poll is a transaction.
    case poll
    /// A transaction ends when `transaction.boundary.interval.ms` is over.
    case interval
    /// The task ends transactions (``SourceBatch/transactionEnd``).
    case connector
}

/// How a task ends the open transaction, after a batch.
public enum TransactionEnd: Sendable, Hashable {
    /// All records since the last end become visible, with their offsets.
    case commit
    /// No record since the last end becomes visible. Their offsets are stored all the same: the task goes on behind
    /// them. A task that wants to produce them again throws an error instead.
    case abort
}
