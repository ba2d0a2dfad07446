import Foundation
import KafkaProtocol
import NIOCore

/// The batches in Fixtures/records, which make_record_fixtures.py made with foreign clients.
enum RecordFixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    static let clientBatches = CompressionType.allCases.flatMap { codec in
        ["kafka-python-\(codec.name)", "librdkafka-\(codec.name)"]
    }
    static let transactional = ["kafka-python-transactional", "librdkafka-transactional"]
    static let control = "control-commit"
    static var all: [String] { clientBatches + transactional + [control] }

    static func bytes(_ name: String) throws -> ByteBuffer {
        let text = try String(contentsOf: folder.appending(path: "records/\(name).hex"), encoding: .utf8)
        return try ByteBuffer(plainHexEncodedBytes: text.filter { !$0.isNewline })
    }

    /// The records of every client batch: the same rule as `rows()` in make_record_fixtures.py.
    static let records: [Record] = (0..<20).map { record($0) }

    private static func record(_ index: Int) -> Record {
        let timestamp = 1_700_000_000_000 + index * 1000 - (index == 3 ? 5000 : 0)
        let text = String(repeating: "value-\(index) ", count: 20)
        var record = Record(offset: Int64(index), timestamp: Int64(timestamp), key: nil, value: nil)
        if index % 4 != 1 { record.key = ByteBuffer(string: "key-\(index)") }
        if index % 5 != 2 { record.value = ByteBuffer(string: text) }
        guard index % 3 == 0 else { return record }
        record.headers = [
            RecordHeader(key: "trace", value: ByteBuffer(string: "t\(index)")),
            RecordHeader(key: "empty", value: ByteBuffer()), RecordHeader(key: "null", value: nil),
        ]
        return record
    }

    static func build(_ compression: CompressionType, level: Int? = nil) throws -> ByteBuffer {
        var builder = RecordBatchBuilder(compression: compression, level: level)
        for record in records {
            builder.append(
                timestamp: record.timestamp, key: record.key, value: record.value, headers: record.headers)
        }
        return try builder.build()
    }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
