import Foundation
import KafkaProtocol
import NIOCore
import Testing

/// Batches that we build, read by foreign clients through Fixtures/read_batches.py.
@Suite("Record batches: foreign clients read ours")
struct RecordsForeignReaderTests {
    @Test(
        .enabled(if: ForeignReader.isInstalled("kafka.record"), "kafka-python is not importable from python3"))
    func kafkaPythonReadsAllItHasCodecsFor() throws {
        try check(ForeignReader.read("kafka-python", batches()), mayskip: ["snappy", "lz4", "zstd"])
    }

    @Test(
        .enabled(if: ForeignReader.isInstalled("confluent_kafka"), "confluent-kafka is not importable from python3"))
    func librdkafkaReadsAll() throws {
        try check(ForeignReader.read("librdkafka", batches()), mayskip: [])
    }

    private func batches() throws -> [String: ByteBuffer] {
        var batches: [String: ByteBuffer] = [:]
        for codec in CompressionType.allCases { batches[codec.name] = try RecordFixtures.build(codec) }
        return batches
    }

    private func check(_ results: [String: String], mayskip: Set<String>) throws {
        #expect(results.count == CompressionType.allCases.count)
        let expected = RecordFixtures.records.map(ForeignReader.Row.init)
        for (name, text) in results {
            if text.hasPrefix("skipped"), mayskip.contains(name) {
                print("\(name): \(text)")
                continue
            }
            let rows = try JSONDecoder().decode([ForeignReader.Row].self, from: Data(text.utf8))
            #expect(rows == expected, "batch compressed with \(name)")
        }
    }
}

/// Runs python3 with foreign clients.
enum ForeignReader {
    /// A record as read_batches.py prints it.
    struct Row: Decodable, Equatable {
        var offset: Int64
        var timestamp: Int64
        var key: String?
        var value: String?
        var headers: [[String?]]

        init(from decoder: any Decoder) throws {
            var row = try decoder.unkeyedContainer()
            offset = try row.decode(Int64.self)
            timestamp = try row.decode(Int64.self)
            key = try row.decodeIfPresent(String.self)
            value = try row.decodeIfPresent(String.self)
            headers = try row.decode([[String?]].self)
        }

        init(_ record: Record) {
            func hex(_ buffer: ByteBuffer?) -> String? { buffer.map { $0.hexDump(format: .compact) } }
            offset = record.offset
            timestamp = record.timestamp
            key = hex(record.key)
            value = hex(record.value)
            headers = record.headers.map { [$0.key, hex($0.value)] }
        }
    }

    static func isInstalled(_ module: String) -> Bool {
        (try? run(["-c", "import \(module)"], input: ""))?.status == 0
    }

    /// What the reader says about each batch, by name.
    static func read(_ reader: String, _ batches: [String: ByteBuffer]) throws -> [String: String] {
        let script = RecordFixtures.folder.appending(path: "read_batches.py").path
        let lines = batches.map { "\($0.key) \($0.value.hexDump(format: .compact))\n" }
        let result = try run([script, reader], input: lines.joined())
        #expect(result.status == 0, "\(reader): \(result.errors)")
        var answers: [String: String] = [:]
        for line in result.output.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { answers[String(parts[0])] = String(parts[1]) }
        }
        return answers
    }

    /// Runs python3 through files, so that no full pipe can block either side.
    private static func run(
        _ arguments: [String], input: String
    ) throws -> (status: Int32, output: String, errors: String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "records-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["in", "out", "err"].map { folder.appending(path: $0) }
        try Data(input.utf8).write(to: files[0])
        for file in files.dropFirst() { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()
        return (
            process.terminationStatus, try String(contentsOf: files[1], encoding: .utf8),
            try String(contentsOf: files[2], encoding: .utf8)
        )
    }
}
