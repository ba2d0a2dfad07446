import ConnectAPI
import Foundation
import Testing

@testable import ConnectSQL

/// Rows that are committed late, below what has been read: read in the end, and lost by the plain algorithm.
@Suite(.serialized) struct LateCommitTests {
    private static let servers = [TestDatabase.mariaDB, .postgreSQL]

    private func writer(_ database: OpenDatabase) throws -> any SQLConnection {
        try SourceOptions(database.connection.merging(["topic.prefix": "t_", "mode": "bulk"]) { $1 }).database.connect()
    }

    private func ids(_ task: SQLSourceTask, _ count: Int, _ limit: Duration) async throws -> [Int64?] {
        try await poll(task, for: count, limit: limit).records.map { $0["id"]?.integer }
    }

    @Test(arguments: servers, [true, false])
    func growingNumbers(_ kind: TestDatabase, _ isProtected: Bool) async throws {
        let database = try kind.open("late_number")
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50))")
        let task = try await database.source("users", ["late.commit.protection": "\(isProtected)"])
        try database.sql("INSERT INTO users VALUES(1,'first')")
        #expect(try await ids(task, 1, .seconds(20)) == [1])
        let late = try writer(database)
        try late.begin()
        try late.execute("INSERT INTO users VALUES(3,'late')")
        try database.sql("INSERT INTO users VALUES(2,'early'),(4,'early')")
        let before = try await ids(task, 3, .milliseconds(500))
        try late.commit()
        late.close()
        let after = try await ids(task, isProtected ? 3 - before.count : 1, .seconds(isProtected ? 20 : 1))
        await task.stop()
        if isProtected {
            #expect(before + after == [2, 3, 4])
        } else {
            // What the JDBC connectors do: row 3 is never seen.
            #expect(before == [2, 4])
            #expect(after == [])
        }
    }

    /// A transaction that is rolled back leaves a gap, for which nothing waits.
    @Test(arguments: servers) func gapsDoNotHoldUp(_ kind: TestDatabase) async throws {
        let database = try kind.open("late_gap")
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50))")
        let writer = try writer(database)
        try writer.begin()
        try writer.execute("INSERT INTO users VALUES(1,'gone')")
        try database.sql("INSERT INTO users VALUES(2,'stays')")
        writer.rollback()
        writer.close()
        let task = try await database.source("users")
        #expect(try await ids(task, 1, .seconds(20)) == [2])
        await task.stop()
    }

    @Test(arguments: servers, [true, false])
    func timestamps(_ kind: TestDatabase, _ isProtected: Bool) async throws {
        let database = try kind.open("late_time")
        let type = kind == .mariaDB ? "DATETIME(3)" : "TIMESTAMP(3)"
        try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, at \(type) NOT NULL)")
        for mode in ["timestamp", "timestamp+incrementing"] {
            try database.sql("DELETE FROM users")
            let task = try await database.source(
                "users",
                ["mode": mode, "timestamp.column.name": "at", "late.commit.protection": "\(isProtected)"])
            let late = try writer(database)
            try late.begin()
            try late.execute("INSERT INTO users VALUES(1, '2024-02-29 12:00:00')")
            try database.sql("INSERT INTO users VALUES(2, '2024-02-29 12:00:01')")
            let before = try await ids(task, 1, .milliseconds(500))
            try late.commit()
            late.close()
            let after = try await ids(task, isProtected ? 2 - before.count : 1, .seconds(isProtected ? 20 : 1))
            await task.stop()
            if isProtected {
                #expect(before + after == [1, 2], "\(mode)")
            } else {
                #expect(before == [2] && after == [], "\(mode)")
            }
        }
    }
}
