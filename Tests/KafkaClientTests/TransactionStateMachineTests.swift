import KafkaProtocol
import Testing

@testable import KafkaClient

/// The life of a transactional producer, as transcripts.
struct TransactionStateMachineTests {
    private func ready(_ version: TransactionStateMachine.Version? = nil) throws -> TransactionStateMachine {
        var machine = TransactionStateMachine(id: "orders")
        try machine.beginInit()
        machine.initialized()
        if let version { try machine.begin(version) }
        return machine
    }

    private func error(_ code: ErrorCode) -> KafkaError { .broker(code, "test") }

    @Test func `an empty transaction tells the coordinator nothing`() throws {
        for commits in [true, false] {
            var machine = try ready(.explicit)
            try machine.beginEnd(commits: commits)
            #expect(try machine.endAction(commits: commits) == .nothing)
            machine.ended()
            try machine.begin(.implicit)
        }
    }

    @Test func `a transaction with records ends at the coordinator`() throws {
        var machine = try ready(.explicit)
        machine.started()
        try machine.beginEnd(commits: true)
        #expect(
            try machine.endAction(commits: true) == .endTransaction(commits: true, thenRaisesEpoch: false))
        machine.ended()
        #expect(throws: KafkaError.self) { try machine.checkOpen() }
    }

    @Test func `after a failure only an abort leads on, and it renews the epoch`() throws {
        for version in [TransactionStateMachine.Version.explicit, .implicit] {
            var machine = try ready(version)
            machine.started()
            machine.failed(error(.outOfOrderSequenceNumber), in: .produce)
            #expect(machine.failure?.isAbortable == true)
            #expect(machine.failure?.isFatal == false)
            #expect(throws: KafkaError.self) { try machine.checkOpen() }
            #expect(throws: KafkaError.self) { try machine.begin(version) }
            #expect(throws: KafkaError.self) { try machine.beginEnd(commits: true) }
            try machine.beginEnd(commits: false)
            // With KIP-890 the end raises the epoch by itself.
            #expect(
                try machine.endAction(commits: false)
                    == .endTransaction(commits: false, thenRaisesEpoch: version == .explicit))
            machine.ended()
            try machine.begin(version)
        }
    }

    @Test func `a registration that may have arrived is undone by a new epoch`() throws {
        var machine = try ready(.explicit)
        machine.failed(KafkaError(.timedOut, "no answer"), in: .addPartitions)
        try machine.beginEnd(commits: false)
        #expect(try machine.endAction(commits: false) == .raiseEpoch)
    }

    @Test(arguments: [ErrorCode.producerFenced, .invalidProducerEpoch, .invalidProducerIdMapping, .invalidTxnState])
    func `the coordinator's verdict is fatal`(_ code: ErrorCode) throws {
        var machine = try ready(.explicit)
        machine.started()
        try machine.beginEnd(commits: true)
        machine.endFailed(error(code), commits: true)
        #expect(machine.failure?.isFatal == true)
        if code == .producerFenced { #expect(machine.failure?.code == .fenced) }
        #expect(throws: KafkaError.self) { try machine.beginEnd(commits: false) }
        #expect(throws: KafkaError.self) { try machine.begin(.explicit) }
    }

    @Test func `a commit of unknown outcome can only be repeated`() throws {
        var machine = try ready(.implicit)
        machine.started()
        try machine.beginEnd(commits: true)
        #expect(throws: KafkaError.self) { try machine.beginEnd(commits: true) }
        machine.endFailed(error(.coordinatorNotAvailable), commits: true)
        #expect(throws: KafkaError.self) { try machine.beginEnd(commits: false) }
        #expect(throws: KafkaError.self) { try machine.begin(.implicit) }
        try machine.beginEnd(commits: true)
        #expect(
            try machine.endAction(commits: true) == .endTransaction(commits: true, thenRaisesEpoch: false))
    }

    @Test func `a record that fails while the commit waits for it fails the commit`() throws {
        var machine = try ready(.implicit)
        machine.started()
        try machine.beginEnd(commits: true)
        machine.failed(error(.messageTooLarge), in: .produce)
        #expect(throws: KafkaError.self) { try machine.endAction(commits: true) }
        try machine.beginEnd(commits: false)
        #expect(
            try machine.endAction(commits: false) == .endTransaction(commits: false, thenRaisesEpoch: false))
    }

    @Test func `what must not be called now says so`() throws {
        var machine = TransactionStateMachine(id: "orders")
        #expect(throws: KafkaError.self) { try machine.begin(.explicit) }
        #expect(throws: KafkaError.self) { try machine.beginEnd(commits: true) }
        try machine.beginInit()
        machine.initFailed(error(.coordinatorNotAvailable))
        try machine.beginInit()
        machine.initFailed(error(.transactionalIdAuthorizationFailed))
        #expect(machine.failure?.isFatal == true)
        var other = try ready(.explicit)
        #expect(throws: KafkaError.self) { try other.beginInit() }
        #expect(throws: KafkaError.self) { try other.begin(.explicit) }
    }

    /// Java's handlers: AddPartitionsToTxnHandler, AddOffsetsToTxnHandler, TxnOffsetCommitHandler, EndTxnHandler.
    @Test func `errors mean what they mean in Java`() {
        typealias Machine = TransactionStateMachine
        for operation in [Machine.Operation.addPartitions, .addOffsets, .commitOffsets, .end, .produce] {
            #expect(Machine.disposition(error(.concurrentTransactions), of: operation) == .retry)
            #expect(Machine.disposition(error(.coordinatorLoadInProgress), of: operation) == .retry)
            #expect(Machine.disposition(error(.transactionAbortable), of: operation) == .abortable)
            #expect(Machine.disposition(error(.producerFenced), of: operation) == .fatal)
        }
        #expect(Machine.disposition(error(.invalidProducerEpoch), of: .produce) == .abortable)
        #expect(Machine.disposition(error(.illegalGeneration), of: .commitOffsets) == .abortable)
        #expect(Machine.disposition(error(.fencedInstanceId), of: .commitOffsets) == .abortable)
        #expect(Machine.disposition(error(.groupAuthorizationFailed), of: .addOffsets) == .abortable)
        #expect(Machine.disposition(error(.topicAuthorizationFailed), of: .addPartitions) == .abortable)
    }
}
