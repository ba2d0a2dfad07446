import Foundation
import Testing

/// The tools as processes against a broker process; what they wrote is read with kcat, and the other way round.
@Suite struct ToolsTests {
    /// A broker on a free port that ends with the test.
    final class BrokerProcess {
        let process = Process()
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-cli-\(UUID().uuidString.prefix(8))")
        private(set) var server = ""

        /// - Parameter settings: lines of the broker's file.
        init(settings: String = "") throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let ready = folder.appending(path: "ready.json")
            let file = folder.appending(path: "server.properties")
            try settings.write(to: file, atomically: true, encoding: .utf8)
            process.executableURL = Tool.sluice
            process.arguments = [
                "broker", file.path, "--port", "0", "--data-dir", folder.appending(path: "data").path, "--ready-file",
                ready.path,
                "--log-level", "error",
            ]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            let deadline = Date().addingTimeInterval(30)
            while server.isEmpty, process.isRunning, Date() < deadline {
                let json = (try? Data(contentsOf: ready)).flatMap { try? JSONSerialization.jsonObject(with: $0) }
                server = (json as? [String: Any])?["bootstrapServers"] as? String ?? ""
                usleep(2_000)
            }
            try #require(!server.isEmpty, "the broker did not start")
        }

        deinit {
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            try? FileManager.default.removeItem(at: folder)
        }

