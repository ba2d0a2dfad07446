import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Synchronization
import Testing

@testable import ConnectSQL

@Suite(.serialized) struct MariaDBSourceTests {
    private static let users =
        "create table users(id int auto_increment primary key, name varchar(20), pwd varchar(20), "
        + "created_at datetime default NOW());"

    private func makeDatabase(_ name: String, _ sql: String) throws -> MariaDBServer {
        let server = try MariaDBServer.shared()
        try server.makeDatabase(name)
        try server.sql(sql, database: name)
        return server
    }

    // tutorial B6, golden/flow/topic-my_topic_users.json
    @Test func tutorialTable() async throws {
        let server = try makeDatabase(
            "src_users", Self.users + "insert into users values(1,'test','test1234','2021-08-01 11:04:17')")
        let task = SQLSourceTask()
        try await task.start(sourceConfig(server.url("src_users"), "`src_users`.`users`"), context: SourceContext())
        let batch = try #require(try await poll(task, for: 1).first)
        let record = try #require(batch.records.first)
        #expect(record.topic == "my_topic_users")
        #expect(record.keySchema == nil && record.key == .null)
        #expect(record.valueSchema?.name == "users")
        #expect(record.valueSchema?.fields.map(\.name) == ["id", "name", "pwd", "created_at"])
        #expect(
            record.value.structValue?.values == [
                .int32(1), .string("test"), .string("test1234"), .int64(1_627_815_857_000),
            ])
        #expect(batch.sourcePartition == ["protocol": .string("1"), "table": .string("src_users.users")])
        #expect(batch.sourceOffset == ["incrementing": .int64(1)])

