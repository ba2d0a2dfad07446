import Foundation
import KafkaProtocol
import NIOCore
import Testing

/// Every message at every version, against bytes that kafka-python wrote (`Fixtures/make_wire_fixtures.py`).
@Suite struct WireFixtureTests {
    struct Fixture {
        var message: String
        var version: Int16
        var bytes: [UInt8]
    }

    static func fixtures() throws -> [Fixture] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/wire.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            return Fixture(
                message: String(words[0]), version: try #require(Int16(words[1])),
                bytes: try bytes(fromHex: String(words[2])))
        }
    }

    static func bytes(fromHex text: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(index, offsetBy: 2)
            bytes.append(try #require(UInt8(text[index..<next], radix: 16)))
            index = next
        }
        return bytes
    }

    @Test func everyFixtureReadsAndWritesBackToTheSameBytes() throws {
        let fixtures = try Self.fixtures()
        #expect(fixtures.count > 300)
        for fixture in fixtures {
            let codec = try #require(MessageTable.codecs[fixture.message], "no codec for \(fixture.message)")
            let written = try codec(fixture.bytes, fixture.version)
            #expect(written == fixture.bytes, "\(fixture.message) version \(fixture.version)")
        }
    }

    /// Cut anywhere, a message is an error and never a crash or a half-read value.
    @Test func everyFixtureCutShortIsAnError() throws {
        for fixture in try Self.fixtures() {
            let codec = try #require(MessageTable.codecs[fixture.message])
            for length in 0..<fixture.bytes.count {
                #expect(throws: WireError.self) { try codec(Array(fixture.bytes[..<length]), fixture.version) }
            }
        }
    }

    /// One byte changed anywhere: read or refused, but never a crash, and nothing large is allocated for a length that
    /// lies. The seed is printed with a failure.
    @Test func everyFixtureWithRandomBytesChangedIsReadOrRefused() throws {
        var random = SplitMix(state: 20_261_122)
        for fixture in try Self.fixtures() {
            let codec = try #require(MessageTable.codecs[fixture.message])
            for _ in 0..<40 where !fixture.bytes.isEmpty {
                var bytes = fixture.bytes
                for _ in 0...Int(random.next() % 3) {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
                }
                _ = try? codec(bytes, fixture.version)
            }
        }
    }

    @Test func knownValuesAreReadFromKafkaPythonsBytes() throws {
        let fixture = try #require(try Self.fixtures().first { $0.message == "HeartbeatRequest" && $0.version == 4 })
        var reader = WireReader(ByteBuffer(bytes: fixture.bytes))
        let request = try HeartbeatRequest.decode(from: &reader, version: 4)
        #expect(request.groupId.hasPrefix("text-"))
        #expect(request.generationId > 70_000)
        #expect(reader.remaining == 0)
    }
}

/// A small seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
