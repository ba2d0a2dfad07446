import ConnectAPI
import Foundation
import NIOCore
import Testing

@testable import ConnectSQL

/// Every common type from each database into each of the others, through the bytes that a topic holds; what has arrived
/// is read by the target's own client.
@Suite(.serialized) struct CrossDatabaseTests {
    private static let pairs: [(TestDatabase, TestDatabase)] = TestDatabase.allCases.flatMap { source in
        TestDatabase.allCases.filter { $0 != source }.map { (source, $0) }
    }

    private static func table(_ kind: TestDatabase) -> String {
        let (double, blob, at) =
            switch kind {
            case .mariaDB: ("DOUBLE", "BLOB", "DATETIME(3)")
            case .postgreSQL: ("DOUBLE PRECISION", "BYTEA", "TIMESTAMP(3)")
            case .sqlite: ("DOUBLE", "BLOB", "TIMESTAMP")
            }
        return "CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, i16 SMALLINT, i64 BIGINT, price DECIMAL(9,2), "
            + "f8 \(double), flag BOOLEAN, name VARCHAR(50), data \(blob), day DATE, at \(at))"
    }

    private static func rows(_ kind: TestDatabase) -> String {
        let (bytes, yes, no) =
            kind == .postgreSQL ? ("'\\x00ff27'::bytea", "true", "false") : ("x'00ff27'", "1", "0")
        return "INSERT INTO users VALUES"
            + "(1,-32768,9223372036854775807,12.30,0.1,\(yes),'naïve ''q'' 日本',\(bytes),'2024-02-29',"
            + "'2024-02-29 13:14:15.123'),"
            + "(2,0,-1,-0.05,-250000,\(no),'',\(bytes),'1969-12-31','1969-12-31 23:59:59.999'),"
            + "(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)"
    }

    /// What the target's own client shows.
    private static func read(_ target: OpenDatabase) throws -> [[String?]] {
        let columns = { (flag: String, data: String) in
            "SELECT id,i16,i64,price,f8,\(flag),name,\(data),day,at FROM t ORDER BY id"
        }
        switch target.kind {
        case .mariaDB: return try target.sql(columns("flag", "LOWER(HEX(data))"))
        case .postgreSQL: return try target.sql(columns("flag::int", "encode(data,'hex')"))
        case .sqlite:
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                "sqlite3", "-separator", "\t", "-nullvalue", "NULL", String(target.url.dropFirst("jdbc:sqlite:".count)),
                columns("flag", "LOWER(HEX(data))"),
            ]
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            return text.split(separator: "\n").map { line in
                line.split(separator: "\t", omittingEmptySubsequences: false).map {
                    $0 == "NULL" || $0.isEmpty && line.hasPrefix("3") ? nil : String($0)
                }
            }
        }
    }

    /// SQLite has no dates and no trailing zeros: milliseconds and numbers, as the JDBC connector writes them.
    private static func expected(_ kind: TestDatabase) -> [[String?]] {
        let isSQLite = kind == .sqlite
        return [
            [
                "1", "-32768", "9223372036854775807", isSQLite ? "12.3" : "12.30", "0.1", "1", "naïve 'q' 日本", "00ff27",
                isSQLite ? "1709164800000" : "2024-02-29", isSQLite ? "1709212455123" : "2024-02-29 13:14:15.123",
            ],
            [
                "2", "0", "-1", "-0.05", isSQLite ? "-250000.0" : "-250000", "0", "", "00ff27",
                isSQLite ? "-86400000" : "1969-12-31", isSQLite ? "-1" : "1969-12-31 23:59:59.999",
            ],
            ["3"] + [String?](repeating: nil, count: 9),
        ]
    }

    @Test(arguments: pairs) func everyTypeArrives(_ kinds: (TestDatabase, TestDatabase)) async throws {
        let source = try kinds.0.open("cross_a")
        let target = try kinds.1.open("cross_b")
        try source.sql(Self.table(kinds.0))
        try source.sql(Self.rows(kinds.0))
        let task = try await source.source("users")
        let read = try await poll(task, for: 3).records
        await task.stop()
        let converter = JSONConverter()
        var records: [SinkRecord] = []
        for (offset, record) in read.enumerated() {
            var bytes = ByteBuffer()
            _ = try converter.fromConnect(
                topic: "t", schema: record.valueSchema, value: record.value, into: &bytes)
            let value = try converter.toConnect(topic: "t", bytes: bytes)
            records.append(
                SinkRecord(
                    topic: "t", partition: 0, offset: Int64(offset), valueSchema: value.schema, value: value.value))
        }
        try await target.put(records, ["insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id"])
        #expect(try Self.read(target) == Self.expected(kinds.1))
    }
}
