import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

extension KafkaProducer {
    // MARK: - What the state machine knows

    var transactionVersion: TransactionStateMachine.Version? { state.withLockedValue { $0.transaction?.version } }

    var needsInitTransactions: Bool {
        state.withLockedValue { state in
            if case .uninitialized? = state.transaction?.phase { true } else { false }
        }
    }

    /// Whether a transaction is open or failed, or an abort has not come through.
    var needsAbort: Bool {
        state.withLockedValue { state in
            switch state.transaction?.phase {
            case .active?, .failed?, .ending(commits: false, isRunning: false)?: true
            default: false
            }
        }
    }

    func transactionalID() throws(KafkaError) -> String {
        guard let id = configuration.transactionalID else {
            throw KafkaError(.invalidConfiguration, "transactions need transactional.id", isRetriable: false)
        }
        return id
    }

    private func changeMachine<Value>(
        _ body: (inout TransactionStateMachine) throws(KafkaError) -> Value
    ) throws -> Value {
        let id = try transactionalID()
        return try state.withLockedValue { state in
            var machine = state.transaction ?? TransactionStateMachine(id: id)
            defer { state.transaction = machine }
            return try body(&machine)
        }
    }

    // MARK: - Public

    /// Asks the coordinator for the producer's id and epoch: fences off earlier producers with this `transactional.id`,
    /// and waits until what they left open has been ended. Once per producer, before the first transaction.
    ///
    /// - Parameter timeout: how long to try; by default `max.block.ms`.
    public func initTransactions(timeout: Duration? = nil) async throws {
        try changeMachine { machine throws(KafkaError) in try machine.beginInit() }
        do {
            let identity = try await requestTransactionalIdentity(current: nil, timeout: timeout)
            try changeMachine { $0.initialized() }
            state.withLockedValue { state in
                state.accumulator.identity = identity
            }
        } catch {
            try changeMachine { $0.initFailed(error as? KafkaError) }
            let failure = state.withLockedValue { $0.transaction?.failure }
            throw failure ?? error
        }
    }

    /// Begins a transaction; nothing is sent yet. All records that are sent from now on belong to it.
    public func beginTransaction() throws {
        let version = currentTransactionVersion()
        try changeMachine { machine throws(KafkaError) in try machine.begin(version) }
        state.withLockedValue { $0.accumulator.registered = version == .explicit ? [] : nil }
    }

    /// Commits offsets as part of the transaction: they count if and only if it is committed.
    ///
    /// - Parameters:
    ///   - offsets: for each partition the offset of the next record to read.
    ///   - group: who has read; ``KafkaConsumer/groupMetadata``. A member that its group has dropped gets an error that is
    ///     ``KafkaError/isAbortable``.
    public func sendOffsets(
        _ offsets: [TopicPartition: OffsetAndMetadata], group: ConsumerGroupMetadata
    ) async throws {
        let id = try transactionalID()
        guard let identity = try openIdentity(), !offsets.isEmpty else { return }
        do {
            if transactionVersion == .explicit {
                try await addOffsets(id: id, identity, group: group.groupID)
                try changeMachine { $0.started() }
            } else {
                // The group's coordinator tells the transaction's (KIP-890).
                try changeMachine { $0.started() }
            }
            try await commitOffsets(id: id, identity, offsets, group)
        } catch let error as KafkaError {
            settle(noteFailure(error, in: .commitOffsets))
            throw state.withLockedValue { $0.transaction?.failure } ?? error
        }
    }

    /// Waits until all records of the transaction are acknowledged, and commits it.
    ///
    /// Throws an error that is ``KafkaError/isAbortable`` when a record did not arrive: then abort. After a time-out or a
    /// cancellation it is not known whether the commit came through: call it again.
    public func commitTransaction() async throws { try await endTransaction(commits: true) }

    /// Gives the transaction up: what has not been sent is dropped, what has been sent is never seen by those who read
    /// committed records only. The producer can go on afterwards.
    public func abortTransaction() async throws { try await endTransaction(commits: false) }