        try server.sql("insert into users(name,pwd) values('b','c')", database: "src_users")
        let next = try await poll(task, for: 1)
        #expect(next.records.first?["id"] == .int32(2))
        #expect(next.records.first?.valueSchema === record.valueSchema)
        await task.stop()
    }

    // golden/source/mode-g-incr-bigtable-batch.json
    @Test func batchesAndResuming() async throws {
        let server = try makeDatabase(
            "src_batch",
            Self.users + "insert into users(name) values" + (0..<8).map { "('n\($0)')" }.joined(separator: ","))
        let config = sourceConfig(server.url("src_batch"), "src_batch.users", ["batch.max.rows": "3"])
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext())
        let batches = try await poll(task, for: 8)
        await task.stop()
        #expect(batches.map(\.records.count) == [3, 3, 2])
        #expect(batches.map(\.sourceOffset) == [3, 6, 8].map { ["incrementing": .int64($0)] })

        for partition in [
            ["protocol": .string("1"), "table": .string("src_batch.users")] as OffsetMap, ["table": .string("users")],
        ] {
            let resumed = SQLSourceTask()
            try await resumed.start(config, context: SourceContext([partition: ["incrementing": .int64(6)]]))
            #expect(try await poll(resumed, for: 2).records.map { $0["id"] } == [.int32(7), .int32(8)])
            await resumed.stop()
        }
    }

    // golden/source/mode-g-alter-midstream.json
    @Test func tableAlteredWhileReading() async throws {
        let server = try makeDatabase("src_alter", Self.users + "insert into users(name) values('r1'),('r2')")
        let task = SQLSourceTask()
        try await task.start(sourceConfig(server.url("src_alter"), "src_alter.users"), context: SourceContext())
        #expect(try await poll(task, for: 2).records.count == 2)
        try server.sql(
            "alter table users add column extra int; insert into users(name,extra) values('x',7)",
            database: "src_alter")
        let wider = try #require(try await poll(task, for: 1).records.first)
        #expect(wider.valueSchema?.fields.last?.name == "extra")
        #expect(wider["id"] == .int32(3) && wider["extra"] == .int32(7))
        try server.sql(
            "alter table users drop column extra, modify name varchar(40) not null;"
                + "insert into users(name) values('y')",
            database: "src_alter")
        let narrower = try #require(try await poll(task, for: 1).records.first)
        #expect(narrower.valueSchema?.fields.map(\.name) == ["id", "name", "pwd", "created_at"])
        #expect(narrower.valueSchema?.field(named: "name")?.schema.isOptional == false)
        #expect(narrower["id"] == .int32(4))
        await task.stop()
    }

    // Where Java fails for good (golden/source/mode-g-drop-table-runtime.json), we wait for the table.
    @Test func tableDroppedAndMadeAgain() async throws {
        let server = try makeDatabase("src_drop", Self.users + "insert into users(name) values('a')")
        let task = SQLSourceTask()
        try await task.start(sourceConfig(server.url("src_drop"), "src_drop.users"), context: SourceContext())
        #expect(try await poll(task, for: 1).records.count == 1)
        try server.sql("drop table users", database: "src_drop")
        _ = try await task.poll()
        try server.sql(Self.users + "insert into users(id,name) values(9,'b')", database: "src_drop")
        #expect(try await poll(task, for: 1).records.first?["id"] == .int32(9))
        await task.stop()
    }

    @Test func connectionKilled() async throws {
        let server = try makeDatabase("src_kill", Self.users + "insert into users(name) values('a')")
        let task = SQLSourceTask()
        try await task.start(sourceConfig(server.url("src_kill"), "src_kill.users"), context: SourceContext())
        #expect(try await poll(task, for: 1).records.count == 1)
        for row in try server.sql("select id from information_schema.processlist where db='src_kill'") {
            try server.sql("kill \(row[0])")
        }
        try server.sql("insert into users(name) values('b')", database: "src_kill")
        #expect(try await poll(task, for: 1).records.map { $0["id"] } == [.int32(2)])
        await task.stop()
    }

    @Test func bulkReadsEverythingAgain() async throws {
        let server = try makeDatabase("src_bulk", Self.users + "insert into users(name) values('a'),('b')")
        let config = sourceConfig(
            server.url("src_bulk"), "src_bulk.users", ["mode": "bulk", "poll.interval.ms": "50"])
        let task = SQLSourceTask()
        try await task.start(config, context: SourceContext())
        let batches = try await poll(task, for: 4)
        await task.stop()
        #expect(batches.records.map { $0["id"] } == [1, 2, 1, 2].map { .int32($0) })
        #expect(batches.allSatisfy { $0.clearsOffset && $0.sourcePartition == ["table": .string("users")] })
    }

    // golden/source/mode-g-err-*.json
    @Test(arguments: [
        ("d", "create table t(d decimal(10,2) not null); insert into t values(1.5)", "no whole number"),
        ("name", "create table t(name varchar(10) not null); insert into t values('a')", "no whole number"),
        ("id", "create table t(id int null, u datetime null)", "nullable"),
        ("nope", "create table t(id int primary key)", "no column nope"),
    ])
    func badIncrementingColumns(_ column: String, _ ddl: String, _ text: String) async throws {
        let server = try makeDatabase("src_err", ddl)
        let task = SQLSourceTask()
        try await task.start(
            sourceConfig(server.url("src_err"), "src_err.t", ["incrementing.column.name": column]),
            context: SourceContext())
        await #expect {
            _ = try await poll(task, for: 1)
        } throws: { "\($0)".contains(text) && "\($0)".contains("src_err.t") }
        await task.stop()
    }

    @Test func unsignedAndViewAndFirstAutoIncrement() async throws {
        let server = try makeDatabase(
            "src_misc",
            "create table u(d bigint unsigned not null); insert into u values(15); create view v as select * from u;"
                + "create table a(x int, n int not null auto_increment unique); insert into a(x) values(5)")
        for (table, column, offset) in [("u", "d", 15), ("v", "d", 15), ("a", "", 1)] {
            let task = SQLSourceTask()
            try await task.start(
                sourceConfig(server.url("src_misc"), "src_misc.\(table)", ["incrementing.column.name": column]),
                context: SourceContext())
            #expect(try await poll(task, for: 1).first?.sourceOffset == ["incrementing": .int64(Int64(offset))])
            await task.stop()
        }
    }

    @Test func connectorPlansTasksAndSeesNewTables() async throws {
        let server = try makeDatabase(
            "src_plan", "create table a(id int primary key); create table b(id int primary key)")
        var config = sourceConfig(server.url("src_plan"), "", ["table.poll.interval.ms": "50"])
        config["tables"] = nil
        config["tables.fetched"] = nil
        let context = SourceContext()
        let connector = SQLSourceConnector()
        try await connector.start(config, context: context)
        #expect(
            try await connector.taskConfigs(maxTasks: 5).map { $0["tables"] } == ["`src_plan`.`a`", "`src_plan`.`b`"])
        try server.sql(
            "create table c(id int primary key); create table `d``e`(id int primary key)", database: "src_plan")
        while try await connector.taskConfigs(maxTasks: 1).first?["tables"]?.contains("d``e") != true {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(context.reconfigurations.withLock { $0 } >= 1)
        #expect(
            try await connector.taskConfigs(maxTasks: 2).map { $0["tables"] }
                == ["`src_plan`.`a`,`src_plan`.`b`", "`src_plan`.`c`,`src_plan`.`d``e`"])
        await connector.stop()

        config["table.whitelist"] = "nothing"
        let lonely = SQLSourceConnector()
        try await lonely.start(config, context: context)
        let task = try #require(try await lonely.taskConfigs(maxTasks: 1).first)
        await lonely.stop()
        #expect(task["tables"] == "" && task["tables.fetched"] == "true")
        await #expect(throws: ConnectError.self) {
            try await lonely.makeTask().start(
                Dictionary(uniqueKeysWithValues: Array(task)), context: SourceContext())
        }
    }
}
