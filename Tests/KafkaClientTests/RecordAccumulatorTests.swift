import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaClient

/// Order, sequence numbers and retries of a producer, as transcripts.
struct RecordAccumulatorTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let partition = TopicPartition(topic: "t", partition: 0)

    private func accumulator(
        batchSize: Int = 100, linger: TimeAmount = .zero, idempotent: Bool = true, transactional: Bool = false
    ) -> RecordAccumulator {
        var accumulator = RecordAccumulator(
            limits: .init(
                batchSize: batchSize, linger: linger, maxInFlight: 5, maxRequestSize: 1000,
                deliveryTimeout: .seconds(120), retries: 10, compression: .none, isIdempotent: idempotent,
                isTransactional: transactional))
        accumulator.identity = ProducerIdentity(id: 7, epoch: 0)
        return accumulator
    }

    private func metadata(leader: Int32 = 1, partitions: Int32 = 1) -> ClusterMetadata {
        var response = MetadataResponse()
        for id in 1...2 {
            var broker = MetadataResponse.MetadataResponseBroker()
            broker.nodeId = Int32(id)
            broker.host = "b\(id)"
            broker.port = 9092
            response.brokers.append(broker)
        }
        var topic = MetadataResponse.MetadataResponseTopic()
        topic.name = "t"
        for id in 0..<partitions {
            var partition = MetadataResponse.MetadataResponseTopic.MetadataResponsePartition()
            partition.partitionIndex = id
            partition.leaderId = leader
            topic.partitions.append(partition)
        }
        response.topics = [topic]
        var metadata = ClusterMetadata()
        metadata.update(response, isComplete: true, now: .now)
        return metadata
    }

    /// Appends one record of 100 bytes, which fills a batch.
    @discardableResult
    private func append(_ accumulator: inout RecordAccumulator, bytes: Int = 100) -> RecordAccumulator.Appended {
        let record = ProducerRecord(
            topic: "t", partition: 0, value: ByteBuffer(repeating: 120, count: bytes))
        let size = RecordBatchBuilder.estimatedSize(key: nil, value: record.value)
        let number = accumulator.number(of: "t")
        return accumulator.append(record, to: 0, number: number, size: size, timestamp: 1, now: start)
    }

    private func drain(_ accumulator: inout RecordAccumulator, at time: NIODeadline? = nil) -> [ProducerBatch] {
        let plan = accumulator.plan(metadata(), now: time ?? start)
        // As if each request's answer had come: only the batches of a partition hold each other up here.
        for request in plan.requests { accumulator.finished(request) }
        return plan.requests.flatMap(\.batches)
    }

    private func failure(_ code: ErrorCode) -> Result<(baseOffset: Int64, logAppendTime: Int64), KafkaError> {
        .failure(.broker(code, "test"))
    }

    @Test func `batches in flight carry consecutive sequence numbers`() {
        var accumulator = accumulator()
        for _ in 0..<3 { append(&accumulator) }
        let sent = (0..<3).flatMap { _ in drain(&accumulator) }
        #expect(sent.map(\.baseSequence) == [0, 1, 2])
        #expect(sent.map(\.identity) == Array(repeating: ProducerIdentity(id: 7, epoch: 0), count: 3))
        #expect(accumulator.openBatches == 3)
        for batch in sent {
            #expect(accumulator.returned(batch, .success((0, -1)), now: start, backoff: .zero) != nil)
        }
        #expect(accumulator.openBatches == 0)
        #expect(accumulator.bufferedBytes == 0)
    }

    @Test func `a batch that must be repeated goes out first, and nothing before all have come back`() {
        var accumulator = accumulator()
        for _ in 0..<4 { append(&accumulator) }
        let sent = (0..<3).flatMap { _ in drain(&accumulator) }
        let backoff = TimeAmount.milliseconds(100)
        #expect(accumulator.returned(sent[0], failure(.notLeaderOrFollower), now: start, backoff: backoff) == nil)
        // Two are still in flight: neither the first nor the fourth may leave now.
        #expect(drain(&accumulator, at: start + .seconds(1)).isEmpty)
        // The broker refuses those behind, for their predecessor is missing: they wait too.
        #expect(accumulator.returned(sent[1], failure(.outOfOrderSequenceNumber), now: start, backoff: backoff) == nil)
        #expect(accumulator.returned(sent[2], failure(.outOfOrderSequenceNumber), now: start, backoff: backoff) == nil)
        #expect(drain(&accumulator).isEmpty)  // back-off
        let later = start + .milliseconds(100)
        let again = (0..<4).flatMap { _ in drain(&accumulator, at: later) }
        #expect(again.map(\.id) == sent.map(\.id) + [again[3].id])
        #expect(again.map(\.baseSequence) == [0, 1, 2, 3])
    }

    /// What is in flight to the old leader may be refused there; without sequence numbers nobody would see the change of
    /// order at the new one.
    @Test func `when the leader moves, nothing overtakes what the old one has`() throws {
        var accumulator = accumulator(idempotent: false)
        for _ in 0..<2 { append(&accumulator) }
        let first = try #require(accumulator.plan(metadata(leader: 1), now: start).requests.first)
        #expect(accumulator.plan(metadata(leader: 2), now: start).requests.isEmpty)
        accumulator.finished(first)
        let ended = accumulator.returned(
            first.batches[0], failure(.notLeaderOrFollower), now: start, backoff: .zero)
        #expect(ended?.batch.id == nil)
        let repeated = accumulator.plan(metadata(leader: 2), now: start)
        #expect(repeated.requests.map(\.node.id) == [2])
        #expect(repeated.requests.first?.batches.map(\.id) == first.batches.map(\.id))
    }

    @Test func `a duplicate counts as delivered`() {
        var accumulator = accumulator()
        append(&accumulator)
        let sent = drain(&accumulator)
        let ended = accumulator.returned(sent[0], failure(.duplicateSequenceNumber), now: start, backoff: .zero)
        guard case .success((-1, _))? = ended?.result else {
            Issue.record("a repeated batch is in the log")
            return
        }
    }

    @Test func `a gap that the broker reports fails the batch, and the others go on under a new id`() {
        var accumulator = accumulator()
        for _ in 0..<2 { append(&accumulator) }
        let sent = (0..<2).flatMap { _ in drain(&accumulator) }
        let ended = accumulator.returned(sent[0], failure(.outOfOrderSequenceNumber), now: start, backoff: .zero)
        guard case .failure? = ended?.result else {
            Issue.record("data before it was lost: that must be told")
            return
        }
        #expect(accumulator.returned(sent[1], failure(.outOfOrderSequenceNumber), now: start, backoff: .zero) == nil)
        #expect(accumulator.identity == nil)
        #expect(accumulator.plan(metadata(), now: start).needsIdentity)
        accumulator.identity = ProducerIdentity(id: 8, epoch: 0)
        let again = drain(&accumulator)
        #expect(again.map(\.id) == [sent[1].id])
        #expect(again[0].identity?.id == 8)
        #expect(again[0].baseSequence == 0)
    }

    @Test func `records share the open batch until it is full or its time has come`() {
        var accumulator = accumulator(batchSize: 1000, linger: .milliseconds(5))
        for _ in 0..<3 { append(&accumulator, bytes: 50) }
        let plan = accumulator.plan(metadata(), now: start)
        #expect(plan.requests.isEmpty)
        #expect(plan.nextCheck == start + .milliseconds(5))
        let sent = drain(&accumulator, at: start + .milliseconds(5))
        #expect(sent.map(\.count) == [3])
        for _ in 0..<20 { append(&accumulator, bytes: 90) }
        // Full batches don't wait; flush takes the rest along.
        #expect(drain(&accumulator).count == 1)
        let last = accumulator.flush()
        #expect(accumulator.hasOpenBatches(upTo: last))
        while !drain(&accumulator).isEmpty {}
        #expect(accumulator.plan(metadata(), now: start).nextCheck == nil)
    }

    @Test func `what can't be delivered in time fails with the last error`() {
        var accumulator = accumulator()
        append(&accumulator)
        let sent = drain(&accumulator)
        _ = accumulator.returned(sent[0], failure(.notEnoughReplicas), now: start, backoff: .zero)
        let plan = accumulator.plan(metadata(), now: start + .seconds(121))
        #expect(plan.requests.isEmpty)
        guard case .failure(let error)? = plan.ended.first?.result else {
            Issue.record("it must end")
            return
        }
        #expect(error.code == .timedOut)
        #expect((error.cause as? KafkaError)?.errorCode == .notEnoughReplicas)
        #expect(accumulator.openBatches == 0)
    }

    @Test func `a batch too large for the broker is halved, in order`() throws {
        var accumulator = accumulator(batchSize: 10_000)
        for _ in 0..<4 { append(&accumulator) }
        var sent = drain(&accumulator)
        #expect(sent.map(\.count) == [4])
        let bytes = try sent[0].finish()
        accumulator.keep(bytes, of: sent[0])
        #expect(accumulator.returned(sent[0], failure(.messageTooLarge), now: start, backoff: .zero) == nil)
        #expect(accumulator.openBatches == 2)
        // The sequence numbers begin again under a new id: the broker has none of them.
        accumulator.identity = ProducerIdentity(id: 9, epoch: 0)
        let halves = (0..<2).flatMap { _ in drain(&accumulator) }
        #expect(halves.map(\.count) == [2, 2])
        #expect(halves.map(\.baseSequence) == [0, 2])
        #expect(Set(halves.map(\.id)).count == 2)
        for half in halves { _ = accumulator.returned(half, .success((0, -1)), now: start, backoff: .zero) }
        #expect(accumulator.bufferedBytes == 0)
    }

    @Test func `the parts of a batch in a transaction keep its sequence numbers`() throws {
        var accumulator = accumulator(batchSize: 10_000, transactional: true)
        for _ in 0..<4 { append(&accumulator) }
        let sent = drain(&accumulator)
        var batch = sent[0]
        accumulator.keep(try batch.finish(), of: batch)
        append(&accumulator)
        #expect(accumulator.returned(batch, failure(.messageTooLarge), now: start, backoff: .zero) == nil)
        let again = (0..<3).flatMap { _ in drain(&accumulator) }
        #expect(again.map(\.baseSequence) == [0, 2, 4])
        #expect(again.allSatisfy { $0.identity == ProducerIdentity(id: 7, epoch: 0) })
        for var half in again {
            let header = try RecordBatchHeader(parsing: half.finish())
            #expect(header.isTransactional)
        }
    }

    @Test func `partitions wait until the transaction's coordinator knows them`() {
        var accumulator = accumulator(transactional: true)
        accumulator.registered = []
        append(&accumulator)
        let plan = accumulator.plan(metadata(), now: start)
        #expect(plan.requests.isEmpty)
        #expect(plan.unregistered == [partition])
        accumulator.registered = [partition]
        #expect(drain(&accumulator).count == 1)
    }

    @Test func `an abandoned transaction sends nothing more and its end renews the numbers`() {
        var accumulator = accumulator(transactional: true)
        for _ in 0..<3 { append(&accumulator) }
        let sent = drain(&accumulator)
        let ended = accumulator.abandon(KafkaError(.transactionAborted, "test"))
        #expect(ended.count == 2)
        #expect(drain(&accumulator).isEmpty)
        // A retriable failure ends a batch that nobody wants any more.
        #expect(
            accumulator.returned(sent[0], failure(.notLeaderOrFollower), now: start, backoff: .zero) != nil)
        #expect(accumulator.openBatches == 0)
        accumulator.transactionEnded(identity: ProducerIdentity(id: 7, epoch: 1))
        append(&accumulator)
        let next = drain(&accumulator)
        #expect(next.map(\.baseSequence) == [0])
        #expect(next.map(\.identity) == [ProducerIdentity(id: 7, epoch: 1)])
    }

    @Test func `receipts tell each record's place, also in the parts of a split batch`() async throws {
        var accumulator = accumulator(batchSize: 10_000)
        var receipt = SendReceipt()
        for _ in 0..<4 {
            let appended = append(&accumulator)
            receipt.add(appended.delivery, place: appended.place, timestamp: 1) { partition }
        }
        var sent = drain(&accumulator)
        accumulator.keep(try sent[0].finish(), of: sent[0])
        _ = accumulator.returned(sent[0], failure(.messageTooLarge), now: start, backoff: .zero)
        accumulator.identity = ProducerIdentity(id: 9, epoch: 0)
        let halves = (0..<2).flatMap { _ in drain(&accumulator) }
        for (half, offset) in zip(halves, [50, 90] as [Int64]) {
            accumulator.returned(half, .success((offset, -1)), now: start, backoff: .zero).map {
                $0.batch.settle($0.result)
            }
        }
        #expect(try await receipt.metadata().map(\.offset) == [50, 51, 90, 91])
    }

    @Test func `records without key go rather where the queue is short`() {
        let candidates: [(partition: Int32, queued: Int)] = [(0, 3), (1, 0), (2, 1)]
        var taken: [Int32: Int] = [:]
        for point in 0..<8 {
            let chosen = StickyPartitioner.choose(candidates, other: 1, isAdaptive: true) { bound in
                #expect(bound == 8)
                return point
            }
            taken[chosen ?? -1, default: 0] += 1
        }
        // Java's cumulative frequencies: the longest queue plus one less one's own.
        #expect(taken == [0: 1, 1: 4, 2: 3])
        let even = StickyPartitioner.choose([(0, 2), (1, 2)], other: 0, isAdaptive: true) { _ in 0 }
        #expect(even == 1)
    }

    @Test func `sequence numbers wrap to zero`() {
        #expect(RecordAccumulator.advance(Int32.max - 1, by: 2) == 0)
        #expect(RecordAccumulator.advance(Int32.max, by: 1) == 0)
        #expect(RecordAccumulator.advance(5, by: 3) == 8)
    }

    @Test func `without a leader the topic is asked for, and nothing is sent`() {
        var accumulator = accumulator()
        append(&accumulator)
        let plan = accumulator.plan(metadata(leader: 99), now: start)
        #expect(plan.requests.isEmpty)
        #expect(plan.staleTopics == ["t"])
    }
}