    // MARK: - Ending

    private func endTransaction(commits: Bool) async throws {
        let id = try transactionalID()
        try changeMachine { machine throws(KafkaError) in try machine.beginEnd(commits: commits) }
        do {
            if !commits {
                let error = KafkaError(.transactionAborted, "the transaction is being aborted", isRetriable: false)
                settle(state.withLockedValue { $0.accumulator.abandon(error) })
                await state.withLockedValue { $0.registrationTask }?.value
            }
            try await flush()
            let action = try changeMachine { machine throws(KafkaError) in try machine.endAction(commits: commits) }
            let identity = try await run(action, id: id)
            state.withLockedValue { state in
                state.transaction?.ended()
                state.accumulator.transactionEnded(identity: identity)
            }
        } catch {
            try changeMachine { machine in
                if machine.failure == nil { machine.endFailed(error as? KafkaError, commits: commits) }
            }
            throw state.withLockedValue { $0.transaction?.failure } ?? error
        }
    }

    private func run(_ action: TransactionStateMachine.EndAction, id: String) async throws -> ProducerIdentity {
        guard let identity = state.withLockedValue({ $0.accumulator.identity }) else {
            throw KafkaError(.invalidState, "transactional.id '\(id)' has no producer id", isRetriable: false)
        }
        switch action {
        case .nothing: return identity
        case .raiseEpoch: return try await requestTransactionalIdentity(current: identity, timeout: nil)
        case .endTransaction(let commits, let thenRaisesEpoch):
            let next = try await end(id: id, identity, commits: commits)
            guard thenRaisesEpoch else { return next }
            return try await requestTransactionalIdentity(current: next, timeout: nil)
        }
    }

    // MARK: - Failures

    /// Batches have failed: the transaction with them. Returns what ends therefore.
    func failTransaction(_ ended: [RecordAccumulator.Ended]) -> [RecordAccumulator.Ended] {
        guard configuration.transactionalID != nil else { return [] }
        for entry in ended {
            if case .failure(let error) = entry.result, error.code != .transactionAborted {
                return noteFailure(error, in: .produce)
            }
        }
        return []
    }

    /// The transaction can only be aborted, or the producer closed. Returns the batches that end therefore.
    func noteFailure(
        _ error: KafkaError, in operation: TransactionStateMachine.Operation
    ) -> [RecordAccumulator.Ended] {
        state.withLockedValue { state in
            state.transaction?.failed(error, in: operation)
            guard let failure = state.transaction?.failure else { return [] }
            return state.accumulator.abandonment == nil ? state.accumulator.abandon(failure) : []
        }
    }

    /// The identity under which the open transaction runs.
    private func openIdentity() throws -> ProducerIdentity? {
        try state.withLockedValue { state in
            try state.transaction?.checkOpen()
            return state.accumulator.identity
        }
    }

    // MARK: - Registration (before KIP-890)

    /// Tells the coordinator of partitions, one request at a time, then drains again.
    func register(_ partitions: [TopicPartition]) {
        state.withLockedValue { state in
            guard state.registrationTask == nil, let identity = state.accumulator.identity else { return }
            state.registrationTask = Task { await self.runRegister(partitions, identity) }
        }
    }

    private func runRegister(_ partitions: [TopicPartition], _ identity: ProducerIdentity) async {
        var ended: [RecordAccumulator.Ended] = []
        do {
            try await addPartitions(id: try transactionalID(), identity, partitions)
            state.withLockedValue { state in
                state.registrationTask = nil
                state.transaction?.started()
                state.accumulator.registered?.formUnion(partitions)
            }
        } catch {
            state.withLockedValue { $0.registrationTask = nil }
            ended = noteFailure(error as? KafkaError ?? .closed("the producer"), in: .addPartitions)
        }
        settle(ended)
        drain()
    }
}
