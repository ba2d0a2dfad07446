import CCRC32C
import Foundation
import KafkaProtocol
import NIOCore
import Testing

@Suite("CRC32C and murmur2")
struct RecordsChecksumTests {
    /// RFC 3720 appendix B.4, and the check value of the algorithm's catalogue entry.
    static let vectors: [([UInt8], UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
        ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
        ([UInt8](0...31), 0x46dd_794e),
        ([UInt8]((0...31).reversed()), 0x113f_db5c),
        (
            [
                0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0,
                0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
            ], 0xd996_3a56
        ),
        (Array("123456789".utf8), 0xe306_9283),
        ([], 0),
    ]

    @Test(arguments: vectors)
    func checksumOfPublishedVectors(_ bytes: [UInt8], _ expected: UInt32) {
        #expect(bytes.withUnsafeBytes { CRC32C.checksum($0) } == expected)
        #expect(bytes.withUnsafeBytes { ccrc32c_software(0, $0.baseAddress, $0.count) } == expected)
    }

    /// Lengths around the borders of the interleaved streams (3 × 256 and 3 × 4096 bytes), odd addresses, random seeds.
    @Test func instructionAndTableAgree() {
        var random = SeededGenerator(seed: 1)
        let data = random.bytes(64 << 10)
        let borders = [0, 1, 7, 8, 9, 767, 768, 769, 1535, 1536, 12_287, 12_288, 12_289, 24_576, 25_344, 36_864]
        let lengths = borders + (0..<300).map { _ in Int.random(in: 0...60_000, using: &random) }
        data.withUnsafeBytes { bytes in
            for length in lengths {
                let start = Int.random(in: 0...(bytes.count - length), using: &random)
                let seed = UInt32.random(in: 0...UInt32.max, using: &random)
                let part = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)])
                let software = ccrc32c_software(seed, part.baseAddress, part.count)
                #expect(CRC32C.checksum(part, seed: seed) == software, "\(length) bytes from \(start)")
                let middle = length / 3
                let first = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: part[..<middle]), seed: seed)
                let second = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: part[middle...]), seed: first)
                #expect(second == software, "\(length) bytes in two parts")
            }
        }
    }

    /// Kafka's own vectors (`org.apache.kafka.common.utils.UtilsTest.testMurmur2`).
    @Test(arguments: [
        ("21", Int32(-973_932_308)), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
    ])
    func murmur2IsThatOfJava(_ text: String, _ expected: Int32) {
        #expect(Murmur2.hash(ByteBuffer(string: text)) == expected)
    }

    /// librdkafka's answers, and Apache Kafka's: `Fixtures/make_murmur2_fixture.py`.
    @Test func tenThousandKeysGoWhereOthersPutThem() throws {
        let path = RecordFixtures.folder.appending(path: "murmur2-partitions.bin")
        var expected = ByteBuffer(bytes: try Data(contentsOf: path))
        for number in 0..<UInt32(10_000) {
            var state = number &* 2_654_435_761 &+ 1
            let key = (0..<Int(number % 67)).map { _ -> UInt8 in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(state >> 24)
            }
            let next = expected.readInteger(as: UInt16.self)
            let partition = try #require(next)
            #expect(Murmur2.partition(forKey: ByteBuffer(bytes: key), count: 1009) == Int32(partition), "key \(number)")
        }
        #expect(expected.readableBytes == 0)
    }

    @Test func partitionOfKeyIsNeverNegative() {
        // -973932308 & 0x7fffffff = 1173551340
        #expect(Murmur2.partition(forKey: ByteBuffer(string: "21"), count: 7) == 1_173_551_340 % 7)
        #expect(Murmur2.partition(forKey: ByteBuffer(), count: 0) == 0)
    }
}
