import Foundation
import Synchronization
import Testing

/// librdkafka's mock cluster of three brokers in a child process (`Compat/mock-cluster/mock_cluster.py`).
final class MockCluster: Sendable {
    let bootstrapServers: [String]
    private let process: Process
    private let input: FileHandle
    private let lines: LineReader
    private let queue = DispatchQueue(label: "mock-cluster")

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Why the tests can't run here; nil when they can.
    static let obstacle: String? = {
        let probe = Process()
        probe.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        probe.arguments = ["python3", "-c", "import confluent_kafka"]
        probe.standardError = FileHandle.nullDevice
        do {
            try probe.run()
            probe.waitUntilExit()
            return probe.terminationStatus == 0 ? nil : "python3 has no confluent-kafka: pip install confluent-kafka"
        } catch {
            return "there is no python3"
        }
    }()

    static var isAvailable: Bool {
        if let obstacle { print("skipped: \(obstacle)") }
        return obstacle == nil
    }

    init(brokers: Int = 3) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "python3", Self.root.appendingPathComponent("Compat/mock-cluster/mock_cluster.py").path, "\(brokers)",
        ]
        let toChild = Pipe()
        let fromChild = Pipe()
        process.standardInput = toChild
        process.standardOutput = fromChild
        if !ProcessEnvironment.isLogging { process.standardError = FileHandle.nullDevice }
        try process.run()
        input = toChild.fileHandleForWriting
        lines = LineReader(fromChild.fileHandleForReading)
        let first = try #require(lines.next())
        try #require(first.hasPrefix("bootstrap "))
        bootstrapServers = first.dropFirst("bootstrap ".count).split(separator: ",").map(String.init)
    }

    /// Sends a command and returns what follows `ok`.
    @discardableResult
    func run(_ command: String) async throws -> String {
        let answer: String? = await withCheckedContinuation { continuation in
            queue.async { [self] in
                try? input.write(contentsOf: Data((command + "\n").utf8))
                continuation.resume(returning: lines.next())
            }
        }
        let line = try #require(answer, "the mock cluster has died")
        try #require(line == "ok" || line.hasPrefix("ok "), "\(command): \(line)")
        return String(line.dropFirst(3))
    }

    /// Rows that the foreign consumer reads.
    struct Row: Decodable, Equatable {
        var partition: Int32
        var offset: Int64
        var key: String?
        var value: String?
        var headers: [[String]]
    }

    /// Reads a topic with confluent-kafka.
    func consume(_ topic: String, count: Int) async throws -> [Row] {
        let json = try await run(#"consume {"topic":"\#(topic)","count":\#(count)}"#)
        return try JSONDecoder().decode([Row].self, from: Data(json.utf8))
    }

    func stop() {
        try? input.close()
        process.waitUntilExit()
    }
}

/// Lines of a pipe, read with blocking reads.
private final class LineReader: Sendable {
    private let handle: FileHandle
    private let rest = Mutex(Data())

    init(_ handle: FileHandle) { self.handle = handle }

    func next() -> String? {
        rest.withLock { rest in
            while true {
                if let end = rest.firstIndex(of: 10) {
                    let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                    rest = Data(rest[rest.index(after: end)...])
                    return line
                }
                let more = handle.availableData
                if more.isEmpty { return nil }
                rest.append(more)
            }
        }
    }
}

/// Starts a mock cluster for one test.
func withMockCluster(_ body: (MockCluster) async throws -> Void) async throws {
    let cluster = try MockCluster()
    defer { cluster.stop() }
    try await body(cluster)
}
