import NIOCore
import Testing

@testable import KafkaProtocol

@Suite("Record batches: append rules, patching, sequences of batches")
struct RecordsAppendTests {
    private func batch(_ values: [String], key: String? = "k") throws -> ByteBuffer {
        var builder = RecordBatchBuilder()
        for value in values {
            builder.append(timestamp: 10, key: key.map { ByteBuffer(string: $0) }, value: ByteBuffer(string: value))
        }
        return try builder.build()
    }

    private func refusal(_ bytes: ByteBuffer, _ rules: AppendRules = AppendRules(maxMessageBytes: 1000)) -> RecordError
        .Code?
    {
        #expect(throws: RecordError.self) { try RecordBatches.validateForAppend(bytes, rules: rules) }?.code
    }

    @Test func aBatchIsRefusedForEachRuleItBreaks() throws {
        let good = try batch(["a", "b"])
        #expect(try RecordBatches.validateForAppend(good, maxMessageBytes: good.readableBytes).recordCount == 2)

        #expect(refusal(good, AppendRules(maxMessageBytes: good.readableBytes - 1)) == .tooLarge)
        var two = good
        two.writeImmutableBuffer(good)
        #expect(refusal(two) == .invalidRecord)
        #expect(refusal(try #require(good.getSlice(at: 0, length: good.readableBytes - 1))) == .truncated)
        #expect(refusal(ByteBuffer()) == .truncated)

        var flipped = good
        flipped.setInteger(UInt8(0xff), at: good.writerIndex - 2)
        #expect(refusal(flipped) == .checksumMismatch)
        var magic = good
        magic.setInteger(Int8(1), at: 16)
        #expect(refusal(magic) == .unsupportedMagic)
        var moved = good
        RecordBatches.patch(&moved, baseOffset: 1, leaderEpoch: 0)
        #expect(refusal(moved) == .invalidRecord)
        var producer = good
        try RecordBatches.patchProducer(&producer, producerId: 5, producerEpoch: -1, baseSequence: 0)
        #expect(refusal(producer) == .invalidRecord)
        #expect(refusal(try mended(good, 0x07, at: 22)) == .unsupportedCompression)
        #expect(refusal(try mended(good, 0x10, at: 22)) == .invalidRecord)  // transactional without producer
        #expect(refusal(try mended(good, 0x05, at: 26)) == .invalidRecord)  // last offset delta 5, two records
        var rules = AppendRules(maxMessageBytes: 1000)
        rules.requiresKeys = true
        #expect(refusal(try batch(["a"], key: nil), rules) == .invalidRecord)
        #expect(try RecordBatches.validateForAppend(good, rules: rules).recordCount == 2)
    }

    /// `bytes` with one byte changed and the checksum computed again.
    private func mended(_ bytes: ByteBuffer, _ value: UInt8, at index: Int) throws -> ByteBuffer {
        var bytes = bytes
        bytes.setInteger(value, at: index)
        RecordBatches.patchChecksum(&bytes, bytes.readableBytes)
        return bytes
    }

    @Test func offsetsWithinABatchMustCount() throws {
        let good = try batch(["a", "b"])
        // 61 header, first record of 9 bytes (length, attributes, timestamp, offset, key 2, value 2, headers), then the
        // second one's offset delta at its fourth byte: 1 becomes 2.
        let gap = try mended(good, 0x04, at: 61 + 9 + 3)
        #expect(refusal(gap) == .invalidRecord)
    }

    @Test func errorsHaveKafkasCodes() {
        #expect(RecordError(.tooLarge, "").errorCode == .messageTooLarge)
        #expect(RecordError(.checksumMismatch, "").errorCode == .corruptMessage)
        #expect(RecordError(.unsupportedMagic, "").errorCode == .invalidRecord)
        #expect(RecordError(.unsupportedCompression, "").errorCode == .unsupportedCompressionType)
    }

    @Test func appendTimeReplacesAllTimestamps() throws {
        var bytes = try RecordFixtures.bytes("librdkafka-zstd")
        try RecordBatches.patchTimestamp(&bytes, logAppendTime: 1_800_000_000_000)
        let batch = try RecordBatch(bytes)
        #expect(batch.isChecksumValid)
        #expect(batch.header.timestampType == .logAppendTime)
        #expect(batch.header.compression == .zstd)
        #expect(try batch.records().allSatisfy { $0.timestamp == 1_800_000_000_000 })
    }

    @Test func patchingKeepsTheChecksumAndItsPlace() throws {
        // A batch that does not begin at index 0, as in a request.
        var request = ByteBuffer(string: "prefix")
        request.writeImmutableBuffer(try batch(["a"]))
        request.moveReaderIndex(forwardBy: 6)
        RecordBatches.patch(&request, baseOffset: 1 << 40, leaderEpoch: 9)
        let batch = try RecordBatch(request)
        #expect(batch.isChecksumValid)
        #expect(batch.header.baseOffset == 1 << 40)
        #expect(batch.header.partitionLeaderEpoch == 9)
        #expect(try batch.records().map(\.offset) == [1 << 40])
        request.moveReaderIndex(to: 0)
        #expect(request.readString(length: 6) == "prefix")
    }

