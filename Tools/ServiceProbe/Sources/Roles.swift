import KafkaClient
import KafkaService
import KafkaServiceSQL
import Logging

/// An order, as both sides of the probe know it.
struct ProbeOrder: Codable, Sendable {
    var id: Int64
    var productID: Int64
    var quantity: Int64
}

/// What the command line says.
struct ProbeOptions: Sendable {
    var values: [String: String] = [:]

    init(_ arguments: some Sequence<String>) {
        var name: String?
        for argument in arguments {
            if argument.hasPrefix("--") {
                name = String(argument.dropFirst(2))
            } else if let option = name {
                values[option] = argument
                name = nil
            }
        }
    }

    func text(_ name: String) -> String { values[name] ?? "" }
    func number(_ name: String, default fallback: Int) -> Int { values[name].flatMap { Int($0) } ?? fallback }

    func application(_ name: String) throws -> KafkaApplication {
        var logger = Logger(label: name) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = values["log-level"].flatMap { Logger.Level(rawValue: $0) } ?? .error
        return try KafkaApplication(bootstrapServers: [text("bootstrap")], name: name, logger: logger)
    }

    var topic: Topic<ProbeOrder> {
        Topic(text("topic"), json: ProbeOrder.self, creation: .create(partitions: 3, replicationFactor: 1))
    }
}

/// Places orders with the numbers up to `--until`, each with its message in one transaction, and relays them.
func placeOrders(_ options: ProbeOptions) async throws {
    let point = KillPoint(options.text("kill"))
    let database = try SQLServiceDatabase(url: options.text("database"))
    let orders = Outbox(database: KillingDatabase(database, role: "order", point: point))
    let relayed = Outbox(database: KillingDatabase(database, role: "relay", point: point))
    try await orders.migrate()
    try await SchemaMigration("probe-orders") { _ in
        [["CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, product BIGINT NOT NULL, qty BIGINT NOT NULL)"]]
    }.run(on: database)
    let application = try options.application("probe-orders")
    try await application.template(options.topic).check()
    var settings = OutboxRelayConfiguration()
    settings.batchSize = 4
    settings.pollInterval = .milliseconds(10)
    // A relay that was killed must not hold up its successor for long.
    settings.leaseDuration = .milliseconds(300)
    let relay = OutboxRelay(relayed, application: application, configuration: settings)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await relay.run() }
        let until = Int64(options.number("until", default: 0))
        let last = try await database.withTransaction { try await $0.query("SELECT MAX(id) FROM orders") }
        var id = last.first?.first?.integer ?? 0
        while id < until {
            id += 1
            let order = ProbeOrder(id: id, productID: id % 5 + 1, quantity: id % 7 + 1)
            try await orders.withTransaction { transaction in
                try await transaction.execute(
                    "INSERT INTO orders (id, product, qty) VALUES (?, ?, ?)",
                    [.integer(order.id), .integer(order.productID), .integer(order.quantity)])
                try await orders.publish(
                    order, key: "\(order.productID)", to: options.topic, in: transaction, messageID: "order-\(id)")
            }
        }
        while try await relay.backlog() > 0 { try await Task.sleep(for: .milliseconds(10)) }
        relay.shutdown()
        try await group.waitForAll()
    }
    await application.producer.close()
    await database.close()
}

/// Lowers the stock for each order, once, until `--until` orders are handled.
func lowerStock(_ options: ProbeOptions) async throws {
    let point = KillPoint(options.text("kill"))
    let database = try SQLServiceDatabase(url: options.text("database"))
    let inbox = Inbox(database: KillingDatabase(database, role: "inbox", point: point), consumer: "stock")
    try await inbox.migrate()
    try await SchemaMigration("probe-stock") { _ in
        [
            ["CREATE TABLE IF NOT EXISTS stock (product BIGINT PRIMARY KEY, qty BIGINT NOT NULL)"],
            (1...5).map { "INSERT INTO stock (product, qty) VALUES (\($0), 1000000)" },
        ]
    }.run(on: database)
    let application = try options.application("probe-stock")
    var settings = ListenerConfiguration(concurrency: 4)
    settings.commitInterval = .milliseconds(20)
    settings.consumer = { consumer in
        // As a static member it takes its own place again at once when it is started anew.
        consumer.groupInstanceID = "stock-1"
    }
    let listener = application.listener(options.topic, group: "stock", configuration: settings) { message in
        let order = message.value
        try await inbox.once(message) { transaction in
            try await transaction.execute(
                "UPDATE stock SET qty = qty - ? WHERE product = ?",
                [.integer(order.quantity), .integer(order.productID)])
        }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await listener.run() }
        let until = Int64(options.number("until", default: 0))
        while true {
            let rows = try await database.withTransaction { try await $0.query("SELECT COUNT(*) FROM sluice_inbox") }
            if (rows.first?.first?.integer ?? 0) >= until { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        listener.shutdown()
        try await group.waitForAll()
    }
    await application.producer.close()
    await database.close()
}
