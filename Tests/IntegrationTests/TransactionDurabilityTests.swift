import Foundation
import Testing

/// A transactional producer of librdkafka against a broker that is killed again and again: a transaction is there as a whole
/// or not at all, no aborted record is ever read, and none hangs.
/// `SLUICE_KILL_ROUNDS` sets the number of kills (default 10).
@Suite(.serialized, .enabled(if: Command.hasPythonModule("confluent_kafka"), "needs confluent-kafka"))
struct TransactionDurabilityTests {
    @Test func transactionsAreWholeAfterKills() throws {
        let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap(Int.init) ?? 10
        let sluice = try SluiceProcess()
        let bootstrap = ["--bootstrap-server", sluice.bootstrapServers]
        let created = try Command.sluice(["topics", "--create", "--topic", "tx", "--partitions", "2"] + bootstrap)
        #expect(created.status == 0, "\(created.errors)")

        let folder = try TemporaryFolder()
        let (outcomes, stop) = (folder.path + "/outcomes", folder.path + "/stop")
        let support = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Support")
        let python = URL(filePath: try #require(Command.path(of: "python3")))
        let producer = Process()
        producer.executableURL = python
        producer.arguments = [
            support.appending(path: "transactional.py").path, sluice.bootstrapServers, "tx", outcomes, stop,
        ]
        producer.standardOutput = FileHandle.nullDevice
        try producer.run()
        defer { producer.terminate() }

        var random = SystemRandomNumberGenerator()
        for round in 1...rounds {
            let before = Self.lines(of: outcomes).count
            let progress = Int.random(in: 1...8, using: &random)
            try waitFor("transactions in round \(round)") { () -> Bool? in
                guard producer.isRunning else { throw Failure("the producer gave up") }
                return Self.lines(of: outcomes).count >= before + progress ? true : nil
            }
            sluice.kill()
            try sluice.start()
        }
        #expect(FileManager.default.createFile(atPath: stop, contents: nil))
        producer.waitUntilExit()
        #expect(producer.terminationStatus == 0)

        let read = try Command.run(
            python.path, [support.appending(path: "read_committed.py").path, sluice.bootstrapServers, "tx"])
        #expect(read.status == 0, "\(read.output) \(read.errors)")
        var seen: [Int: Set<Int>] = [:]
        for line in read.output.split(separator: "\n") {
            let parts = line.split(separator: "-").compactMap { Int($0) }
            #expect(parts.count == 2 && seen[parts[0], default: []].insert(parts[1]).inserted, "\(line) twice")
        }
        for line in Self.lines(of: outcomes) {
            let parts = line.split(separator: " ")
            let number = try #require(Int(parts[0]))
            let records = seen.removeValue(forKey: number)?.count ?? 0
            switch parts[1] {
            case "commit": #expect(records == 10, "transaction \(number) was committed, \(records) records are there")
            case "abort": #expect(records == 0, "transaction \(number) was aborted, \(records) records are there")
            default: #expect(records == 0 || records == 10, "transaction \(number): \(records) records")
            }
        }
        #expect(seen.isEmpty, "records of transactions that nobody ended: \(seen.keys)")
    }

    private static func lines(of file: String) -> [Substring] {
        ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "").split(separator: "\n")
    }
}
