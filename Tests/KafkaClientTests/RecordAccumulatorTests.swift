import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaClient

/// Order, sequence numbers and retries of a producer, as transcripts.
struct RecordAccumulatorTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let partition = TopicPartition(topic: "t", partition: 0)

    private func accumulator(
        batchSize: Int = 100, linger: TimeAmount = .zero, idempotent: Bool = true
    ) -> RecordAccumulator {
        var accumulator = RecordAccumulator(
            limits: .init(
                batchSize: batchSize, linger: linger, maxInFlight: 5, maxRequestSize: 1000,
                deliveryTimeout: .seconds(120), retries: 10, compression: .none, isIdempotent: idempotent))
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
    private func append(_ accumulator: inout RecordAccumulator, _ call: SendCall, bytes: Int = 100) {
        let record = ProducerRecord(
            topic: "t", partition: 0, value: ByteBuffer(repeating: 120, count: bytes))
        call.enter(partition, timestamp: 1)
        let size = RecordBatchBuilder.estimatedSize(key: nil, value: record.value)
        accumulator.append(record, to: partition, size: size, timestamp: 1, call: call, index: 0, now: start)
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
        let calls = (0..<3).map { _ in SendCall(count: 1) }
        for call in calls { append(&accumulator, call) }
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
        for _ in 0..<4 { append(&accumulator, SendCall(count: 1)) }
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

    @Test func `a duplicate counts as delivered`() {
        var accumulator = accumulator()
        append(&accumulator, SendCall(count: 1))
        let sent = drain(&accumulator)
        let ended = accumulator.returned(sent[0], failure(.duplicateSequenceNumber), now: start, backoff: .zero)
        guard case .success((-1, _))? = ended?.result else {
            Issue.record("a repeated batch is in the log")
            return
        }
    }

    @Test func `a gap that the broker reports fails the batch, and the others go on under a new id`() {
        var accumulator = accumulator()
        for _ in 0..<2 { append(&accumulator, SendCall(count: 1)) }
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
        let call = SendCall(count: 1)
        for _ in 0..<3 { append(&accumulator, call, bytes: 50) }
        let plan = accumulator.plan(metadata(), now: start)
        #expect(plan.requests.isEmpty)
        #expect(plan.nextCheck == start + .milliseconds(5))
        let sent = drain(&accumulator, at: start + .milliseconds(5))
        #expect(sent.map(\.count) == [3])
        for _ in 0..<20 { append(&accumulator, call, bytes: 90) }
        // Full batches don't wait; flush takes the rest along.
        #expect(drain(&accumulator).count == 1)
        let last = accumulator.flush()
        #expect(accumulator.hasOpenBatches(upTo: last))
        while !drain(&accumulator).isEmpty {}
        #expect(accumulator.plan(metadata(), now: start).nextCheck == nil)
    }

    @Test func `what can't be delivered in time fails with the last error`() {
        var accumulator = accumulator()
        append(&accumulator, SendCall(count: 1))
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
        let call = SendCall(count: 4)
        for _ in 0..<4 { append(&accumulator, call) }
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

    @Test func `sequence numbers wrap to zero`() {
        #expect(RecordAccumulator.advance(Int32.max - 1, by: 2) == 0)
        #expect(RecordAccumulator.advance(Int32.max, by: 1) == 0)
        #expect(RecordAccumulator.advance(5, by: 3) == 8)
    }

    @Test func `without a leader the topic is asked for, and nothing is sent`() {
        var accumulator = accumulator()
        append(&accumulator, SendCall(count: 1))
        let plan = accumulator.plan(metadata(leader: 99), now: start)
        #expect(plan.requests.isEmpty)
        #expect(plan.staleTopics == ["t"])
    }
}
