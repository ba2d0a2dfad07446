import KafkaProtocol
import NIOCore
import Testing

@Suite("Record batches: what we build we can read")
struct RecordsRoundTripTests {
    static let records = [
        Record(offset: 0, timestamp: 1_700_000_000_000, key: ByteBuffer(string: "k"), value: ByteBuffer(string: "v")),
        Record(offset: 1, timestamp: 1_699_999_999_000, key: nil, value: ByteBuffer(repeating: 7, count: 300)),
        Record(
            offset: 2, timestamp: 1_700_000_086_400, key: ByteBuffer(), value: nil,
            headers: [
                RecordHeader(key: "h", value: ByteBuffer(string: "x")), RecordHeader(key: "h", value: nil),
                RecordHeader(key: "größe", value: ByteBuffer()),
            ]),
    ]

    @Test(arguments: CompressionType.allCases)
    func recordsComeBackAsTheyWere(_ compression: CompressionType) throws {
        var builder = RecordBatchBuilder(
            compression: compression, producerId: 9, producerEpoch: 3, baseSequence: 5, isTransactional: true)
        for record in Self.records {
            builder.append(
                timestamp: record.timestamp, key: record.key, value: record.value, headers: record.headers)
        }
        var bytes = try builder.build()
        #expect(builder.isEmpty)
        let validated = try RecordBatches.validateForAppend(bytes, maxMessageBytes: 1 << 20)
        #expect(validated.compression == compression)
        #expect(validated.maxTimestamp == 1_700_000_086_400)
        #expect(validated.lastSequence == 7)

        RecordBatches.patch(&bytes, baseOffset: 40, leaderEpoch: 2)
        let batch = try RecordBatch(bytes)
        #expect(batch.isChecksumValid)
        #expect(batch.header.partitionLeaderEpoch == 2)
        #expect(batch.header.lastOffset == 42)
        let expected = Self.records.map { record in
            var moved = record
            moved.offset += 40
            return moved
        }
        #expect(try batch.records() == expected)
        #expect(try batch.first { $0.key == nil } == expected[1])
    }
}
