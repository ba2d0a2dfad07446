import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaBroker

/// The state machine of one transactional id, by the tables of KIP-98, KIP-360 and KIP-890 (the comments of Kafka's
/// `TransactionCoordinator`).
@Suite struct TransactionStateTests {
    typealias Producer = Transaction.Producer

    private let partition = OffsetKey(topic: "t", partition: 0)

    private func fresh() -> Transaction { Transaction(id: "x", producerID: 10, timeout: 60_000, now: 0) }

    private func next(_ decision: Transaction.Decision) throws -> Transaction {
        guard case .write(let next) = decision else {
            Issue.record("\(decision)")
            throw CancellationError()
        }
        return next
    }

    private func ongoing(epoch: Int16 = 0) throws -> Transaction {
        var transaction = fresh()
        transaction.epoch = epoch
        return try next(
            transaction.add([partition], by: Producer(id: 10, epoch: epoch), version: 2, now: 5))
    }

    @Test func theEpochIsBumpedByEveryInitialisation() throws {
        let first = try next(fresh().initialise(timeout: 1000, expected: nil, now: 1) { 99 })
        #expect(first.producer == Producer(id: 10, epoch: 0) && first.timeout == 1000)
        let second = try next(first.initialise(timeout: 1000, expected: nil, now: 2) { 99 })
        #expect(second.producer == Producer(id: 10, epoch: 1) && second.lastEpoch == -1)
        // KIP-360: with the current epoch, again with the one before (a retry), and with one that is fenced.
        let third = try next(second.initialise(timeout: 1000, expected: second.producer, now: 3) { 99 })
        #expect(third.producer == Producer(id: 10, epoch: 2) && third.lastEpoch == 1)
        let retried = try next(third.initialise(timeout: 1000, expected: second.producer, now: 4) { 99 })
        #expect(retried.producer == third.producer)
        #expect(third.initialise(timeout: 1, expected: first.producer, now: 5) { 99 } == .refuse(.producerFenced))
        #expect(
            third.initialise(timeout: 1, expected: Producer(id: 11, epoch: 2), now: 5) { 99 }
                == .refuse(.producerFenced))
        var exhausted = third
        exhausted.epoch = .max - 1
        let rotated = try next(exhausted.initialise(timeout: 1000, expected: nil, now: 6) { 99 })
        #expect(rotated.producer == Producer(id: 99, epoch: 0) && rotated.previousProducerID == 10)
    }

    @Test func anOpenTransactionIsAbortedByAnInitialisation() throws {
        let open = try ongoing()
        guard case .abortFirst(let fenced) = open.initialise(timeout: 1, expected: nil, now: 9, newProducerID: { 99 })
        else {
            Issue.record("not aborted")
            return
        }
        #expect(fenced.state == .prepareAbort && fenced.epoch == 1 && fenced.partitions == [partition])
        let complete = fenced.completed(now: 10)
        #expect(complete.state == .completeAbort && complete.partitions.isEmpty)
        #expect(try next(complete.initialise(timeout: 1, expected: nil, now: 11) { 99 }).epoch == 2)
    }

    @Test func partitionsAreAddedByTheCurrentProducerOnly() throws {
        let open = try ongoing()
        #expect(open.startTimestamp == 5)
        #expect(open.add([partition], by: open.producer, version: 2, now: 6) == .unchanged)
        #expect(
            open.add([partition], by: Producer(id: 10, epoch: 1), version: 2, now: 6) == .refuse(.producerFenced))
        #expect(
            open.add([partition], by: Producer(id: 11, epoch: 0), version: 2, now: 6)
                == .refuse(.invalidProducerIdMapping))
        let more = try next(
            open.add([OffsetKey(topic: "t", partition: 1)], by: open.producer, version: 2, now: 7))
        #expect(more.partitions.count == 2 && more.startTimestamp == 5)
        #expect(open.fault(open.producer, writingTo: partition) == nil)
        #expect(open.fault(open.producer, writingTo: OffsetKey(topic: "u", partition: 0)) == .transactionAbortable)
        let prepared = try next(open.endKeepingEpoch(open.producer, commits: true, now: 8))
        #expect(
            prepared.add([partition], by: open.producer, version: 2, now: 9) == .refuse(.concurrentTransactions))
    }

    @Test func theFirstProtocolKeepsTheEpoch() throws {
        let open = try ongoing()
        let prepared = try next(open.endKeepingEpoch(open.producer, commits: true, now: 8))
        #expect(prepared.state == .prepareCommit && prepared.epoch == 0)
        #expect(prepared.endKeepingEpoch(open.producer, commits: true, now: 9) == .refuse(.concurrentTransactions))
        #expect(prepared.endKeepingEpoch(open.producer, commits: false, now: 9) == .refuse(.invalidTxnState))
        let complete = prepared.completed(now: 10)
        #expect(complete.state == .completeCommit && complete.epoch == 0)
        #expect(complete.endKeepingEpoch(open.producer, commits: true, now: 11) == .unchanged)
        #expect(complete.endKeepingEpoch(open.producer, commits: false, now: 11) == .refuse(.invalidTxnState))
        var empty = fresh()
        empty.epoch = 0
        #expect(empty.endKeepingEpoch(empty.producer, commits: true, now: 1) == .refuse(.invalidTxnState))
        #expect(
            open.endKeepingEpoch(Producer(id: 10, epoch: 3), commits: true, now: 1) == .refuse(.producerFenced))
    }

    @Test func theSecondProtocolBumpsTheEpochAndKnowsARetryByTheOneBefore() throws {
        let open = try ongoing()
        let before = open.producer
        func end(_ transaction: Transaction, _ producer: Producer, _ commits: Bool) -> Transaction.Decision {
            transaction.endBumpingEpoch(producer, commits: commits, now: 20) { 99 }
        }
        let prepared = try next(end(open, before, true))
        #expect(prepared.epoch == 1 && prepared.lastEpoch == 0 && prepared.state == .prepareCommit)
        #expect(end(prepared, before, true) == .refuse(.concurrentTransactions))
        #expect(end(prepared, prepared.producer, true) == .refuse(.producerFenced))
        let complete = prepared.completed(now: 21)
        // Kafka's table for CompleteCommit: retry commit NONE, retry abort ITS, current commit ITS, current abort EB.
        #expect(end(complete, before, true) == .unchanged)
        #expect(end(complete, before, false) == .refuse(.invalidTxnState))
        #expect(end(complete, complete.producer, true) == .refuse(.invalidTxnState))
        #expect(try next(end(complete, complete.producer, false)).epoch == 2)
        // CompleteAbort: retry abort NONE, retry commit ITS, current abort EB, current commit ITS.
        let aborted = try next(end(complete, complete.producer, false)).completed(now: 22)
        #expect(end(aborted, complete.producer, false) == .unchanged)
        #expect(end(aborted, complete.producer, true) == .refuse(.invalidTxnState))
        #expect(try next(end(aborted, aborted.producer, false)).epoch == 3)
        #expect(end(aborted, aborted.producer, true) == .refuse(.invalidTxnState))
        // Empty: abort EB, commit ITS, retries PF.
        var empty = fresh()
        empty.epoch = 4
        #expect(try next(end(empty, empty.producer, false)).epoch == 5)
        #expect(end(empty, empty.producer, true) == .refuse(.invalidTxnState))
        #expect(end(empty, Producer(id: 10, epoch: 3), false) == .refuse(.producerFenced))
    }

    @Test func exhaustedEpochsGiveANewProducerID() throws {
        let open = try ongoing(epoch: .max - 1)
        let prepared = try next(open.endBumpingEpoch(open.producer, commits: true, now: 20) { 99 })
        #expect(prepared.epoch == .max && prepared.producerID == 10 && prepared.nextProducerID == 99)
        let complete = prepared.completed(now: 21)
        #expect(complete.producer == Producer(id: 99, epoch: 0))
        #expect(complete.endBumpingEpoch(open.producer, commits: true, now: 22) { 100 } == .unchanged)
    }

    @Test func recordsAreKafkasAndComeBack() throws {
        var transaction = try ongoing()
        transaction.clientVersion = 0
        let record = try TransactionRecords.encode(transaction)
        // Version 0, length, "x".
        #expect(Array(record.key.readableBytesView) == [0, 0, 0, 1, 120])
        let value = Array(try #require(record.value).readableBytesView)
        // Version 1, producer id 10, epoch 0, timeout 60000, state 1 (Ongoing), one topic "t" with partition 0.
        #expect(value.prefix(2) == [0, 1] && value[2..<10] == [0, 0, 0, 0, 0, 0, 0, 10])
        #expect(value[10..<17] == [0, 0, 0, 0, 0xEA, 0x60, 1])
        #expect(value[17..<26] == [2, 2, 116, 2, 0, 0, 0, 0, 0])
        let decoded = try #require(try TransactionRecords.decode(key: record.key, value: record.value))
        #expect(decoded.id == "x" && decoded.transaction == transaction)
    }
}
