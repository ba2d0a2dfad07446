import Foundation
import Testing

/// An idempotent producer of librdkafka against a broker that is killed again and again: every acknowledged message is
/// there exactly once and in order. `SLUICE_KILL_ROUNDS` sets the number of kills (default 10).
@Suite(.serialized, .enabled(if: Command.hasPythonModule("confluent_kafka"), "needs confluent-kafka"))
struct DurabilityTests {
    @Test func whatWasAcknowledgedIsThereExactlyOnceAfterKills() throws {
        let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap(Int.init) ?? 10
        let sluice = try SluiceProcess()
        let bootstrap = ["--bootstrap-server", sluice.bootstrapServers]
        let created = try Command.sluice(["topics", "--create", "--topic", "durable", "--partitions", "1"] + bootstrap)
        #expect(created.status == 0, "\(created.errors)")

        let folder = try TemporaryFolder()
        let (acked, stop) = (folder.path + "/acked", folder.path + "/stop")
        let producer = Process()
        producer.executableURL = URL(filePath: try #require(Command.path(of: "python3")))
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Support/durable.py").path
        producer.arguments = [script, sluice.bootstrapServers, "durable", acked, stop]
        let output = Pipe()
        producer.standardOutput = output
        try producer.run()
        defer { producer.terminate() }

        var random = SystemRandomNumberGenerator()
        for round in 1...rounds {
            let before = Self.size(of: acked)
            // Killed while requests are under way: at a random point once the producer makes progress again.
            let progress = Int.random(in: 1...4_000, using: &random)
            try waitFor("acknowledgements in round \(round)") { () -> Bool? in
                guard producer.isRunning else { throw Failure("the producer gave up") }
                return Self.size(of: acked) >= before + progress ? true : nil
            }
            sluice.kill()
            try sluice.start()
        }
        #expect(FileManager.default.createFile(atPath: stop, contents: nil))
        producer.waitUntilExit()
        #expect(producer.terminationStatus == 0)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let sent = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))

        let acknowledged = try String(contentsOfFile: acked, encoding: .utf8).split(separator: "\n").compactMap {
            Int($0)
        }
        let read = try Command.run(
            "kcat", ["-b", sluice.bootstrapServers, "-C", "-t", "durable", "-o", "beginning", "-e", "-q"])
        let records = read.output.split(separator: "\n").compactMap { Int($0) }
        #expect(Set(acknowledged).count == sent, "the producer was told of every message")
        #expect(records.count == sent, "\(records.count) records for \(sent) messages in \(rounds) kills")
        #expect(records == Array(0..<sent), "in order, each once")
    }

    private static func size(of file: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
    }
}
