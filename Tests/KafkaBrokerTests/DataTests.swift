import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Producing and fetching.
@Suite("Records")
struct DataTests {
    @Test("A fetch inside a batch returns the whole batch; limits never hide the first batch")
    func wholeBatches() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        #expect(try connection.produce("t", RawConnection.batch(["a", "b", "c"])).baseOffset == 0)
        #expect(try connection.produce("t", RawConnection.batch(["d", "e"])).baseOffset == 3)
        #expect(try RawConnection.values(connection.fetch("t", offset: 1).records) == ["a", "b", "c", "d", "e"])
        #expect(try RawConnection.values(connection.fetch("t", offset: 4).records) == ["d", "e"])
        #expect(try RawConnection.values(connection.fetch("t", offset: 0, maxBytes: 1).records) == ["a", "b", "c"])
        let end = try connection.fetch("t", offset: 5)
        #expect(end.errorCode == .none && end.highWatermark == 5 && end.records?.readableBytes == 0)
        #expect(try connection.fetch("t", offset: 6).errorCode == .offsetOutOfRange)
        #expect(try connection.fetch("u", offset: 0).errorCode == .unknownTopicOrPartition)
        await broker.stop()
    }

    @Test("Large records of several partitions come back whole, in every layout")
    func largeAnswers() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t", partitions: 3)
        let values = (0..<3).map { String(repeating: "\($0)", count: 40_000 * $0 + 10) }
        for (index, value) in values.enumerated() {
            try connection.produce("t", RawConnection.batch([value, value]), partition: Int32(index))
        }
        var request = RawConnection.fetchRequest("t", offset: 0)
        for index: Int32 in 1...2 {
            var partition = request.topics[0].partitions[0]
            partition.partition = index
            request.topics[0].partitions.append(partition)
        }
        for version: Int16 in 4...12 {
            let answer = try #require(try connection.call(request, version: version).responses.first)
            for (index, partition) in answer.partitions.enumerated() {
                #expect(try RawConnection.values(partition.records) == [values[index], values[index]])
            }
        }
        request.maxBytes = 100_000
        let limited = try #require(try connection.call(request, version: 12).responses.first)
        #expect(limited.partitions.map { ($0.records?.readableBytes ?? 0) > 0 } == [true, true, false])
        await broker.stop()
    }

    @Test("A long poll is answered when enough has arrived, and not before")
    func longPoll() async throws {
        let broker = try await TestBroker.start()
        let (reader, writer) = (try RawConnection(port: broker.port), try RawConnection(port: broker.port))
        try writer.createTopic("t")
        let batch = try RawConnection.batch([String(repeating: "x", count: 1000)])
        var poll = RawConnection.fetchRequest("t", offset: 0, maxWait: 25_000)
        poll.minBytes = Int32(2 * batch.readableBytes)
        let correlation = try reader.send(poll, version: 12)
        try writer.produce("t", batch)
        try writer.produce("t", batch)
        let answer = try reader.receive(FetchRequest.self, correlation: correlation, version: 12)
        #expect(answer.responses.first?.partitions.first?.records?.readableBytes == 2 * batch.readableBytes)
        // Nothing comes: the time is up.
        let start = ContinuousClock.now
        #expect(try reader.fetch("t", offset: 2, maxWait: 300).records?.readableBytes == 0)
        #expect(ContinuousClock.now - start >= .milliseconds(290))
        // The topic goes away under a poll.
        let waiting = try reader.send(RawConnection.fetchRequest("t", offset: 2, maxWait: 25_000), version: 12)
        var delete = DeleteTopicsRequest()
        delete.topicNames = ["t"]
        #expect(try writer.call(delete, version: 5).responses.first?.errorCode == ErrorCode.none)
        let gone = try reader.receive(FetchRequest.self, correlation: waiting, version: 12)
        #expect(gone.responses.first?.partitions.first?.errorCode == .unknownTopicOrPartition)
        await broker.stop()
    }

    @Test("Acks 0 gives no answer; a failed one closes the connection; odd acks are refused")
    func acks() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let batch = try RawConnection.batch(["x"])
        try connection.send(RawConnection.produceRequest("t", batch, acks: 0), version: 9)
        #expect(try connection.produce("t", batch, acks: 1).baseOffset == 1)
        #expect(try connection.produce("t", batch, acks: 2).errorCode == .invalidRequiredAcks)
        try connection.send(RawConnection.produceRequest("absent", batch, acks: 0), version: 9)
        #expect(connection.isClosedByPeer())
        await broker.stop()
    }

    @Test("Batches that must not be stored are refused with Kafka's codes")
    func refused() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("plain", configs: ["max.message.bytes": "200"])
        try connection.createTopic("compacted", configs: ["cleanup.policy": "compact"])
        let good = try RawConnection.batch(["x"])
        var corrupt = good
        corrupt.setInteger(UInt8(0xFF), at: corrupt.readerIndex + 65)
        #expect(try connection.produce("plain", corrupt).errorCode == .corruptMessage)
        let cut = try #require(good.getSlice(at: good.readerIndex, length: 40))
        #expect(try connection.produce("plain", cut).errorCode == .corruptMessage)
        #expect(try connection.produce("plain", ByteBuffer()).errorCode == .invalidRecord)
        let large = try RawConnection.batch([String(repeating: "x", count: 300)])
        #expect(try connection.produce("plain", large).errorCode == .messageTooLarge)
        let keyless = try connection.produce("compacted", RawConnection.batch(["x"], key: nil))
        #expect(keyless.errorCode == .invalidRecord && keyless.errorMessage != nil)
        #expect(try connection.produce("compacted", good).errorCode == .none)
        let future = try RawConnection.batch(["x"], timestamp: WallClock.now() + 7_200_000)
        #expect(try connection.produce("plain", future).errorCode == .invalidTimestamp)
        #expect(try connection.produce("plain", good, partition: 1).errorCode == .unknownTopicOrPartition)
        #expect(try connection.produce("plain", good).baseOffset == 0)
        await broker.stop()
    }

    @Test("An idempotent producer's repeat is answered with the old offset, a gap and an old epoch are refused")
    func idempotence() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        var ask = InitProducerIdRequest()
        ask.transactionalId = nil
        let given = try connection.call(ask, version: 5)
        let other = try connection.call(ask, version: 5)
        #expect(given.errorCode == .none && given.producerId >= 0 && given.producerId != other.producerId)
        func batch(_ sequence: Int32, epoch: Int16 = 1) throws -> ByteBuffer {
            var builder = RecordBatchBuilder(
                compression: .none, producerId: given.producerId, producerEpoch: epoch, baseSequence: sequence)
            builder.append(timestamp: 1, key: nil, value: ByteBuffer(string: "\(sequence)"))
            return try builder.build()
        }
        #expect(try connection.produce("t", batch(0)).baseOffset == 0)
        #expect(try connection.produce("t", batch(1)).baseOffset == 1)
        let repeated = try connection.produce("t", batch(0))
        #expect(repeated.errorCode == .none && repeated.baseOffset == 0)
        #expect(try connection.produce("t", batch(3)).errorCode == .outOfOrderSequenceNumber)
        #expect(try connection.produce("t", batch(2, epoch: 0)).errorCode == .invalidProducerEpoch)
        #expect(try connection.fetch("t", offset: 0).highWatermark == 2)
        await broker.stop()
    }

    @Test("Offsets by time, and the ends of a log whose beginning was deleted")
    func listOffsets() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        for second: Int64 in [10, 20, 30] {
            try connection.produce("t", RawConnection.batch(["a", "b"], timestamp: second * 1000))
        }
        func ask(_ timestamp: Int64) throws -> (Int64, Int64) {
            let response = try connection.call(WireTests.listOffsets("t", timestamp))
            let answer = try #require(response.topics.first?.partitions.first)
            #expect(answer.errorCode == .none)
            return (answer.offset, answer.timestamp)
        }
        #expect(try ask(-1) == (6, -1))
        #expect(try ask(-2) == (0, -1))
        #expect(try ask(-3) == (5, 30_001))
        #expect(try ask(10_001) == (1, 10_001))
        #expect(try ask(15_000) == (2, 20_000))
        #expect(try ask(99_000) == (-1, -1))
        var partition = DeleteRecordsRequest.DeleteRecordsTopic.DeleteRecordsPartition()
        partition.offset = 4
        var topic = DeleteRecordsRequest.DeleteRecordsTopic()
        topic.name = "t"
        topic.partitions = [partition]
        var delete = DeleteRecordsRequest()
        delete.topics = [topic]
        #expect(try connection.call(delete).topics.first?.partitions.first?.lowWatermark == 4)
        #expect(try ask(-2) == (4, -1))
        #expect(try connection.fetch("t", offset: 3).errorCode == .offsetOutOfRange)
        await broker.stop()
    }

    @Test("LogAppendTime puts the broker's clock into the batch")
    func logAppendTime() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t", configs: ["message.timestamp.type": "LogAppendTime"])
        let before = WallClock.now()
        let result = try connection.produce("t", RawConnection.batch(["x"], timestamp: 5))
        #expect(result.logAppendTimeMs >= before)
        let records = try #require(connection.fetch("t", offset: 0).records)
        let batch = try RecordBatch(records)
        #expect(batch.isChecksumValid && batch.header.maxTimestamp == result.logAppendTimeMs)
        await broker.stop()
    }
}
