import KafkaProtocol

/// One transactional id as a pure state machine (Kafka's `TransactionMetadata` and the decisions of `TransactionCoordinator`;
/// KIP-98, KIP-360, KIP-890).
///
/// Every event is answered by a `Decision`; the coordinator writes the new state to `__transaction_state` and takes it over
/// when it is on disk. Events of one id are handed in one after the other: none arrives while a decision is carried out.
struct Transaction: Equatable {
    /// The numbers are those of the records in `__transaction_state`.
    enum State: Int8, CaseIterable {
        case empty = 0
        case ongoing = 1
        case prepareCommit = 2
        case prepareAbort = 3
        case completeCommit = 4
        case completeAbort = 5
        case dead = 6
        case prepareEpochFence = 7

        /// As ListTransactions and DescribeTransactions show it.
        var name: String {
            switch self {
            case .empty: "Empty"
            case .ongoing: "Ongoing"
            case .prepareCommit: "PrepareCommit"
            case .prepareAbort: "PrepareAbort"
            case .completeCommit: "CompleteCommit"
            case .completeAbort: "CompleteAbort"
            case .dead: "Dead"
            case .prepareEpochFence: "PrepareEpochFence"
            }
        }
    }

    /// A producer id with its epoch.
    struct Producer: Equatable {
        var id: Int64
        var epoch: Int16
    }

    enum Decision: Equatable {
        /// Nothing changes, the client is told why.
        case refuse(ErrorCode)
        /// Nothing changes, and that is what was asked for.
        case unchanged
        /// Write this state.
        case write(Transaction)
        /// Write this state, which ends the open transaction, and then hand the event in again.
        case abortFirst(Transaction)
    }

    /// The protocol by which a client ends its transactions: 2 bumps the epoch each time (KIP-890).
    static let epochBumpVersion: Int16 = 2

    let id: String
    var producerID: Int64
    /// The producer id before the present one.
    var previousProducerID: Int64 = -1
    /// The producer id that the client gets when the present transaction is over, because the epochs are used up.
    var nextProducerID: Int64 = -1
    var epoch: Int16 = -1
    /// The epoch before, if the same client had it: a retry may come with it.
    var lastEpoch: Int16 = -1
    /// How long a transaction may stay open, in milliseconds.
    var timeout: Int32
    var state = State.empty
    var partitions: Set<OffsetKey> = []
    /// When the transaction began, ms since 1970; -1 if there is none.
    var startTimestamp: Int64 = -1
    var updateTimestamp: Int64
    var clientVersion: Int16 = 0

    init(id: String, producerID: Int64, timeout: Int32, now: Int64) {
        self.id = id
        self.producerID = producerID
        self.timeout = timeout
        updateTimestamp = now
    }

    var producer: Producer { Producer(id: producerID, epoch: epoch) }

    /// Whether the outcome is decided and the markers are not all written.
    var isPrepared: Bool { state == .prepareCommit || state == .prepareAbort }

    /// The last epoch is kept for the coordinator, which must always be able to fence a producer.
    static func isExhausted(_ epoch: Int16) -> Bool { epoch >= .max - 1 }

    // MARK: InitProducerId

    /// A producer begins, or goes on after an error with the id and epoch that it has (KIP-360).
    /// - Parameter newProducerID: gives an id that nobody has had; called only if it is needed.
    func initialise<Failure>(
        timeout: Int32, expected: Producer?, now: Int64, newProducerID: () throws(Failure) -> Int64
    ) throws(Failure) -> Decision {
        if let expected, !isKnown(expected) { return .refuse(.producerFenced) }
        switch state {
        case .prepareCommit, .prepareAbort, .dead, .prepareEpochFence: return .refuse(.concurrentTransactions)
        case .ongoing: return .abortFirst(fenced(now: now))
        case .empty, .completeCommit, .completeAbort: break
        }
        var next = self
        next.state = .empty
        next.timeout = timeout
        next.partitions = []
        next.startTimestamp = -1
        next.updateTimestamp = now
        next.previousProducerID = producerID
        next.nextProducerID = -1
        if Self.isExhausted(epoch), expected.map({ $0.epoch == epoch }) ?? true {
            next.producerID = try newProducerID()
            next.epoch = 0
            next.lastEpoch = expected == nil ? -1 : epoch
        } else if let expected, epoch >= 0, expected.epoch != epoch {
            // The answer to an earlier call was lost: the same again.
            guard expected.epoch == lastEpoch else { return .refuse(.producerFenced) }
        } else {
            next.lastEpoch = expected == nil ? -1 : epoch
            next.epoch = epoch + 1
        }
        return .write(next)
    }

    private func isKnown(_ expected: Producer) -> Bool {
        epoch == -1 || expected.id == producerID
            || (expected.id == previousProducerID && Self.isExhausted(expected.epoch))
    }

    // MARK: Partitions

