import KafkaProtocol

/// Where a transactional producer stands. Pure: events go in, permissions and actions come out.
///
/// uninitialized → initializing → ready → active → committing or aborting → ready. What fails on the way makes the
/// transaction `failed`, from where only an abort leads on, or the producer `fatal`, from where nothing does
/// (Java: `TransactionManager`).
struct TransactionStateMachine: Sendable {
    /// Where it stands.
    enum Phase: Sendable {
        case uninitialized
        case initializing
        case ready
        case active
        /// Waits for its batches, or for the coordinator; after a time-out the same call must be repeated.
        case ending(commits: Bool, isRunning: Bool)
        case failed(KafkaError)
        case fatal(KafkaError)
    }

    /// How partitions and the end are told to the coordinator.
    enum Version: Sendable {
        /// AddPartitionsToTxn and AddOffsetsToTxn before the first write; the epoch stays.
        case explicit
        /// KIP-890, `transaction.version` 2: brokers add partitions themselves, and every end raises the epoch.
        case implicit
    }

    /// What to do to end a transaction whose batches have ended.
    enum EndAction: Equatable, Sendable {
        /// The coordinator knows nothing of it.
        case nothing
        /// Send EndTxn.
        case endTransaction(commits: Bool, thenRaisesEpoch: Bool)
        /// Send InitProducerId: it aborts whatever there is, and raises the epoch.
        case raiseEpoch
    }

    let id: String
    private(set) var phase: Phase = .uninitialized
    private(set) var version: Version = .explicit
    /// The coordinator knows of the transaction.
    private(set) var isStarted = false
    /// Something has failed: the next transaction must not go on with these sequence numbers.
    private(set) var needsEpoch = false

    init(id: String) {
        self.id = id
    }

    // MARK: - Beginning

    mutating func beginInit() throws(KafkaError) {
        switch phase {
        case .uninitialized: phase = .initializing
        case .fatal(let error): throw error
        default: throw wrong("initTransactions was called before")
        }
    }

    mutating func initialized() {
        phase = .ready
    }

    /// A failure that time may mend lets the call be repeated.
    mutating func initFailed(_ error: KafkaError?) {
        if let error, Self.disposition(error, of: .initialize) == .fatal {
            phase = .fatal(error.fatal)
        } else {
            phase = .uninitialized
        }
    }

    mutating func begin(_ version: Version) throws(KafkaError) {
        switch phase {
        case .ready:
            phase = .active
            self.version = version
            isStarted = false
            needsEpoch = false
        case .fatal(let error): throw error
        case .failed(let error):
            throw wrong("the last transaction failed (\(error.message)); abort it before the next begins")
        case .uninitialized, .initializing: throw wrong("call initTransactions first")
        case .active: throw wrong("a transaction is open; commit or abort it before the next begins")
        case .ending(let commits, _):
            throw wrong("the last transaction has not ended; call \(Self.name(commits)) again")
        }
    }

    // MARK: - Within

    /// Whether records and offsets may be added now.
    func checkOpen() throws(KafkaError) {
        switch phase {
        case .active: return
        case .failed(let error), .fatal(let error): throw error
        default: throw wrong("no transaction is open; begin one before sending")
        }
    }

    /// The coordinator has been told of a partition or a group, or a broker will tell it.
    mutating func started() {
        isStarted = true
    }

    /// Something went wrong: with records, with a partition's registration, with offsets.
    mutating func failed(_ error: KafkaError, in operation: Operation) {
        let isFatal = Self.disposition(error, of: operation) == .fatal
        switch phase {
        case .active, .ending(commits: true, _): phase = isFatal ? .fatal(error.fatal) : .failed(error.abortable)
        case .failed where isFatal, .ending(commits: false, _) where isFatal: phase = .fatal(error.fatal)
        default: break
        }
        // Sequence numbers may have a gap, and the coordinator may know more than it said.
        needsEpoch = true
    }

    /// The error that the transaction or the producer has come to.
    var failure: KafkaError? {
        switch phase {
        case .failed(let error), .fatal(let error): error
        default: nil
        }
    }

    // MARK: - Ending

