import Foundation
import KafkaServiceSQL
import KafkaTesting
import Testing

@testable import KafkaService

/// `kill -9` of real processes at each step between an order and its effect: outbox, relay, inbox, commit.
/// `make crash-services` runs 100 rounds.
@Suite(.timeLimit(.minutes(10))) struct OutboxCrashTests {
    /// Each step of each transaction; number 1 and 2 of a role's are its migrations and leases.
    private static let points: [(orders: String, stock: String)] = [
        ("order:body:4", "inbox:begin:6"), ("order:commit:5", "inbox:body:7"), ("relay:begin:3", "inbox:commit:8"),
        ("relay:body:3", "inbox:commit:5"), ("relay:commit:3", "inbox:body:5"), ("relay:begin:4", "inbox:begin:9"),
        ("relay:body:4", "inbox:commit:6"), ("relay:commit:4", "inbox:body:9"), ("relay:begin:5", "inbox:commit:9"),
        ("order:begin:6", "inbox:body:6"),
    ]

    /// Waits for the end, and says whether it was SIGKILL. Any other end must be a good one.
    private func end(_ process: ProbeProcess) async throws -> Bool {
        try await eventually("the end of \(process.arguments)", within: .seconds(60)) { process.end != nil }
        if process.end == .killed(SIGKILL) { return true }
        #expect(process.end == .exited(0), "\(process.arguments)")
        return false
    }

    @Test func `orders placed are orders handled, and the stock is exact`() async throws {
        let rounds = ProcessInfo.processInfo.environment["SLUICE_CRASH_ROUNDS"].flatMap { Int($0) } ?? 5
        let broker = try await TestBroker.start()
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        func options(_ database: String, until: Int) -> [String] {
            [
                "--bootstrap", broker.bootstrapServers, "--topic", "orders", "--until", "\(until)",
                "--database", "jdbc:sqlite:\(folder)/\(database).db",
            ]
        }
        var kills = 0
        for round in 0..<rounds {
            let point = Self.points[(round * 7) % Self.points.count]
            let until = (round + 1) * 20
            let orders = try ProbeProcess(["orders"] + options("orders", until: until) + ["--kill", point.orders])
            let stock = try ProbeProcess(["stock"] + options("stock", until: until) + ["--kill", point.stock])
            if try await end(orders) { kills += 1 }
            // The next one places and sends what the killed one left.
            let rest = try ProbeProcess(["orders"] + options("orders", until: until))
            #expect(try await !end(rest))
            if try await end(stock) { kills += 1 }
        }
        let last = try ProbeProcess(["stock"] + options("stock", until: rounds * 20))
        #expect(try await !end(last))
        #expect(kills >= rounds, "only \(kills) of \(rounds * 2) kills took place")
        print("\(rounds) rounds, \(kills) kills")
        try await verify(folder, count: rounds * 20)
        await broker.stop()
    }

    private func verify(_ folder: String, count: Int) async throws {
        func rows(_ name: String, _ sql: String) async throws -> [[Int64?]] {
            let database = try SQLServiceDatabase(url: "jdbc:sqlite:\(folder)/\(name).db")
            let rows = try await database.withTransaction { try await $0.query(sql) }
            await database.close()
            return rows.map { $0.map(\.integer) }
        }
        #expect(
            try await rows("orders", "SELECT COUNT(*), COUNT(DISTINCT id) FROM orders") == [
                [Int64(count), Int64(count)]
            ])
        #expect(try await rows("orders", "SELECT COUNT(*) FROM sluice_outbox WHERE sent_at IS NULL") == [[0]])
        #expect(try await rows("stock", "SELECT COUNT(*) FROM sluice_inbox") == [[Int64(count)]])
        let sold = try await rows("orders", "SELECT product, SUM(qty) FROM orders GROUP BY product ORDER BY product")
        let left = try await rows("stock", "SELECT product, 1000000 - qty FROM stock ORDER BY product")
        #expect(sold == left)
    }
}