    /// Partitions become part of the transaction; the first one begins it.
    func add(_ added: Set<OffsetKey>, by producer: Producer, version: Int16, now: Int64) -> Decision {
        if let error = fault(producer) { return .refuse(error) }
        if state == .ongoing, added.isSubset(of: partitions) { return .unchanged }
        var next = self
        if state != .ongoing { next.startTimestamp = now }
        next.state = .ongoing
        next.partitions = partitions.union(added)
        next.previousProducerID = producerID
        next.updateTimestamp = now
        next.clientVersion = version
        return .write(next)
    }

    /// What is wrong with a producer that wants to write to these partitions; nil if they are part of its transaction.
    func fault(_ producer: Producer, writingTo written: OffsetKey) -> ErrorCode? {
        fault(producer) ?? (state == .ongoing && partitions.contains(written) ? nil : .transactionAbortable)
    }

    private func fault(_ producer: Producer) -> ErrorCode? {
        if producer.id != producerID { return .invalidProducerIdMapping }
        if producer.epoch != epoch { return .producerFenced }
        return isPrepared ? .concurrentTransactions : nil
    }

    // MARK: The end

    /// EndTxn up to version 4: the epoch stays.
    func endKeepingEpoch(_ producer: Producer, commits: Bool, now: Int64) -> Decision {
        if producer.id != producerID { return .refuse(.invalidProducerIdMapping) }
        if producer.epoch != epoch { return .refuse(.producerFenced) }
        switch state {
        case .ongoing: return .write(prepared(commits: commits, now: now))
        case .completeCommit: return commits ? .unchanged : .refuse(.invalidTxnState)
        case .completeAbort: return commits ? .refuse(.invalidTxnState) : .unchanged
        case .prepareCommit: return .refuse(commits ? .concurrentTransactions : .invalidTxnState)
        case .prepareAbort: return .refuse(commits ? .invalidTxnState : .concurrentTransactions)
        case .empty, .dead, .prepareEpochFence: return .refuse(.invalidTxnState)
        }
    }

    /// EndTxn from version 5 on: the epoch is bumped each time, so a repeated request is known by the epoch before.
    func endBumpingEpoch<Failure>(
        _ producer: Producer, commits: Bool, now: Int64, newProducerID: () throws(Failure) -> Int64
    ) throws(Failure) -> Decision {
        let isOverflowRetry = previousProducerID == producer.id && producer.epoch == .max - 1 && epoch == 0
        let isRetry = isOverflowRetry || (producer.id == producerID && Int(epoch) == Int(producer.epoch) + 1)
        if producer.id != producerID, !isOverflowRetry { return .refuse(.invalidProducerIdMapping) }
        let isCurrent = producer.epoch == epoch && producer.id == producerID
        switch state {
        case .ongoing, .empty, .dead, .prepareEpochFence: if !isCurrent { return .refuse(.producerFenced) }
        case .prepareCommit, .prepareAbort: if !isRetry { return .refuse(.producerFenced) }
        case .completeCommit, .completeAbort: if !isRetry, !isCurrent { return .refuse(.producerFenced) }
        }
        switch (state, commits) {
        case (.prepareCommit, true), (.prepareAbort, false): return .refuse(.concurrentTransactions)
        case (.completeCommit, true) where isRetry, (.completeAbort, false) where isRetry: return .unchanged
        case (.completeCommit, false) where isRetry: return .refuse(.invalidTxnState)
        case (.ongoing, _), (.empty, false), (.completeCommit, false), (.completeAbort, false): break
        default: return .refuse(.invalidTxnState)
        }
        var next = prepared(commits: commits, now: now)
        if state != .ongoing { next.startTimestamp = now }
        next.clientVersion = Self.epochBumpVersion
        next.lastEpoch = epoch
        if Self.isExhausted(epoch) { next.nextProducerID = try newProducerID() }
        if epoch < .max { next.epoch = epoch + 1 }
        return .write(next)
    }

    private func prepared(commits: Bool, now: Int64) -> Transaction {
        var next = self
        next.state = commits ? .prepareCommit : .prepareAbort
        next.previousProducerID = producerID
        next.updateTimestamp = now
        return next
    }

    /// The open transaction is to be aborted by the coordinator: the bumped epoch shuts its producer out.
    func fenced(now: Int64) -> Transaction {
        var next = prepared(commits: false, now: now)
        if epoch < .max { next.epoch = epoch + 1 }
        next.lastEpoch = -1
        return next
    }

    /// All markers are written.
    func completed(now: Int64) -> Transaction {
        var next = self
        next.state = state == .prepareCommit ? .completeCommit : .completeAbort
        next.previousProducerID = producerID
        if nextProducerID >= 0 {
            next.producerID = nextProducerID
            next.epoch = 0
        }
        next.nextProducerID = -1
        next.partitions = []
        next.updateTimestamp = now
        return next
    }
}