    mutating func beginEnd(commits: Bool) throws(KafkaError) {
        switch phase {
        case .fatal(let error): throw error
        case .failed(let error) where commits: throw error
        case .active, .failed: phase = .ending(commits: commits, isRunning: true)
        case .ending(commits, false): phase = .ending(commits: commits, isRunning: true)
        case .ending(let other, let isRunning):
            throw isRunning
                ? wrong("\(Self.name(other)) is under way")
                : wrong("\(Self.name(other)) was begun, and whether it came through is not known; call it again")
        case .ready, .initializing, .uninitialized: throw wrong("no transaction is open")
        }
    }

    /// All batches have ended. What to tell the coordinator; throws what has failed in the meantime.
    func endAction(commits: Bool) throws(KafkaError) -> EndAction {
        if let failure { throw failure }
        if commits { return isStarted ? .endTransaction(commits: true, thenRaisesEpoch: false) : .nothing }
        if isStarted {
            return .endTransaction(commits: false, thenRaisesEpoch: needsEpoch && version == .explicit)
        }
        return needsEpoch ? .raiseEpoch : .nothing
    }

    /// The transaction is over.
    mutating func ended() {
        phase = .ready
        isStarted = false
        needsEpoch = false
    }

    /// The end did not come through. After a time-out the call can be repeated.
    mutating func endFailed(_ error: KafkaError?, commits: Bool) {
        if case .fatal = phase { return }
        guard let error else { return phase = .ending(commits: commits, isRunning: false) }
        switch Self.disposition(error, of: .end) {
        case .fatal: phase = .fatal(error.fatal)
        case .abortable where commits: phase = .failed(error.abortable)
        case .abortable, .retry: phase = .ending(commits: commits, isRunning: false)
        }
    }

    // MARK: - Private

    private static func name(_ commits: Bool) -> String { commits ? "commitTransaction" : "abortTransaction" }

    private func wrong(_ message: String) -> KafkaError {
        KafkaError(.invalidState, "transactional.id '\(id)': \(message)", isRetriable: false)
    }
}

// MARK: - What an error means

extension TransactionStateMachine {
    /// What was tried.
    enum Operation: Sendable {
        case initialize
        case produce
        case addPartitions
        case addOffsets
        case commitOffsets
        case end
    }

    /// What follows from an error.
    enum Disposition: Sendable {
        /// The same request again.
        case retry
        /// The transaction must be aborted; then the producer goes on.
        case abortable
        /// The producer is done for.
        case fatal
    }

    /// As Java's `TransactionManager` and its request handlers decide.
    static func disposition(_ error: KafkaError, of operation: Operation) -> Disposition {
        switch error.errorCode {
        case .producerFenced?, .transactionalIdAuthorizationFailed?, .clusterAuthorizationFailed?,
            .unsupportedVersion?, .unsupportedForMessageFormat?, .invalidProducerIdMapping?,
            .invalidTransactionTimeout?:
            return .fatal
        case .invalidProducerEpoch?, .invalidTxnState?:
            // The leader of a partition may only be behind; the coordinator knows.
            return operation == .produce ? .abortable : .fatal
        case .concurrentTransactions?: return .retry
        case .transactionAbortable?, .topicAuthorizationFailed?, .groupAuthorizationFailed?, .illegalGeneration?,
            .unknownMemberId?, .fencedInstanceId?, .staleMemberEpoch?, .operationNotAttempted?:
            return operation == .initialize ? .fatal : .abortable
        default: break
        }
        if error.isRetriable { return .retry }
        if error.code == .timedOut || error.code == .closed { return .abortable }
        switch operation {
        case .produce, .addPartitions, .commitOffsets: return .abortable
        case .initialize, .addOffsets, .end: return error.errorCode == nil ? .abortable : .fatal
        }
    }
}

extension KafkaError {
    /// This error as one that a transaction's abort mends.
    var abortable: KafkaError {
        var error = self
        error.isAbortable = true
        error.isRetriable = false
        return error
    }

    /// This error as one that ends the producer.
    var fatal: KafkaError {
        var error = self
        error.isFatal = true
        error.isRetriable = false
        if errorCode == .producerFenced || errorCode == .invalidProducerEpoch {
            error.code = .fenced
            error.message =
                "another producer has taken over this transactional.id, or the transaction timed out: "
                + "close this producer (\(message))"
        }
        return error
    }
}
