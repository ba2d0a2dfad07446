import Foundation
import KafkaTesting
import Testing

/// `../shared/tutorial/README.md`, steps A1–A4 and B1–B8, on a real MariaDB, with the program's name replaced and the
/// ports free ones.
@Suite(.serialized) struct TutorialWalkTests {
    static func sourceConfig(_ server: MariaDBServer, database: String) -> String {
        """
        {"name":"my-source-connect","config":{"connector.class":"io.confluent.connect.jdbc.JdbcSourceConnector",\
        "connection.url":"jdbc:mysql://localhost:\(server.port)/\(database)","connection.user":"root",\
        "connection.password":"test1357","mode":"incrementing","incrementing.column.name":"id",\
        "table.whitelist":"users","topic.prefix":"my_topic_","tasks.max":"1"}}
        """
    }

    static func sinkConfig(_ server: MariaDBServer, database: String) -> String {
        """
        {"name":"my-sink-connect","config":{"connector.class":"io.confluent.connect.jdbc.JdbcSinkConnector",\
        "connection.url":"jdbc:mysql://localhost:\(server.port)/\(database)","connection.user":"root",\
        "connection.password":"test1357","auto.create":"true","auto.evolve":"true","delete.enabled":"false",\
        "tasks.max":"1","topics":"my_topic_users"}}
        """
    }

    static let usersTable = """
        create table users(id int auto_increment primary key, name varchar(20), pwd varchar(20), \
        created_at datetime default NOW())
        """

    @Test func consoleToolsOfPartA() throws {
        let sluice = try SluiceProcess()
        let bootstrap = ["--bootstrap-server", sluice.bootstrapServers]
        let created = try Command.sluice(
            ["topics", "--create", "--topic", "quickstart-events"] + bootstrap + ["--partitions", "1"])
        #expect(created.status == 0, "\(created.errors)")
        #expect(created.output.contains("Created topic quickstart-events."))
        let listed = try Command.sluice(["topics"] + bootstrap + ["--list"])
        #expect(listed.output.split(separator: "\n").contains("quickstart-events"))
        let described = try Command.sluice(["topics", "--describe", "--topic", "quickstart-events"] + bootstrap)
        for word in ["Topic: quickstart-events", "PartitionCount: 1", "ReplicationFactor: 1", "Leader:", "Isr:"] {
            #expect(described.output.contains(word), "\(described.output)")
        }
        let produced = try Command.sluice(
            ["console-producer", "--broker-list", sluice.bootstrapServers, "--topic", "quickstart-events"],
            input: "first event\nsecond event\n")
        #expect(produced.status == 0, "\(produced.errors)")
        for flag in ["--from-beginning", "--from-begining"] {
            let consumed = try Command.sluice(
                ["console-consumer"] + bootstrap
                    + ["--topic", "quickstart-events", flag, "--max-messages", "2", "--timeout-ms", "20000"])
            #expect(consumed.output == "first event\nsecond event\n", "\(consumed.errors)")
        }
        // A foreign reader sees the same.
        let kcat = try Command.run(
            "kcat", ["-b", sluice.bootstrapServers, "-C", "-t", "quickstart-events", "-o", "beginning", "-e", "-q"])
        #expect(kcat.output == "first event\nsecond event\n", "\(kcat.errors)")
        #expect(sluice.stop() == 0)
    }

    @Test func connectorsOfPartB() throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("walk")
        try server.sql(Self.usersTable, database: "walk")
        let sluice = try SluiceProcess()
        let rest = REST(base: sluice.restURL)

        // B1: the worker's topics exist after start.
        try waitFor("the worker's topics") { () -> Bool? in
            let topics = try Command.sluice(["topics", "--bootstrap-server", sluice.bootstrapServers, "--list"]).output
            let names = Set(topics.split(separator: "\n").map(String.init))
            return names.isSuperset(of: ["connect-configs", "connect-offsets", "connect-status"]) ? true : nil
        }

        // B4: 201 with name, config plus "name", no tasks yet, type.
        let created = try rest.call("POST", "/connectors", body: Self.sourceConfig(server, database: "walk"))
        #expect(created.status == 201, "\(created.text)")
        try expectAgreesWithGolden(created, "flow/001-create-source.json", server: server)

        // B5.
        #expect(try rest.get("/connectors").json as? [String] == ["my-source-connect"])
        try rest.waitForState("my-source-connect", "RUNNING")
        let status = try rest.get("/connectors/my-source-connect/status").object
        #expect(status["type"] as? String == "source")
        let worker = (status["connector"] as? [String: Any])?["worker_id"] as? String
        #expect(worker == "127.0.0.1:\(sluice.restPort)")

        // B6: the record, byte for byte.
        try server.sql("insert into users(name, pwd) values('test', 'test1234')", database: "walk")
        let seconds = try server.sql(
            "select timestampdiff(second, '1970-01-01', created_at) from users", database: "walk")
        let expected = """
            {"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},\
            {"type":"string","optional":true,"field":"name"},{"type":"string","optional":true,"field":"pwd"},\
            {"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,\
            "field":"created_at"}],"optional":false,"name":"users"},\
            "payload":{"id":1,"name":"test","pwd":"test1234","created_at":\(seconds[0][0])000}}
            """
        let record = try waitFor("the record in my_topic_users") { () -> String? in
            let read = try Command.run(
                "kcat", ["-b", sluice.bootstrapServers, "-C", "-t", "my_topic_users", "-o", "beginning", "-e", "-q"])
            return read.output.isEmpty ? nil : read.output
        }
        #expect(record == expected + "\n")