        func sluice(_ line: String, input: String = "") throws -> Tool.Result {
            let arguments = line.split(separator: " ").map(String.init) + ["--bootstrap-server", server]
            return try Tool.run(Tool.sluice, arguments, input: input)
        }
    }

    @Test func settingsOfATopicAreShownAndChanged() throws {
        let broker = try BrokerProcess()
        #expect(try broker.sluice("topics --create --topic t --config retention.ms=1000").status == 0)
        let topic = "--entity-type topics --entity-name t"
        let changed = try broker.sluice(
            "configs --alter \(topic) --add-config cleanup.policy=[compact,delete],max.message.bytes=2000 "
                + "--delete-config retention.ms")
        #expect(changed.output == "Completed updating config for topic t.\n")
        let shown = try broker.sluice("configs --describe \(topic)").output
        #expect(
            shown == """
                Dynamic configs for topic t are:
                  cleanup.policy=compact,delete sensitive=false
                  max.message.bytes=2000 sensitive=false

                """)
        let all = try broker.sluice("configs --describe \(topic) --all").output
        #expect(all.contains("\n  retention.ms=604800000 sensitive=false\n"))
        let refused = try broker.sluice("configs --alter \(topic) --add-config no.such.setting=1")
        #expect(refused.status == 1 && refused.errors.contains("no.such.setting"))
        let brokers = try broker.sluice("configs --describe --entity-type brokers --all").output
        #expect(brokers.hasPrefix("All configs for broker 1 are:\n") && brokers.contains("  num.partitions=1 "))
    }

    @Test func whatTheTutorialTypes() throws {
        let broker = try BrokerProcess()
        let created = try broker.sluice("topics --create --topic quickstart-events --partitions 1")
        #expect(created == Tool.Result(status: 0, output: "Created topic quickstart-events.\n", errors: ""))
        #expect(try broker.sluice("topics --create --topic quickstart-events --if-not-exists").status == 0)
        let again = try broker.sluice("topics --create --topic quickstart-events")
        #expect(again.status == 1)
        #expect(again.errors.contains("quickstart-events"))
        #expect(try broker.sluice("topics --list").output == "quickstart-events\n")

        let described = try broker.sluice("topics --describe --topic quickstart-events").output
        #expect(described.contains("PartitionCount: 1\tReplicationFactor: 1\tConfigs: "))
        #expect(described.contains("\tTopic: quickstart-events\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1"))

        #expect(try broker.sluice("console-producer --topic quickstart-events", input: "one\ntwo\nthree").status == 0)
        let read = try broker.sluice("console-consumer --topic quickstart-events --from-begining --max-messages 3")
        #expect(read.output == "one\ntwo\nthree\n")
        #expect(read.errors == "Processed a total of 3 messages\n")
    }

    @Test func groupsGoOnWhereTheyWere() throws {
        let broker = try BrokerProcess()
        _ = try broker.sluice("console-producer --topic t", input: "1\n2\n3\n4\n5\n")
        let consume = "console-consumer --topic t --group readers --from-beginning --max-messages"
        // Ends in the middle of a batch: what was not printed must not be committed.
        #expect(try broker.sluice("\(consume) 2").output == "1\n2\n")
        let rows = try broker.sluice("consumer-groups --describe --group readers").output.split(separator: "\n")
        #expect(rows.last?.split(separator: " ").prefix(6) == ["readers", "t", "0", "2", "5", "3"])
        #expect(try broker.sluice("\(consume) 3").output == "3\n4\n5\n")

        let reset = "consumer-groups --reset-offsets --group readers --topic t --shift-by -2"
        #expect(try broker.sluice(reset).status == 0)
        #expect(try broker.sluice("\(consume) 1 --timeout-ms 500").output == "")
        #expect(try broker.sluice("\(reset) --execute").status == 0)
        #expect(try broker.sluice("\(consume) 2").output == "4\n5\n")

        let file = broker.folder.appending(path: "offsets.csv")
        let exported = try broker.sluice(
            "consumer-groups --reset-offsets --group readers --all-topics --by-duration PT1H --export")
        #expect(exported.output == "t,0,0\n", "all was written within the hour")
        try "t,0,3\n".write(to: file, atomically: true, encoding: .utf8)
        let filed = "consumer-groups --reset-offsets --group readers --from-file \(file.path) --execute"
        #expect(try broker.sluice(filed).status == 0)
        #expect(try broker.sluice("\(consume) 1").output == "4\n")
        let future = "consumer-groups --reset-offsets --group readers --topic t --to-datetime 2999-01-01T00:00:00.000"
        #expect(try broker.sluice("\(future) --export").output == "t,0,5\n", "none so late: to the end")
        let forget = "consumer-groups --delete-offsets --group readers --topic t"
        #expect(try broker.sluice(forget).output.contains("Successful"))
        #expect(try broker.sluice(forget).errors.contains("no position in topic 't'"))
        #expect(try broker.sluice("consumer-groups --delete --group readers").status == 0)
        #expect(try broker.sluice("consumer-groups --describe --group readers").status == 1)
    }

    @Test func offsetsAreShownAndRecordsDeleted() throws {
        let broker = try BrokerProcess()
        _ = try broker.sluice("topics --create --topic t --partitions 2")
        _ = try broker.sluice("console-producer --topic u", input: "1\n2\n3\n4\n5\n")
        #expect(try broker.sluice("get-offsets --exclude-internal-topics").output == "t:0:0\nt:1:0\nu:0:5\n")
        #expect(try broker.sluice("get-offsets --topic u --time earliest").output == "u:0:0\n")
        #expect(try broker.sluice("get-offsets --topic t --partitions 1 --time -2").output == "t:1:0\n")
        #expect(try broker.sluice("get-offsets --topic u --time 99999999999999").output == "u:0:\n")
        #expect(try broker.sluice("get-offsets --topic u --time soon").status == 2)
        #expect(try broker.sluice("get-offsets --topic nothing").status == 1)

        let file = broker.folder.appending(path: "delete.json")
        try #"{"partitions": [{"topic": "u", "partition": 0, "offset": 3}], "version": 1}"#
            .write(to: file, atomically: true, encoding: .utf8)
        let deleted = try broker.sluice("delete-records --offset-json-file \(file.path)")
        #expect(deleted.status == 0 && deleted.output.contains("partition: u-0\tlow_watermark: 3\n"))
        #expect(try broker.sluice("get-offsets --topic u --time earliest").output == "u:0:3\n")
        try #"{"partitions": [{"topic": "u", "partition": 0}]}"#.write(to: file, atomically: true, encoding: .utf8)
        #expect(try broker.sluice("delete-records --offset-json-file \(file.path)").status == 2)
    }

    /// The lines are those of Kafka's DumpLogSegments.
    @Test func filesOfALogAreShownAndChecked() throws {
        let broker = try BrokerProcess()
        _ = try broker.sluice("console-producer --topic t --property parse.key=true", input: "k\tone\nk\ttwo\n")
        let log = broker.folder.appending(path: "data/t-0/00000000000000000000.log")
        let shown = try broker.sluice("get-offsets --topic t")
        #expect(shown.output == "t:0:2\n")
        func dump(_ flags: String...) throws -> Tool.Result {
            try Tool.run(Tool.sluice, ["dump-log", "--files", log.path] + flags)
        }
        let lines = try dump("--print-data-log").output.split(separator: "\n").map(String.init)
        #expect(lines.first == "Dumping \(log.path)" && lines.dropFirst().first == "Log starting offset: 0")
        #expect(lines.filter { $0.hasPrefix("baseOffset: 0 ") && $0.hasSuffix(" isvalid: true") }.count == 1)
        let records = lines.filter { $0.hasPrefix("| offset: ") }
        #expect(records.count == 2)
        #expect(
            records.last?.wholeMatch(
                of:
                    /\| offset: 1 CreateTime: \d{13} keySize: 1 valueSize: 3 sequence: -?\d+ headerKeys: \[\] key: k payload: two/
            )
                != nil, "\(records)")
        let pairs = try dump("--print-data-log", "--skip-record-metadata").output
        #expect(pairs.contains("\n| key: k payload: one\n"))

        let info = try Tool.run(
            Tool.sluice, ["storage", "info", "--data-dir", broker.folder.appending(path: "data").path])
        #expect(info.output.contains("in use by a running broker") && info.output.contains("\nt   "))

        var bytes = try Data(contentsOf: log)
        bytes[bytes.count - 3] ^= 1
        try (bytes + Data([1, 2, 3])).write(to: log)
        let damaged = try dump()
        #expect(damaged.status == 1 && damaged.output.contains(" isvalid: false\n"))
        #expect(damaged.output.contains("Found 3 invalid bytes at the end of 00000000000000000000.log\n"))
        #expect(damaged.errors.contains("the checksum at position 0 is wrong"))
    }

    @Test func usersAreMadeBeforeTheFirstStart() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-format-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let format = ["storage", "format", "--data-dir", folder.path, "--add-scram"]
        let made = try Tool.run(Tool.sluice, format + ["SCRAM-SHA-512=[name=alice,password=hush-hush]"])
        #expect(made.status == 0 && made.output.contains("alice has a password for SCRAM-SHA-512."))
        #expect(!made.output.contains("hush-hush"))
        let wrong = try Tool.run(Tool.sluice, format + ["SCRAM-SHA-512=[name=alice,password=hush-hush"])
        #expect(wrong.status != 0 && wrong.errors.contains("--add-scram") && !wrong.errors.contains("hush-hush"))
    }

    @Test func strangersReadAndWriteTheSame() throws {
        guard let kcat = Tool.find("kcat") else { return }
        let broker = try BrokerProcess()
        let properties = "--property parse.key=true --property key.separator=: --property parse.headers=true"
        _ = try broker.sluice("console-producer --topic t \(properties)", input: "h:1\tk:v\n")
        let common = ["-b", broker.server, "-t", "t", "-p", "0"]
        let format = ["-C", "-o", "beginning", "-e", "-q", "-f", "%h|%k|%s|%p|%o"]
        #expect(try Tool.run(kcat, common + format).output == "h=1|k|v|0|0")

        _ = try Tool.run(kcat, common + ["-P", "-K", ":", "-H", "a=b", "-z", "snappy"], input: "key:from kcat")
        let printed = "--property print.key=true --property print.headers=true --property print.offset=true"
        let read = try broker.sluice("console-consumer --topic t --partition 0 --offset 1 --max-messages 1 \(printed)")
        #expect(read.output == "Offset:1\ta:b\tkey\tfrom kcat\n")
    }

    @Test func exitCodesAndOneLineOfWhy() throws {
        let nobody = try Tool.run(Tool.sluice, ["topics", "--list", "--bootstrap-server", "127.0.0.1:1"])
        #expect(nobody.status == 1)
        #expect(nobody.errors.contains("127.0.0.1:1"))
        #expect(nobody.errors.split(separator: "\n").count == 1)
        let wrong = try Tool.run(Tool.sluice, ["topics", "--lst"])
        #expect(wrong.status == 2)
        #expect(wrong.errors.hasPrefix("sluice: "))
        #expect(wrong.errors.contains("sluice help topics"))
        #expect(try Tool.run(Tool.sluice, ["--version"]).output.hasPrefix("sluice 0."))
        #expect(try Tool.run(Tool.sluice, ["help", "console-consumer"]).status == 0)
    }
}

