import Foundation
import KafkaTesting
import Testing

/// A database that goes away under a source and a sink and comes back (`SLUICE_AWAY_SECONDS`, `make database-away`):
/// every row arrives once, the status says why if it takes long, and nobody has to do anything.
@Suite(.serialized) struct DatabaseAwayTests {
    private static let seconds =
        ProcessInfo.processInfo.environment["SLUICE_AWAY_SECONDS"].flatMap { Double($0) } ?? 1.5

    /// What the test needs of a server.
    private struct Database {
        var connection: String
        var sql: (String) throws -> [[String]]
        var halt: () -> Void
        var resume: () throws -> Void
        var stop: () -> Void
    }

    private static func open(_ kind: String) throws -> Database {
        func connection(_ url: String, _ user: String, _ password: String) -> String {
            "\"connection.url\":\"\(url)\",\"connection.user\":\"\(user)\",\"connection.password\":\"\(password)\","
                + "\"connection.backoff.ms\":\"200\",\"retry.backoff.ms\":\"200\",\"tasks.max\":\"1\""
        }
        if kind == "mariadb" {
            let server = try MariaDBServer()
            try server.makeDatabase("away")
            return Database(
                connection: connection(server.url("away"), "root", MariaDBServer.password),
                sql: { try server.sql($0, database: "away") }, halt: server.halt, resume: server.resume,
                stop: server.stop)
        }
        let server = try PostgreSQLServer()
        try server.makeDatabase("away")
        return Database(
            connection: connection(server.url("away"), PostgreSQLServer.user, PostgreSQLServer.password),
            sql: { try server.sql($0, database: "away") }, halt: server.halt, resume: server.resume, stop: server.stop)
    }

    @Test(arguments: ["mariadb", "postgresql"]) func comesBack(_ kind: String) throws {
        let database = try Self.open(kind)
        defer { database.stop() }
        let sluice = try SluiceProcess()
        let rest = REST(base: sluice.restURL)
        _ = try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))")
        func fill(_ ids: Range<Int>) throws {
            _ = try database.sql("INSERT INTO users VALUES" + ids.map { "(\($0),'n\($0)')" }.joined(separator: ","))
        }
        try fill(0..<500)
        let configs = [
            "in": "\"connector.class\":\"JdbcSource\",\"mode\":\"incrementing\",\"incrementing.column.name\":\"id\","
                + "\"table.whitelist\":\"users\",\"topic.prefix\":\"t_\"",
            // A table without a key: a row that came twice would be there twice.
            "out": "\"connector.class\":\"JdbcSink\",\"topics\":\"t_users\",\"auto.create\":\"true\","
                + "\"table.name.format\":\"copies\",\"delivery.guarantee\":\"exactly_once\"",
        ]
        for (name, config) in configs {
            let body = "{\"name\":\"\(name)\",\"config\":{\(config),\(database.connection)}}"
            let answer = try rest.call("POST", "/connectors", body: body)
            #expect(answer.status == 201, "\(answer.text)")
        }
        func waitForRows(_ count: Int) throws {
            try waitFor("\(count) rows", timeout: 60) {
                let rows = try? database.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM copies")
                return rows == [["\(count)", "\(count)"]] ? true : nil
            }
        }
        try waitForRows(500)
        // The sink has records at hand that it cannot write, and the source rows that it has not read.
        try fill(500..<600)
        database.halt()
        // And one more, whose row is nowhere yet.
        let lone =
            #"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},"#
            + #"{"type":"string","optional":true,"field":"name"}],"optional":false,"name":"users"},"#
            + #""payload":{"id":1000,"name":"alone"}}"#
        let produced = try Command.run(
            "kcat", ["-b", sluice.bootstrapServers, "-P", "-t", "t_users", "-X", "acks=all"], input: lone + "\n")
        #expect(produced.status == 0, "\(produced.errors)")
        let back = Date().addingTimeInterval(Self.seconds)
        var reasons: [String: String] = [:]
        while Date() < back {
            usleep(200_000)
            for name in configs.keys {
                let status = try rest.call("GET", "/connectors/\(name)/status").text
                if status.contains("\"trace\"") { reasons[name] = status }
            }
        }
        // After ten, fifteen seconds of tries a task says so; until then it tries again.
        if Self.seconds > 30 {
            #expect(reasons["out"]?.contains("Error while writing") == true, "\(reasons)")
            #expect(reasons["in"]?.contains("Error while connecting") == true, "\(reasons)")
        }
        for text in reasons.values { #expect(!text.contains(MariaDBServer.password)) }
        try database.resume()
        try fill(600..<700)
        try waitForRows(701)
        for name in configs.keys { try rest.waitForState(name, "RUNNING") }
        #expect(sluice.stop() == 0)
    }
}
