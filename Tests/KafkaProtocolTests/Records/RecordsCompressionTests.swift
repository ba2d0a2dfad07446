import NIOCore
import Testing

@testable import KafkaProtocol

@Suite("Compression codecs")
struct RecordsCompressionTests {
    static let codecs = CompressionType.allCases.filter { $0 != .none }

    @Test(arguments: codecs, [0, 1, 100, 32_768, 32_769, 200_000])
    func bytesComeBack(_ type: CompressionType, _ count: Int) throws {
        var random = SeededGenerator(seed: UInt64(count))
        let noise = ByteBuffer(bytes: random.bytes(count))
        let text = ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: ($0 / 7) % 11) })
        for original in [noise, text] {
            let compressed = try Compression.compress(original, type)
            #expect(try Compression.decompress(compressed, type: type, limit: count) == original)
        }
    }

    @Test(arguments: codecs)
    func outputBeyondTheLimitIsRefused(_ type: CompressionType) throws {
        let compressed = try Compression.compress(ByteBuffer(repeating: 0, count: 8 << 20), type)
        for limit in [0, 1, 4096, (8 << 20) - 1] {
            let error = #expect(throws: RecordError.self) {
                try Compression.decompress(compressed, type: type, limit: limit)
            }
            #expect(error?.code == .tooLarge)
        }
        #expect(try Compression.decompress(compressed, type: type, limit: 8 << 20).readableBytes == 8 << 20)
    }

    @Test(arguments: codecs)
    func bytesThatAreCutOffAreRefused(_ type: CompressionType) throws {
        let original = ByteBuffer(bytes: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 5) })
        let compressed = try Compression.compress(original, type)
        for length in stride(from: 0, to: compressed.readableBytes, by: 997) {
            let part = try #require(compressed.getSlice(at: compressed.readerIndex, length: length))
            // A xerial frame has no end mark: cut between two blocks it is only shorter.
            if let output = try? Compression.decompress(part, type: type, limit: 1 << 20) {
                #expect(type == .snappy && output.readableBytes < original.readableBytes)
            }
        }
    }

    @Test(arguments: codecs)
    func levelsBeyondTheCodecsRangeAreClamped(_ type: CompressionType) throws {
        let original = ByteBuffer(string: String(repeating: "level ", count: 500))
        for level in [Int.min, -7, 0, 1, 9, Int.max] {
            let compressed = try Compression.compress(original, type, level: level)
            #expect(try Compression.decompress(compressed, type: type, limit: 1 << 20) == original)
        }
    }

    @Test func snappyIsWrittenAsJavaDoes() throws {
        let compressed = try Compression.compress(ByteBuffer(repeating: 1, count: 40_000), .snappy)
        let header: [UInt8] = [0x82] + Array("SNAPPY".utf8) + [0, 0, 0, 0, 1, 0, 0, 0, 1]
        #expect(compressed.getBytes(at: 0, length: 16) == header)
        let first = Int(try #require(compressed.getInteger(at: 16, as: Int32.self)))
        // A raw Snappy block begins with the length it decompresses to: 32768 as varint.
        #expect(compressed.getBytes(at: 20, length: 3) == [0x80, 0x80, 0x02])
        #expect(
            compressed.getInteger(at: 20 + first, as: Int32.self).map { Int($0) + 24 + first } == compressed.writerIndex
        )
    }

    @Test func lz4BlocksAreIndependentAndSmall() throws {
        let compressed = try Compression.compress(ByteBuffer(repeating: 1, count: 300_000), .lz4)
        #expect(compressed.getInteger(at: 0, endianness: .little, as: UInt32.self) == 0x184d_2204)
        // Version 1, independent blocks, no checksums, no content size, no dictionary; blocks of 64 KiB.
        #expect(compressed.getBytes(at: 4, length: 2) == [0x60, 0x40])
    }

    @Test func gzipMembersAndZstdFramesMayFollowEachOther() throws {
        for type in [CompressionType.gzip, .zstd] {
            var both = try Compression.compress(ByteBuffer(string: "first "), type)
            both.writeImmutableBuffer(try Compression.compress(ByteBuffer(string: "second"), type))
            #expect(try Compression.decompress(both, type: type, limit: 100) == ByteBuffer(string: "first second"))
        }
    }

    /// A few bytes that claim gigabytes: the claim is not believed.
    @Test func claimedSizesAreNotBelieved() throws {
        let snappyClaim = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00])
        // Single segment, 8-byte content size of 2^60, then an empty last block.
        let zstdClaim = ByteBuffer(
            bytes: [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x01, 0x00, 0x00])
        for (bytes, type) in [(snappyClaim, CompressionType.snappy), (zstdClaim, .zstd)] {
            #expect(throws: RecordError.self) { try Compression.decompress(bytes, type: type, limit: 1 << 30) }
        }
    }

    @Test func outputGrowsWithWhatIsWrittenAndStopsAtTheLimit() throws {
        var out = BoundedOutput(limit: 100_000, hint: 0)
        #expect(out.buffer.capacity <= 1024)
        #expect(throws: RecordError.self) {
            while true { try out.write { $0.count } }
        }
        #expect(out.buffer.readableBytes == 100_001)
        #expect(out.buffer.capacity <= 131_072)
    }

    @Test func namesAreKafkas() {
        #expect(CompressionType.allCases.map(\.name) == ["none", "gzip", "snappy", "lz4", "zstd"])
        #expect(CompressionType(name: "zstd") == .zstd)
        #expect(CompressionType(name: "producer") == nil)
    }
}