/// Programs, run to their end.
enum Tool {
    struct Result: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// The program of this build, beside the test bundle.
    static var sluice: URL {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var folder = URL(filePath: bundle).deletingLastPathComponent()
        while folder.path != "/" {
            let program = folder.appending(path: "sluice")
            var isFolder: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: program.path, isDirectory: &isFolder)
            if isThere, !isFolder.boolValue { return program }
            folder.deleteLastPathComponent()
        }
        return SourceRoot.url.appending(path: ".build/debug/sluice")
    }

    static func find(_ name: String) -> URL? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            .map { URL(filePath: String($0)).appending(path: name) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Output goes through files: a pipe would hold up a program that prints more than fits.
    static func run(_ program: URL, _ arguments: [String], input: String = "") throws -> Result {
        let base = FileManager.default.temporaryDirectory.appending(path: "sluice-tool-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: base) }
        for (name, text) in [("in", input), ("out", ""), ("err", "")] {
            try Data(text.utf8).write(to: base.appending(path: name))
        }
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: base.appending(path: "in"))
        process.standardOutput = try FileHandle(forWritingTo: base.appending(path: "out"))
        process.standardError = try FileHandle(forWritingTo: base.appending(path: "err"))
        try process.run()
        process.waitUntilExit()
        func text(_ name: String) throws -> String {
            try String(contentsOf: base.appending(path: name), encoding: .utf8)
        }
        return Result(status: process.terminationStatus, output: try text("out"), errors: try text("err"))
    }
}

enum SourceRoot {
    static let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
}
