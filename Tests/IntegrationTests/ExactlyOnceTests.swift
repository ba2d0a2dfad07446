import Foundation
import KafkaTesting
import Testing

/// `kill -9` of broker and worker while an exactly-once sink writes rows that have no key
/// (`delivery.guarantee=exactly_once`, `insert.mode=insert`): every record is a row once. `make soak-sink` does fifty
/// rounds.
@Suite(.serialized) struct ExactlyOnceTests {
    private static let rounds = ProcessInfo.processInfo.environment["SLUICE_KILL_ROUNDS"].flatMap { Int($0) } ?? 3
    private static let recordsPerRound = 4_000

    @Test(arguments: ["mariadb", "postgresql"]) func killedAnywhere(_ kind: String) throws {
        let (connection, ask) = try Self.makeDatabase(kind)
        let sluice = try SluiceProcess()
        let rest = { REST(base: sluice.restURL) }
        let created = try Command.sluice([
            "topics", "--create", "--topic", "events", "--partitions", "3", "--bootstrap-server",
            sluice.bootstrapServers,
        ])
        #expect(created.status == 0, "\(created.errors)")
        let config = """
            {"name":"once","config":{"connector.class":"JdbcSinkConnector",\(connection),"topics":"events",\
            "tasks.max":"1","insert.mode":"insert","pk.mode":"none","batch.size":"100",\
            "delivery.guarantee":"exactly_once","consumer.override.max.poll.records":"300",\
            "value.converter":"org.apache.kafka.connect.json.JsonConverter","value.converter.schemas.enable":"false"}}
            """
        let answer = try rest().call("POST", "/connectors", body: config)
        #expect(answer.status == 201, "\(answer.text)")
        var sent = 0
        var random = SystemRandomNumberGenerator()
        for _ in 0..<Self.rounds {
            let lines = (sent..<sent + Self.recordsPerRound).map { "{\"n\":\($0)}" }.joined(separator: "\n")
            let produced = try Command.run(
                "kcat", ["-b", sluice.bootstrapServers, "-P", "-t", "events", "-X", "acks=all"], input: lines + "\n")
            #expect(produced.status == 0, "\(produced.errors)")
            sent += Self.recordsPerRound
            usleep(UInt32.random(in: 0..<300_000, using: &random))
            sluice.kill()
            try sluice.start()
        }
        try rest().waitForState("once", "RUNNING")
        try waitFor("all rows", timeout: 120) { try ask("SELECT COUNT(DISTINCT n) FROM events") == sent ? true : nil }
        #expect(try ask("SELECT COUNT(*) FROM events") == sent)
        #expect(try ask("SELECT COUNT(*) FROM events WHERE n < 0 OR n >= \(sent)") == 0)
        #expect(sluice.stop() == 0)
    }

    /// The connector's connection, and how to ask for a number.
    private static func makeDatabase(_ kind: String) throws -> (String, (String) throws -> Int) {
        if kind == "mariadb" {
            let server = try MariaDBServer.shared()
            try server.makeDatabase("once")
            try server.sql("CREATE TABLE events(n BIGINT)", database: "once")
            return (
                "\"connection.url\":\"\(server.url("once"))\",\"connection.user\":\"root\","
                    + "\"connection.password\":\"\(MariaDBServer.password)\"",
                { Int(try server.sql($0, database: "once").first?.first ?? "") ?? -1 }
            )
        }
        let server = try PostgreSQLServer.shared()
        try server.makeDatabase("once")
        try server.sql("CREATE TABLE events(n BIGINT)", database: "once")
        return (
            "\"connection.url\":\"\(server.url("once"))\",\"connection.user\":\"\(PostgreSQLServer.user)\","
                + "\"connection.password\":\"\(PostgreSQLServer.password)\"",
            { Int(try server.sql($0, database: "once").first?.first ?? "") ?? -1 }
        )
    }
}