    @Test func producerOfABuiltBatchCanBeChanged() throws {
        var bytes = try batch(["a", "b", "c"])
        try RecordBatches.patchProducer(&bytes, producerId: 12, producerEpoch: 4, baseSequence: Int32.max)
        let header = try RecordBatches.validateForAppend(bytes, maxMessageBytes: 1000)
        #expect(header.producerId == 12 && header.producerEpoch == 4)
        #expect(header.lastSequence == 1)
    }

    @Test func batchesFollowEachOtherAndACutOffOneIsLeftOut() throws {
        var log = ByteBuffer()
        for (index, name) in ["kafka-python-none", "librdkafka-gzip", "kafka-python-lz4"].enumerated() {
            var bytes = try RecordFixtures.bytes(name)
            RecordBatches.patch(&bytes, baseOffset: Int64(index) * 20, leaderEpoch: 0)
            log.writeImmutableBuffer(bytes)
        }
        #expect(try RecordBatchSequence(log).map(\.header.baseOffset) == [0, 20, 40])
        #expect(try RecordBatches.records(in: log, from: 20).map(\.header.baseOffset) == [20, 40])
        #expect(try RecordBatches.records(in: log, from: 59).flatMap { try $0.records() }.count == 20)
        #expect(try RecordBatches.records(in: log, from: 60).isEmpty)

        let cut = try #require(log.getSlice(at: 0, length: log.readableBytes - 1))
        var reader = RecordBatchReader(cut)
        #expect(try reader.next()?.header.baseOffset == 0)
        #expect(try reader.next()?.header.baseOffset == 20)
        #expect(try reader.next() == nil)
        #expect(reader.remaining.readableBytes == (try RecordFixtures.bytes("kafka-python-lz4").readableBytes) - 1)

        log.setInteger(Int8(9), at: try RecordFixtures.bytes("kafka-python-none").readableBytes + 16)
        #expect(throws: RecordError.self) { try RecordBatchSequence(log) }
        var damaged = RecordBatchReader(log)
        #expect(try damaged.next()?.header.baseOffset == 0)
        #expect(throws: RecordError.self) { try damaged.next() }
    }

    @Test func viewsShowWhatRecordsHold() throws {
        let batch = try RecordBatch(RecordFixtures.bytes("librdkafka-snappy"))
        var seen: [Record] = []
        try batch.forEachRecord { view in
            var headers: [RecordHeader] = []
            view.forEachHeader { key, value in
                headers.append(
                    RecordHeader(key: String(decoding: key, as: UTF8.self), value: value.map { ByteBuffer(bytes: $0) }))
            }
            #expect(headers.count == Int(view.headerCount))
            seen.append(
                Record(
                    offset: view.offset, timestamp: view.timestamp, key: view.key.map { ByteBuffer(bytes: $0) },
                    value: view.value.map { ByteBuffer(bytes: $0) }, headers: headers))
        }
        #expect(seen == RecordFixtures.records)
    }

    @Test func timestampsAndLengthsOfEverySize() throws {
        var builder = RecordBatchBuilder()
        var expected: [Record] = []
        let timestamps: [Int64] = [0, 63, 64, -64, -65, 8191, 8192, 1 << 40, -1, .max, .min, .min + 1]
        for (index, timestamp) in timestamps.enumerated() {
            let value = ByteBuffer(repeating: UInt8(index), count: index * 97)
            builder.append(timestamp: timestamp, key: nil, value: value)
            expected.append(Record(offset: Int64(index), timestamp: timestamp, key: nil, value: value))
        }
        let estimate = builder.estimatedSize
        let bytes = try builder.build()
        #expect(bytes.readableBytes == estimate)
        #expect(try RecordBatch(bytes).records() == expected)
        #expect(throws: RecordError.self) { try builder.build() }
    }

    @Test func estimateOfARecordIsAnUpperBound() {
        for record in RecordFixtures.records {
            var builder = RecordBatchBuilder()
            builder.append(timestamp: 0, key: nil, value: nil)
            let before = builder.estimatedSize
            builder.append(timestamp: .min, key: record.key, value: record.value, headers: record.headers)
            let estimate = RecordBatchBuilder.estimatedSize(
                key: record.key, value: record.value, headers: record.headers)
            #expect(builder.estimatedSize - before <= estimate)
        }
    }

    @Test func compressionThatDoesNotPayIsLeftOut() throws {
        var builder = RecordBatchBuilder(compression: .gzip)
        builder.append(timestamp: 0, key: nil, value: ByteBuffer(string: "x"))
        #expect(try RecordBatch(builder.build()).header.compression == .none)
    }
}
