import Foundation
import Testing

/// An idempotent and a plain producer of librdkafka, both with acks=all, against a broker that is killed again and again:
/// every acknowledged message of the first is there exactly once and in order, of the second at least once. `SLUICE_KILL_ROUNDS` sets the number of kills (default 10).
@Suite(.serialized, .enabled(if: Command.hasPythonModule("confluent_kafka"), "needs confluent-kafka"))
struct DurabilityTests {
    @Test func whatWasAcknowledgedIsThereExactlyOnceAfterKills() throws {
        let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap(Int.init) ?? 10
        let sluice = try SluiceProcess()
        let bootstrap = ["--bootstrap-server", sluice.bootstrapServers]
        for topic in ["durable", "plain"] {
            let created = try Command.sluice(["topics", "--create", "--topic", topic, "--partitions", "1"] + bootstrap)
            #expect(created.status == 0, "\(created.errors)")
        }

        let folder = try TemporaryFolder()
        let (acked, stop) = (folder.path + "/acked", folder.path + "/stop")
        let ackedPlain = folder.path + "/acked-plain"
        let output = Pipe(), plainOutput = Pipe()
        let producer = try Self.start([sluice.bootstrapServers, "durable", acked, stop], output)
        defer { producer.terminate() }
        let plain = try Self.start([sluice.bootstrapServers, "plain", ackedPlain, stop, "plain"], plainOutput)
        defer { plain.terminate() }

        var random = SystemRandomNumberGenerator()
        for round in 1...rounds {
            let before = Self.size(of: acked)
            // Killed while requests are under way: at a random point once the producer makes progress again.
            let beforePlain = Self.size(of: ackedPlain)
            let progress = Int.random(in: 1...4_000, using: &random)
            try waitFor("acknowledgements in round \(round)") { () -> Bool? in
                guard producer.isRunning, plain.isRunning else { throw Failure("the producer gave up") }
                return Self.size(of: acked) >= before + progress && Self.size(of: ackedPlain) > beforePlain ? true : nil
            }
            sluice.kill()
            try sluice.start()
        }
        #expect(FileManager.default.createFile(atPath: stop, contents: nil))
        let sent = try Self.end(producer, output), sentPlain = try Self.end(plain, plainOutput)
        let acknowledged = try Self.numbers(in: String(contentsOfFile: acked, encoding: .utf8))
        let acknowledgedPlain = try Self.numbers(in: String(contentsOfFile: ackedPlain, encoding: .utf8))
        let records = try Self.read("durable", sluice), recordsPlain = try Self.read("plain", sluice)
        #expect(Set(acknowledged).count == sent, "the producer was told of every message")
        #expect(records.count == sent, "\(records.count) records for \(sent) messages in \(rounds) kills")
        #expect(records == Array(0..<sent), "in order, each once")
        #expect(Set(acknowledgedPlain).count == sentPlain, "the plain producer was told of every message")
        #expect(Set(acknowledgedPlain).isSubset(of: recordsPlain), "what was acknowledged is there")
    }

    private static func start(_ arguments: [String], _ output: Pipe) throws -> Process {
        let producer = Process()
        producer.executableURL = URL(filePath: try #require(Command.path(of: "python3")))
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Support/durable.py").path
        producer.arguments = [script] + arguments
        producer.standardOutput = output
        try producer.run()
        return producer
    }

    /// Waits for its end; how many messages it has sent.
    private static func end(_ producer: Process, _ output: Pipe) throws -> Int {
        producer.waitUntilExit()
        #expect(producer.terminationStatus == 0)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        return try #require(numbers(in: text).first)
    }

    private static func numbers(in text: String) -> [Int] { text.split(separator: "\n").compactMap { Int($0) } }

    private static func read(_ topic: String, _ sluice: SluiceProcess) throws -> [Int] {
        numbers(
            in: try Command.run(
                "kcat", ["-b", sluice.bootstrapServers, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]
            ).output)
    }

    private static func size(of file: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
    }
}
