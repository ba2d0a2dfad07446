import KafkaProtocol
import Testing

@testable import KafkaStorage

@Suite struct OffsetMapTests {
    /// The first of the reference implementation's vectors for 128 bits of output, key 00 01 … 0f (SipHash `vectors.h`).
    @Test func sipHashGivesTheReferenceVectors() {
        let hash = KeyHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        func hex(_ count: Int) -> String {
            let value = (0..<UInt8(count)).map { $0 }.withUnsafeBytes { hash.hash($0) }
            return [value.low, value.high].map { word in
                withUnsafeBytes(of: word.littleEndian) { bytes in
                    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                }
            }.joined()
        }
        #expect(hex(0) == "a3817f04ba25a8e66df67214c7550293")
        #expect(hex(1) == "da87c1d86b99af44347659119b22fc45")
    }

    @Test func theLastOffsetIsFoundAndTheLimitHolds() {
        var map = OffsetMap(limit: 5000)
        func put(_ key: Int, _ offset: Int64) -> Bool { withUnsafeBytes(of: key) { map.put($0, offset) } }
        for key in 0..<5000 { #expect(put(key, Int64(key))) }
        #expect(!put(5000, 5000))
        #expect(put(17, 9999), "a known key needs no room")
        #expect(map.count == 5000)
        for key in 0..<5000 where key != 17 {
            #expect(withUnsafeBytes(of: key) { map.offset(of: $0) } == Int64(key))
        }
        #expect(withUnsafeBytes(of: 17) { map.offset(of: $0) } == 9999)
        #expect(withUnsafeBytes(of: 5000) { map.offset(of: $0) } == nil)
    }
}
