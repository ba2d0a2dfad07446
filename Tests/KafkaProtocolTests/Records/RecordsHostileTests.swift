import NIOCore
import Testing

@testable import KafkaProtocol

@Suite("Record batches: hostile bytes")
struct RecordsHostileTests {
    /// Damages foreign batches at random, mends the checksum, and reads them every way. The seed is fixed; nothing may
    /// crash, and every failure must be a RecordError (which the compiler holds).
    @Test(arguments: RecordFixtures.all)
    func damagedBatchesAreRefusedOrRead(_ name: String) throws {
        let original = try RecordFixtures.bytes(name)
        var random = SeededGenerator(seed: 20_240_601)
        var refused = 0
        let rounds = 600
        for round in 0..<rounds {
            var bytes = Self.damage(original, &random)
            if round % 4 != 0, let header = try? RecordBatchHeader(parsing: bytes),
                header.totalSize <= bytes.readableBytes
            {
                RecordBatches.patchChecksum(&bytes, header.totalSize)
            }
            if !Self.readEveryWay(bytes) { refused += 1 }
        }
        #expect(refused > rounds / 4)
    }

    @Test func noiseIsRefused() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2000 {
            let bytes = ByteBuffer(bytes: random.bytes(Int.random(in: 0...400, using: &random)))
            #expect(!Self.readEveryWay(bytes))
            for type in CompressionType.allCases where type != .none {
                _ = try? Compression.decompress(bytes, type: type, limit: 1 << 16)
            }
        }
    }

    /// Noise after a valid header, so that it is the record parser that sees it.
    @Test func noiseInsteadOfRecordsIsRefused() throws {
        var random = SeededGenerator(seed: 11)
        for round in 0..<3000 {
            let body = random.bytes(Int.random(in: 7...200, using: &random)).map { round % 2 == 0 ? $0 : $0 & 0x0f }
            let bytes = Self.batch(records: body, count: Int32.random(in: 1...28, using: &random))
            _ = Self.readEveryWay(bytes)
        }
    }

    @Test(arguments: [
        ("count beyond what the bytes can hold", [UInt8](repeating: 0, count: 70), Int32.max),
        ("negative count", [], -1),
        ("record length beyond the batch", [0x7e, 0, 0, 0, 1, 1, 0], 1),
        ("negative record length", [0x01, 0, 0, 0, 1, 1, 0], 1),
        ("empty record", [0x00, 0, 0, 0, 0, 0, 0], 1),
        ("key length beyond the record", [0x0c, 0, 0, 0, 0x7e, 1, 0], 1),
        ("header count beyond the record", [0x0c, 0, 0, 0, 1, 1, 0x7e], 1),
        ("negative header count", [0x0c, 0, 0, 0, 1, 1, 0x01], 1),
        ("header without name", [0x10, 0, 0, 0, 1, 1, 0x02, 0x01, 0x01], 1),
        ("varint without end", [0x16, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0], 1),
        ("varlong of eleven bytes", [0x24, 0] + [UInt8](repeating: 0x80, count: 10) + [0, 0, 1, 1, 0, 0, 0], 1),
        ("length greater than the fields", [0x0e, 0, 0, 0, 1, 1, 0, 0], 1),
        ("bytes after the last record", [0x0c, 0, 0, 0, 1, 1, 0, 0], 1),
    ])
    func malformedRecordsAreCorrupt(_ what: String, _ body: [UInt8], _ count: Int32) throws {
        let batch = try RecordBatch(Self.batch(records: body, count: count))
        #expect(batch.isChecksumValid)
        let error = #expect(throws: RecordError.self, "\(what)") { try batch.records() }
        #expect(error?.code == .corrupt, "\(what)")
        #expect(throws: RecordError.self, "\(what)") { try batch.forEachRecord { _ in } }
    }

    @Test func theSmallestRecordIsRead() throws {
        let batch = try RecordBatch(Self.batch(records: [0x0c, 0, 0, 0, 1, 1, 0], count: 1))
        #expect(try batch.records() == [Record(offset: 0, timestamp: 0, key: nil, value: nil)])
    }

    /// True if any way of reading gave a batch with records, or a batch that may be appended.
    private static func readEveryWay(_ bytes: ByteBuffer) -> Bool {
        var isRead = false
        var rules = AppendRules(maxMessageBytes: 1 << 20)
        rules.decompressionLimit = 1 << 18
        if (try? RecordBatches.validateForAppend(bytes, rules: rules)) != nil { isRead = true }
        rules.isFromClient = false
        _ = try? RecordBatches.validateForAppend(bytes, rules: rules)
        _ = try? RecordBatches.records(in: bytes, from: 3)
        var patched = bytes
        try? RecordBatches.patchTimestamp(&patched, logAppendTime: 5)
        RecordBatches.patch(&patched, baseOffset: .max, leaderEpoch: .max)
        var reader = RecordBatchReader(patched)
        while let batch = try? reader.next() {
            if let records = try? batch.records(decompressionLimit: 1 << 18) {
                isRead = isRead || !records.isEmpty
                for record in records { _ = EndTransactionMarker(record) }
            }
            _ = (batch.header.lastOffset, batch.header.nextOffset, batch.header.lastSequence)
        }
        return isRead
    }

    private static func damage(_ original: ByteBuffer, _ random: inout SeededGenerator) -> ByteBuffer {
        var bytes = Array(original.readableBytesView)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let from = Bool.random(using: &random) ? 0 : min(RecordBatchHeader.size, bytes.count)
            guard from < bytes.count else { continue }
            let index = Int.random(in: from..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes[index] = 0xff
            case 3: bytes.remove(at: index)
            case 4: bytes.insert(0x80, at: index)
            default: bytes.removeLast(bytes.count - index)
            }
        }
        return ByteBuffer(bytes: bytes)
    }

    /// A well-checksummed batch around any bytes as its records.
    private static func batch(records: [UInt8], count: Int32) -> ByteBuffer {
        var header = RecordBatchHeader(attributes: 0, producerId: -1, producerEpoch: -1, baseSequence: -1)
        header.batchLength = Int32(RecordBatchHeader.size - RecordBatchHeader.lengthOverhead + records.count)
        header.recordCount = count
        header.lastOffsetDelta = max(count, 1) - 1
        header.baseTimestamp = 0
        var bytes = ByteBuffer(repeating: 0, count: RecordBatchHeader.size)
        bytes.writeBytes(records)
        header.write(into: &bytes)
        RecordBatches.patchChecksum(&bytes, bytes.readableBytes)
        return bytes
    }
}
