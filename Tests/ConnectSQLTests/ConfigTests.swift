import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectSQL

@Suite(.serialized) struct ConfigTests {
    private static let source = [
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.user": "root",
        "connection.password": MariaDBServer.password, "mode": "incrementing", "incrementing.column.name": "id",
        "table.whitelist": "users", "topic.prefix": "my_topic_", "tasks.max": "1", "name": "v",
    ]
    private static let sink = [
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "connection.user": "root",
        "connection.password": MariaDBServer.password, "auto.create": "true", "auto.evolve": "true",
        "delete.enabled": "false", "tasks.max": "1", "topics": "my_topic_users", "name": "v",
    ]

    // golden/rest/013 and 015: names, types, defaults, groups, order
    @Test(
        .enabled(if: sharedFolder != nil, "no ../shared here"),
        arguments: [
            ("013-plugin-config-JdbcSourceConnector", true), ("015-plugin-config-JdbcSinkConnector", false),
        ])
    func definitions(_ file: String, _ isSource: Bool) throws {
        let json = try #require(
            try JSONSerialization.jsonObject(with: golden("rest/\(file).json")) as? [String: Any])
        let body = try #require((json["response"] as? [String: Any])?["body"] as? [[String: Any]])
        let definition = isSource ? SQLSourceConnector.configDefinition : SQLSinkConnector.configDefinition
        let workers: Set = [
            "Common", "Transforms", "Predicates", "Error Handling", "Topic Creation", "Exactly Once Support",
            "offsets.topic",
        ]
        let recorded = body.filter { !workers.contains($0["group"] as? String ?? "") }
        let extensions: Set = [
            "poll.interval.min.ms", "delivery.guarantee", "offsets.table.name", "late.commit.protection", "record.key",
            "decimal.mapping", "incrementing.parallel.read", "auto.evolve.types", "ddl.mode",
        ]
        let own = definition.keys.values.filter { !extensions.contains($0.name) }
        #expect(own.map(\.name) == recorded.compactMap { $0["name"] as? String })
        for (key, expected) in zip(own, recorded) {
            let comment = Comment(rawValue: key.name)
            let (isRequired, shown): (Bool, String?) =
                switch key.defaultValue {
                case .required: (true, nil)
                case .null: (false, nil)
                case .value(let text): (false, key.type == .password ? Secret.hidden : text)
                }
            #expect(key.type.rawValue == expected["type"] as? String, comment)
            #expect(key.importance.rawValue == expected["importance"] as? String, comment)
            #expect(key.width.rawValue == expected["width"] as? String, comment)
            #expect(key.displayName == expected["display_name"] as? String, comment)
            #expect(shown == expected["default_value"] as? String, comment)
            #expect(isRequired == expected["required"] as? Bool, comment)
            #expect(key.order == expected["order_in_group"] as? Int, comment)
            #expect(key.dependents == expected["dependents"] as? [String], comment)
            #expect(key.group ?? "" == expected["group"] as? String ?? "", comment)
            #expect(!key.doc.isEmpty, comment)
        }
    }

    // golden/rest/045, 048, 057…075
    @Test(
        .enabled(if: sharedFolder != nil, "no ../shared here"),
        arguments: [
            "045-validate-source-ok", "048-validate-sink-ok", "056-validate-source-missing-url",
            "057-validate-source-bad-mode", "058-validate-source-bad-poll", "061-validate-source-badpassword",
            "063-validate-source-both-lists", "064-validate-source-query-and-whitelist",
            "067-validate-source-inc-nocol",
            "068-validate-source-bad-url", "072-validate-sink-bad-insertmode",
            "073-validate-sink-delete-no-pkmode", "075-validate-sink-bad-batchsize",
        ])
    func validation(_ file: String) async throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("mydb")
        let json = try #require(
            try JSONSerialization.jsonObject(with: golden("rest/\(file).json")) as? [String: Any])
        var config = try #require((json["request"] as? [String: Any])?["body"] as? [String: String])
        if config["connection.url"]?.contains("23306") == true {
            config["connection.url"] = server.url("mydb", host: "localhost")
        }
        let body = try #require((json["response"] as? [String: Any])?["body"] as? [String: Any])
        let recorded = try #require(body["configs"] as? [[String: Any]])
        let isSource = file.contains("source")
        let results = await isSource ? SQLSourceConnector().validate(config) : SQLSinkConnector().validate(config)
        for entry in recorded {
            let expected = try #require(entry["value"] as? [String: Any])
            let name = try #require(expected["name"] as? String)
            guard let result = results.first(where: { $0.name == name }) else { continue }
            let comment = Comment(rawValue: "\(file) \(name)")
            #expect(result.errors == expected["errors"] as? [String], comment)
            #expect(result.isVisible == expected["visible"] as? Bool, comment)
            #expect(result.recommendedValues == expected["recommended_values"] as? [String], comment)
            if name != "connection.url" { #expect(result.value == expected["value"] as? String, comment) }
        }
    }

    // golden/rest/062, 069: the words are our own
    @Test(arguments: [
        ("jdbc:mysql://localhost:1/mydb", "Could not connect to database. "),
        ("jdbc:foo://x/y", "Could not connect to database. No suitable driver found for jdbc:foo://x/y"),
        ("jdbc:mysql://u:sec@localhost:99999/d", "Could not connect to database. connection.url has a port"),
    ])
    func unreachable(_ url: String, _ text: String) async throws {
        for results in [
            await SQLSourceConnector().validate(Self.source.merging(["connection.url": url]) { $1 }),
            await SQLSinkConnector().validate(Self.sink.merging(["connection.url": url]) { $1 }),
        ] {
            let failed = results.filter { !$0.errors.isEmpty }
            #expect(failed.map(\.name) == ["connection.url"])
            #expect(failed.first?.errors.first?.hasPrefix(text) == true, "\(failed)")
            let texts = failed.flatMap(\.errors).joined()
            #expect(!texts.contains(MariaDBServer.password) && !texts.contains("sec@"))
        }
    }

    @Test func whatCannotBeDoneIsRefused() async throws {
        let name = "jdbc.credentials.provider.class"
        let extra = ["connection.url": "jdbc:sqlite::memory:", name: "com.example.Provider"]
        for results in [
            await SQLSourceConnector().validate(Self.source.merging(extra) { $1 }),
            await SQLSinkConnector().validate(Self.sink.merging(extra) { $1 }),
        ] {
            let failed = results.filter { !$0.errors.isEmpty }
            #expect(failed.map(\.name) == [name])
            #expect(failed.first?.errors.first?.contains("is not supported") == true)
        }
        #expect(throws: ConnectError.self) { try SourceOptions(Self.source.merging(extra) { $1 }) }
        #expect(throws: ConnectError.self) { try SinkOptions(Self.sink.merging(extra) { $1 }) }
    }

    @Test(arguments: ["upsert", "update"])
    func sinkRefusesChangesWithoutKey(_ mode: String) async throws {
        var config = Self.sink.merging(["connection.url": "jdbc:sqlite::memory:", "insert.mode": mode]) { $1 }
        let failed = await SQLSinkConnector().validate(config).filter { !$0.errors.isEmpty }
        #expect(failed.map(\.name) == ["insert.mode", "pk.mode"])
        #expect(throws: ConnectError.self) { try SinkOptions(config) }
        config["pk.mode"] = "record_value"
        #expect(await SQLSinkConnector().validate(config).allSatisfy(\.errors.isEmpty))
    }

    @Test func unknownZone() async throws {
        let config = Self.source.merging(["connection.url": "jdbc:sqlite::memory:", "db.timezone": "Mars/X"]) { $1 }
        let failed = await SQLSourceConnector().validate(config).filter { !$0.errors.isEmpty }
        #expect(failed.map(\.name) == ["db.timezone"])
    }

    @Test func illegalTopicPrefix() async throws {
        let config = Self.source.merging(["connection.url": "jdbc:sqlite::memory:", "topic.prefix": "a b"]) { $1 }
        let failed = await SQLSourceConnector().validate(config).filter { !$0.errors.isEmpty }
        #expect(failed.map(\.name) == ["topic.prefix"])
    }

    @Test func tasksDivideTables() {
        let tables = (0..<7).map { TableID(name: "t\($0)") }
        #expect(SQLSourceConnector.groups(tables, atMost: 3).map(\.count) == [3, 2, 2])
        #expect(SQLSourceConnector.groups(tables, atMost: 10).map(\.count) == Array(repeating: 1, count: 7))
        #expect(SQLSourceConnector.groups([], atMost: 3) == [[]])
    }
}
