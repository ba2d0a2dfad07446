import Foundation
import KafkaProtocol
import KafkaServiceSQL
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaService

/// Which database a test runs on.
enum DatabaseKind: String, CaseIterable, Sendable {
    case sqlite, mariaDB, postgreSQL

    /// The URL of an empty database; the caller removes `folder`.
    func makeURL(_ folder: String) async throws -> (url: String, user: String?, password: String?) {
        let name = "service_\(UUID().uuidString.prefix(8).lowercased())"
        switch self {
        case .sqlite: return ("jdbc:sqlite:\(folder)/service.db", nil, nil)
        case .mariaDB:
            let server = try await onOwnThread(MariaDBServer.shared)
            try server.makeDatabase(name)
            return (server.url(name), "root", MariaDBServer.password)
        case .postgreSQL:
            let server = try await onOwnThread(PostgreSQLServer.shared)
            try server.makeDatabase(name)
            return (server.url(name), PostgreSQLServer.user, PostgreSQLServer.password)
        }
    }
}

@Suite(.serialized, .timeLimit(.minutes(3))) struct OutboxTests {
    private func withDatabase(
        _ kind: DatabaseKind, _ body: (SQLServiceDatabase) async throws -> Void
    ) async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        let place = try await kind.makeURL(folder)
        let database = try SQLServiceDatabase(url: place.url, user: place.user, password: place.password)
        do {
            try await body(database)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    @Test(arguments: DatabaseKind.allCases)
    func `messages live and die with their transaction, and arrive in order`(_ kind: DatabaseKind) async throws {
        try await Fixture.with { fixture in
            try await withDatabase(kind) { database in
                let topic = fixture.topic("orders")
                try await fixture.application.template(topic).check()
                let outbox = Outbox(database: database)
                try await outbox.migrate()
                try await outbox.migrate()
                let relay = OutboxRelay(outbox, application: fixture.application)
                let running = Task { try await relay.run() }
                for id in 0..<50 {
                    do {
                        try await outbox.withTransaction { transaction in
                            try await outbox.publish(
                                Order(id: id, product: "pä"), key: "k\0é", to: topic, in: transaction,
                                messageID: "m\(id)")
                            if id % 5 == 4 { throw Refused(description: "rolled back") }
                        }
                    } catch is Refused {}
                }
                let records = try await fixture.records("orders", 40)
                let expected = (0..<50).filter { $0 % 5 != 4 }
                #expect(records.map { $0.header("message-id") } == expected.map { "m\($0)" })
                #expect(records.first?.text == #"{"id":0,"product":"pä","qty":1}"#)
                #expect(records.first?.key.map { String(buffer: $0) } == "k\0é")
                try await eventually("an empty backlog") { try await relay.backlog() == 0 }
                relay.shutdown()
                try await running.value
            }
        }
    }

    @Test(arguments: DatabaseKind.allCases)
    func `the inbox lets a message take effect once, also when it comes twice at once`(
        _ kind: DatabaseKind
    ) async throws {
        try await withDatabase(kind) { database in
            let inbox = Inbox(database: database, consumer: "stock", retention: .milliseconds(1))
            try await inbox.migrate()
            try await database.withTransaction { transaction in
                try await transaction.execute("CREATE TABLE stock (qty BIGINT NOT NULL)")
                try await transaction.execute("INSERT INTO stock VALUES (100)")
            }
            let count = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        do {
                            return try await inbox.once(id: "order-\(number % 4)") { transaction in
                                try await transaction.execute("UPDATE stock SET qty = qty - 1")
                            }
                        } catch {
                            // A deadlock is the loser's: a listener would call again.
                            return try await inbox.once(id: "order-\(number % 4)") { transaction in
                                try await transaction.execute("UPDATE stock SET qty = qty - 1")
                            }
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(count == 4)
            await #expect(throws: Refused.self) {
                try await inbox.once(id: "order-9") { transaction in
                    try await transaction.execute("UPDATE stock SET qty = qty - 50")
                    throw Refused(description: "no")
                }
            }
            let rows = try await database.withTransaction { try await $0.query("SELECT qty FROM stock") }
            #expect(rows == [[.integer(96)]])
            try await Task.sleep(for: .milliseconds(5))
            try await inbox.prune()
            let left = try await database.withTransaction { try await $0.query("SELECT COUNT(*) FROM sluice_inbox") }
            #expect(left.first?.first?.integer == 0)
        }
    }

    @Test(arguments: DatabaseKind.allCases)
    func `one of two relays works, sent rows are pruned, and a dead one's lease runs out`(
        _ kind: DatabaseKind
    ) async throws {
        try await Fixture.with { fixture in
            try await withDatabase(kind) { database in
                let topic = fixture.topic("orders")
                try await fixture.application.template(topic).check()
                let outbox = Outbox(database: database)
                try await outbox.migrate()
                try await database.withTransaction { transaction in
                    try await transaction.execute(
                        "INSERT INTO sluice_outbox_lease (name, owner, expires_at) VALUES ('relay', 'dead', ?)",
                        [.integer(WallClock.now() + 500)])
                    for id in 0..<30 {
                        try await outbox.publish(Order(id: id, product: "p"), key: "p", to: topic, in: transaction)
                    }
                }
                var settings = OutboxRelayConfiguration()
                settings.batchSize = 7
                settings.pollInterval = .milliseconds(20)
                settings.retention = .zero
                let relays = (0..<2).map { _ in
                    OutboxRelay(outbox, application: fixture.application, configuration: settings)
                }
                let running = relays.map { relay in Task { try await relay.run() } }
                #expect(try await relays[0].backlog() == 30)
                let records = try await fixture.records("orders", 30)
                #expect(records.count == 30)
                try await eventually("no rows") {
                    try await database.withTransaction { transaction in
                        try await transaction.query("SELECT COUNT(*) FROM sluice_outbox").first?.first?.integer == 0
                    }
                }
                for relay in relays { relay.shutdown() }
                for task in running { try await task.value }
                #expect(try await fixture.records("orders", 30).count == 30)
            }
        }
    }
}
