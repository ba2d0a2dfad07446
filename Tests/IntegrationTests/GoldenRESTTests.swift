import Foundation
import KafkaTesting
import Testing

/// Replays the 356 recorded REST calls of a real Java worker, in order, against `sluice up` and a real MariaDB.
/// Status, structure, values and types agree, or the difference is in GoldenDifferences.md of ConnectRuntimeTests.
@Suite(.serialized) struct GoldenRESTTests {
    /// How a call is compared when not simply by status and body.
    enum Rule {
        /// Another status, on purpose.
        case status(Int)
        /// The body depends on the moment of the recording, or lists plugins that Sluice does not have.
        case statusOnly
        /// The answer depends on the moment of the recording altogether, or on a plugin that Sluice does not have.
        case skip
        /// Made after the others, before the connectors are deleted, because the recording goes on as if it had not been.
        case atTheEnd(Int)
    }

    static let rules: [Int: Rule] = {
        var rules: [Int: Rule] = [
            1: .statusOnly, 3: .status(200), 52: .status(400), 53: .status(404), 54: .status(400), 55: .status(400),
            83: .statusOnly, 84: .status(400), 85: .status(400), 86: .status(400),
            101: .statusOnly, 112: .status(400), 116: .status(400), 117: .status(400),
            // What is there at the moment after a change.
            126: .skip, 127: .skip, 260: .skip, 261: .statusOnly, 262: .statusOnly, 280: .statusOnly, 354: .skip,
            // Offsets are stored earlier than Java does, rows are delivered at once and not after 5 s: connectors that
            // live for a moment (113, 309) have moved rows, which the sink has read.
            160: .statusOnly, 171: .statusOnly, 273: .statusOnly, 275: .statusOnly, 312: .statusOnly,
            // What Java leaves to fail at run time is refused.
            58: .statusOnly, 64: .statusOnly, 66: .statusOnly, 74: .statusOnly,
            181: .status(404), 191: .status(404), 230: .status(400), 232: .status(400),
            238: .status(400), 239: .statusOnly, 247: .status(400), 248: .atTheEnd(200), 291: .status(400),
            298: .status(400), 299: .status(400),
        ]
        for number in 88...95 { rules[number] = .status(400) }
        // 118 and 119 speak of the connector that 117 no longer makes; 143 and 144 read and delete what now can be.
        rules[118] = .status(404)
        rules[119] = .status(404)
        rules[143] = .status(200)
        rules[144] = .atTheEnd(204)
        // The loggers are our own.
        for number in 336...349 { rules[number] = .statusOnly }
        return rules
    }()

    /// Values that differ between two runs, or are secret.
    static let ignored: Set<String> = [
        "connection.url", "connection.password", "worker_id", "version", "message", "documentation", "tables",
        "commit", "kafka_cluster_id", "trace",
    ]

    @Test(.enabled(if: FileManager.default.fileExists(atPath: Golden.folder.path), "golden recordings are not here"))
    func everyCallIsAnsweredAsRecordedOrBetter() throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase(Replay.database)
        try server.sql(TutorialWalkTests.usersTable, database: Replay.database)
        try server.sql(
            "insert into users(name, pwd) values('test1', 'test1234'), ('test2', 'pw2')", database: Replay.database)
        let sluice = try SluiceProcess()
        let replay = Replay(rest: sluice.restURL, databasePort: server.port)
        try waitFor("the worker to be ready") { try replay.get("/health").status == 200 ? true : nil }

        let names = try FileManager.default.contentsOfDirectory(atPath: Golden.folder.appending(path: "rest").path)
        var compared = 0
        var last: [(call: [String: Any], status: Int)] = []
        for name in names.sorted() {
            guard let number = Int(name.prefix(3)), let call = try Golden.load("rest/\(name)") else { continue }
            try replay.settle(before: number)
            // From 352 on the connectors are deleted.
            if number == 352 {
                for (call, status) in last { #expect(try replay.send(call).status == status) }
            }
            switch Self.rules[number] {
            case .skip?: try replay.send(call)
            case .atTheEnd(let status)?: last.append((call, status))
            case .status(let status)?: #expect(try replay.send(call).status == status, "\(name)")
            case .statusOnly?:
                let recorded = (call["response"] as? [String: Any])?["status"] as? Int
                #expect(try replay.send(call).status == recorded, "\(name)")
            case nil:
                let problems = try replay.compare(call)
                for problem in problems { Issue.record("\(name): \(problem)") }
            }
            compared += 1
        }
        #expect(compared == 356)
        #expect(!sluice.log.contains("test1357"))
        #expect(sluice.stop() == 0)
    }
}

/// Sends recorded calls and compares the answers.
struct Replay {
    /// Our name of the recording's `mydb`, which other tests of this process use too.
    static let database = "golden_rest"

    var rest: String
    var databasePort: Int