        // B7: the sink makes the table and fills it.
        let sink = try rest.call("POST", "/connectors", body: Self.sinkConfig(server, database: "walk"))
        #expect(sink.status == 201, "\(sink.text)")
        try expectAgreesWithGolden(sink, "flow/002-create-sink.json", server: server)
        try rest.waitForState("my-sink-connect", "RUNNING")
        try expectAgreesWithGolden(
            try rest.get("/connectors/my-sink-connect/status"), "flow/003-sink-status.json", server: server)
        let copy =
            "select id, name, pwd, timestampdiff(second, '1970-01-01', created_at) from my_topic_users order by id"
        let rows = try waitFor("the row in the sink's table") { () -> [[String]]? in
            let rows = (try? server.sql(copy, database: "walk")) ?? []
            return rows.isEmpty ? nil : rows
        }
        #expect(rows == [["1", "test", "test1234", seconds[0][0]]])
        let columns = try server.describe("my_topic_users", database: "walk")
        #expect(
            columns.map { Array($0.prefix(3)) } == [
                ["id", "int(11)", "NO"], ["name", "text", "YES"], ["pwd", "text", "YES"],
                ["created_at", "datetime(3)", "YES"],
            ])

        // B8: the envelope typed by hand, without created_at.
        let typed = """
            {"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string",\
            "optional":true,"field":"name"},{"type":"string","optional":true,"field":"pwd"}],"optional":false,\
            "name":"users"},"payload":{"id":2,"name":"test2","pwd":"test2234"}}\n
            """
        let produced = try Command.sluice(
            ["console-producer", "--broker-list", sluice.bootstrapServers, "--topic", "my_topic_users"], input: typed)
        #expect(produced.status == 0, "\(produced.errors)")
        let both = try waitFor("the typed row") { () -> [[String]]? in
            let rows = try server.sql(copy, database: "walk")
            return rows.count < 2 ? nil : rows
        }
        #expect(both[1] == ["2", "test2", "test2234", "NULL"])
        let names = try #require(try rest.get("/connectors").json as? [String])
        #expect(names.sorted() == ["my-sink-connect", "my-source-connect"])

        // No answer shows the password (the tutorial's own defect).
        for path in [
            "/connectors/my-source-connect", "/connectors/my-source-connect/config", "/connectors?expand=info",
            "/connectors/my-source-connect/tasks",
        ] {
            #expect(!(try rest.get(path).text.contains("test1357")), "\(path) shows the password")
        }
        #expect(!sluice.log.contains("test1357"))
        #expect(sluice.stop() == 0)
    }

    /// The recorded answer agrees in status, structure and types, and in values where they do not depend on the host.
    /// The password is masked, the worker's address and database differ.
    private func expectAgreesWithGolden(_ answer: REST.Answer, _ path: String, server: MariaDBServer) throws {
        guard let golden = try Golden.load(path) else { return }
        let response = try #require(golden["response"] as? [String: Any])
        #expect(answer.status == response["status"] as? Int)
        let differences = Golden.differences(
            answer.json, response["body"],
            ignoring: ["connection.url", "connection.password", "worker_id", "version"])
        #expect(differences.isEmpty, "\(differences)")
    }
}

/// The recorded answers of the real systems, where `../shared/golden` is there.
enum Golden {
    static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "shared/golden")
    }

    static func load(_ path: String) throws -> [String: Any]? {
        let file = folder.appending(path: path)
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return try JSONSerialization.jsonObject(with: data) as? [String: Any]
    }

    /// Where two JSON values differ. Values under the ignored keys must have the same type only.
    static func differences(_ ours: Any?, _ theirs: Any?, ignoring: Set<String>, at path: String = "$") -> [String] {
        switch (ours, theirs) {
        case (let ours as [String: Any], let theirs as [String: Any]):
            return Set(ours.keys).union(theirs.keys).sorted().flatMap { key -> [String] in
                let here = "\(path).\(key)"
                guard let our = ours[key], let their = theirs[key] else {
                    return ["\(here): \(ours[key] == nil ? "missing" : "not in the recording")"]
                }
                if ignoring.contains(key) { return type(our) == type(their) ? [] : ["\(here): other type"] }
                return differences(our, their, ignoring: ignoring, at: here)
            }
        case (let ours as [Any], let theirs as [Any]):
            guard ours.count == theirs.count else { return ["\(path): \(ours.count) elements, not \(theirs.count)"] }
            // Offsets come in the order of a hash map in the recordings.
            let isSet = path.hasSuffix(".offsets")
            let pairs = isSet ? zip(ours.sorted(by: precedes), theirs.sorted(by: precedes)) : zip(ours, theirs)
            return pairs.enumerated().flatMap { index, pair in
                differences(pair.0, pair.1, ignoring: ignoring, at: "\(path)[\(index)]")
            }
        case (let ours as NSObject, let theirs as NSObject):
            return ours == theirs ? [] : ["\(path): \(ours), not \(theirs)"]
        default:
            return ["\(path): \(String(describing: ours)), not \(String(describing: theirs))"]
        }
    }

    private static func precedes(_ left: Any, _ right: Any) -> Bool {
        func text(_ value: Any) -> String {
            let data = try? JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
            return String(decoding: data ?? Data(), as: UTF8.self)
        }
        return text(left) < text(right)
    }

    private static func type(_ value: Any) -> String {
        switch value {
        case is String: "string"
        case is NSNumber: "number"
        case is [Any]: "array"
        case is [String: Any]: "object"
        default: "null"
        }
    }
}
