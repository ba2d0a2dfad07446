import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Hostile bytes against frame, header and every request decoder of a running broker: requests that kafka-python has encoded,
/// damaged. The broker must answer or close the connection, and serve others all the while. `SLUICE_FUZZ_SECONDS` sets how
/// long (default 3; `make fuzz` 600), `SLUICE_FUZZ_SEED` repeats a run.
@Suite struct FuzzTests {
    private struct Sample {
        var key: APIKey
        var version: Int16
        var body: [UInt8]
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    private static func samples() throws -> [Sample] {
        func name<H: RequestHandler>(_ handler: H.Type) -> String { "\(H.Request.self)" }
        let keys = Dictionary(uniqueKeysWithValues: Router.handlers.map { (name($0), Router.key(of: $0)) })
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "KafkaProtocolTests/Fixtures/wire.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 3, let key = keys[String(words[0])], let version = Int16(words[1]) else { return nil }
            let digits = Array(words[2].utf8)
            let body = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
            }
            return Sample(key: key, version: version, body: body)
        }
    }

    private static let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF]

    private static func damage(_ bytes: inout [UInt8], _ random: inout Generator) {
        for _ in 0...Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[place] = interesting.randomElement(using: &random) ?? 0
            case 2: bytes.removeSubrange(place...)
            case 3: bytes.insert(contentsOf: repeatElement(0xFF, count: 5), at: place)
            case 4:
                for index in place..<min(place + 4, bytes.count) {
                    bytes[index] = interesting.randomElement(using: &random) ?? 0
                }
            default: bytes += bytes.prefix(Int.random(in: 0...40, using: &random))
            }
        }
    }

    private static func frame(_ sample: Sample, _ random: inout Generator) -> ByteBuffer {
        var writer = WireWriter()
        RequestHeader(
            apiKey: sample.key, apiVersion: sample.version,
            correlationId: Int32.random(in: 0...Int32.max, using: &random),
            clientId: "fuzz"
        ).encode(into: &writer)
        var header = Array(writer.buffer.readableBytesView)
        var body = sample.body
        // Now and then the header, mostly the body, and sometimes nothing: then the request is whole.
        if Int.random(in: 0..<10, using: &random) == 0 { damage(&header, &random) }
        if Int.random(in: 0..<10, using: &random) != 0 { damage(&body, &random) }
        let honest = Int32(header.count + body.count)
        let isLying = Int.random(in: 0..<50, using: &random) == 0
        let size = isLying ? Int32.random(in: .min ... .max, using: &random) : honest
        var buffer = ByteBuffer()
        buffer.writeInteger(size)
        buffer.writeBytes(header)
        buffer.writeBytes(body)
        return buffer
    }

    @Test func damagedRequestsAreAnsweredOrTheirConnectionsClosed() async throws {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["SLUICE_FUZZ_SECONDS"].flatMap(Double.init) ?? 3
        let seed = environment["SLUICE_FUZZ_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        let samples = try Self.samples()
        #expect(Set(samples.map(\.key.rawValue)).count >= 40)
        let broker = try await TestBroker.start(properties: ["socket.request.max.bytes": "1048576"])
        let end = Date().addingTimeInterval(seconds)
        var frames = 0
        repeat {
            let connection = try RawConnection(port: broker.port)
            for _ in 0..<20 {
                guard let sample = samples.randomElement(using: &random) else { break }
                // The broker may have closed the connection: that is an answer.
                guard (try? connection.send(Self.frame(sample, &random))) != nil else { break }
                frames += 1
            }
            if frames % 50 < 20 { try Self.expectService(broker.port, seed) }
        } while Date() < end
        try Self.expectService(broker.port, seed)
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("after-the-storm")
        #expect(
            try connection.produce("after-the-storm", RawConnection.batch(["x"])).errorCode == .none, "seed \(seed)")
        #expect(frames > 100)
        await broker.stop()
    }

    private static func expectService(_ port: Int, _ seed: UInt64) throws {
        var request = ApiVersionsRequest()
        request.clientSoftwareName = "fuzz"
        request.clientSoftwareVersion = "1"
        #expect(try RawConnection(port: port).call(request, version: 3).errorCode == .none, "seed \(seed)")
    }
}