    struct Answer {
        var status: Int
        var text: String
        var json: Any? { try? JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed]) }
    }

    func get(_ path: String) throws -> Answer { try call("GET", path, headers: [:], body: nil) }

    @discardableResult
    func send(_ call: [String: Any]) throws -> Answer {
        let request = try #require(call["request"] as? [String: Any])
        var body: String?
        switch request["body"] {
        case let text as String: body = text
        case let object? where !(object is NSNull):
            let data = try JSONSerialization.data(withJSONObject: object, options: [.withoutEscapingSlashes])
            body = String(decoding: data, as: UTF8.self)
                .replacingOccurrences(of: "localhost:23306", with: "127.0.0.1:\(databasePort)")
                .replacingOccurrences(of: "mydb", with: Self.database)
        default:
            // A body that was no JSON is not in the recording. 121 is about a body without a type.
            let name = call["name"] as? String ?? ""
            if name.contains("badjson") { body = "{bad" }
            if name.contains("content-type") { body = "{}" }
        }
        let answer = try self.call(
            request["method"] as? String ?? "GET", request["path"] as? String ?? "/",
            headers: request["headers"] as? [String: String] ?? [:], body: body)
        #expect(!answer.text.contains("test1357"), "\(call["name"] ?? "") shows the password")
        return answer
    }

    private func call(_ method: String, _ path: String, headers: [String: String], body: String?) throws -> Answer {
        var arguments = ["-sS", "--path-as-is", "--max-time", "60", "-w", "\n%{http_code}"]
        arguments += method == "HEAD" ? ["--head"] : ["-X", method]
        // curl adds headers of its own unless told not to.
        for name in ["Accept", "Content-Type"] where headers[name] == nil { arguments += ["-H", "\(name):"] }
        for (name, value) in headers { arguments += ["-H", "\(name): \(value)"] }
        if body != nil { arguments += ["--data-binary", "@-"] }
        let result = try Command.run("curl", arguments + [rest + path], input: body ?? "")
        guard result.status == 0 else { throw Failure("curl \(method) \(path): \(result.errors)") }
        let end = result.output.lastIndex(of: "\n") ?? result.output.startIndex
        let status = Int(result.output[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        let text = result.output[..<end].replacingOccurrences(of: Self.database, with: "mydb")
        return Answer(status: status, text: method == "HEAD" ? "" : text)
    }

    /// What is wrong with the answer. A question that changes nothing is asked until it agrees, for a while: the
    /// recording waited before it asked.
    func compare(_ call: [String: Any]) throws -> [String] {
        let request = call["request"] as? [String: Any]
        let isQuestion = ["GET", "HEAD", "OPTIONS"].contains(request?["method"] as? String)
        let response = try #require(call["response"] as? [String: Any])
        let deadline = Date().addingTimeInterval(isQuestion ? 15 : 0)
        while true {
            let answer = try send(call)
            let problems = differences(answer, response)
            if problems.isEmpty || Date() >= deadline { return problems }
            usleep(20_000)
        }
    }

    private func differences(_ answer: Answer, _ response: [String: Any]) -> [String] {
        let recorded = response["status"] as? Int ?? 0
        guard answer.status == recorded else { return ["status \(answer.status), not \(recorded): \(answer.text)"] }
        guard let body = response["body"], !(body is NSNull) else { return [] }
        return Golden.differences(
            Self.normal(answer.json), Self.normal(body), ignoring: GoldenRESTTests.ignored)
    }

    /// Options that Sluice adds.
    private static let ownOptions: Set<String> = [
        "poll.interval.min.ms", "delivery.guarantee", "offsets.table.name", "late.commit.protection", "record.key",
        "decimal.mapping", "incrementing.parallel.read", "auto.evolve.types", "ddl.mode",
    ]

    /// Java lists names in the order of a hash map, we sort them; documentation is not recorded.
    private static func normal(_ value: Any?) -> Any? {
        switch value {
        case let strings as [String]: return strings.sorted()
        case let list as [[String: Any]] where list.contains { $0["value"] != nil && $0["definition"] != nil }:
            return list.filter { !ownOptions.contains(($0["value"] as? [String: Any])?["name"] as? String ?? "") }
                .map { normal($0) ?? NSNull() }
        case let list as [[String: Any]] where list.contains { $0["default_value"] != nil }:
            return list.filter { !ownOptions.contains($0["name"] as? String ?? "") }.map { normal($0) ?? NSNull() }
        case let list as [Any]:
            let elements = list.map { normal($0) ?? NSNull() }
            guard elements.allSatisfy({ ($0 as? [String: Any])?["partition"] != nil }) else { return elements }
            return elements.sorted { "\($0)" < "\($1)" }
        case let object as [String: Any]:
            var members = object.mapValues { normal($0) ?? NSNull() }
            members["documentation"] = nil
            // The database's address.
            let name = members["name"] as? String
            if name == "connection.url", members["visible"] != nil { members["value"] = nil }
            if let errors = members["errors"] as? [String] {
                // What the driver says after that is its own.
                let common = "Could not connect to database."
                members["errors"] = errors.map { $0.hasPrefix(common) ? common : $0 }
            }
            return members
        default: return value
        }
    }

    /// Waits for what the recording had waited for before a call that changes something.
    func settle(before number: Int) throws {
        let awaited: [Int: String] = [
            252: "RUNNING", 253: "RUNNING", 254: "RUNNING", 255: "RUNNING", 256: "RUNNING", 257: "RUNNING",
            258: "RUNNING", 259: "RUNNING", 264: "PAUSED", 266: "PAUSED", 276: "RUNNING", 277: "RUNNING",
        ]
        if let state = awaited[number] {
            try REST(base: rest).waitForState("my-source-connect", state)
        }
    }
}
