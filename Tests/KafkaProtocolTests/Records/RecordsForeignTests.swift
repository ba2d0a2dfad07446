import KafkaProtocol
import NIOCore
import Testing

@Suite("Record batches of kafka-python and librdkafka")
struct RecordsForeignTests {
    @Test(arguments: RecordFixtures.clientBatches)
    func clientBatchIsReadWhole(_ name: String) throws {
        let bytes = try RecordFixtures.bytes(name)
        let header = try RecordBatches.validateForAppend(bytes, maxMessageBytes: bytes.readableBytes)
        #expect(name.hasSuffix(header.compression.name))
        #expect(header.baseOffset == 0)
        #expect(header.lastOffsetDelta == 19)
        #expect(header.recordCount == 20)
        #expect(header.baseTimestamp == 1_700_000_000_000)
        #expect(header.maxTimestamp == 1_700_000_019_000)
        #expect(header.timestampType == .createTime)
        #expect(!header.isTransactional && !header.isControl)
        #expect(header.deleteHorizon == nil)
        #expect(header.totalSize == bytes.readableBytes)

        let batch = try RecordBatch(bytes)
        #expect(batch.isChecksumValid)
        #expect(try batch.records() == RecordFixtures.records)
    }

    @Test func uncompressedBatchIsTheSameBytes() throws {
        var ours = try RecordFixtures.build(.none)
        // kafka-python leaves the leader epoch 0, we leave it -1 as Java does; the checksum does not cover it.
        RecordBatches.patch(&ours, baseOffset: 0, leaderEpoch: 0)
        #expect(ours == (try RecordFixtures.bytes("kafka-python-none")))
    }

    @Test func transactionalBatches() throws {
        let python = try RecordBatch(RecordFixtures.bytes("kafka-python-transactional"))
        #expect(python.header.isTransactional)
        #expect(python.header.producerId == 4711)
        #expect(python.header.producerEpoch == 3)
        #expect(python.header.baseSequence == 2_147_483_640)
        #expect(python.header.lastSequence == 11)  // wraps to 0 after Int32.max
        #expect(try python.records() == RecordFixtures.records)

        let librdkafka = try RecordBatch(RecordFixtures.bytes("librdkafka-transactional"))
        #expect(librdkafka.header.isTransactional)
        #expect(librdkafka.header.compression == .zstd)
        #expect(librdkafka.header.hasProducerId)
        #expect(librdkafka.header.baseSequence == 0)
        #expect(try librdkafka.records() == RecordFixtures.records)
    }

    @Test func controlBatchIsAMarker() throws {
        let bytes = try RecordFixtures.bytes(RecordFixtures.control)
        let batch = try RecordBatch(bytes)
        #expect(batch.isChecksumValid)
        #expect(batch.header.isControl && batch.header.isTransactional)
        #expect(batch.header.baseOffset == 77)
        let record = try #require(try batch.records().first)
        #expect(EndTransactionMarker(record) == EndTransactionMarker(isCommit: true, coordinatorEpoch: 5))

        let error = #expect(throws: RecordError.self) {
            try RecordBatches.validateForAppend(bytes, maxMessageBytes: 1000)
        }
        #expect(error?.errorCode == .invalidRecord)
        var rules = AppendRules(maxMessageBytes: 1000)
        rules.isFromClient = false
        #expect(try RecordBatches.validateForAppend(bytes, rules: rules).producerId == 4711)
    }

    @Test func controlBatchWeBuildIsTheSameBytes() throws {
        let marker = EndTransactionMarker(isCommit: true, coordinatorEpoch: 5)
        var builder = RecordBatchBuilder(producerId: 4711, producerEpoch: 3, isTransactional: true, isControl: true)
        builder.append(timestamp: 1_700_000_000_000, key: marker.key, value: marker.value)
        var ours = try builder.build()
        RecordBatches.patch(&ours, baseOffset: 77, leaderEpoch: 2)
        #expect(ours == (try RecordFixtures.bytes(RecordFixtures.control)))
    }
}
