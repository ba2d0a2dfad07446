import KafkaClient
import KafkaService
import KafkaServiceSQL
import Logging
import ServiceLifecycle

/// The Swift code of `Sources/KafkaService/KafkaService.docc`: compiled here, and compared with the articles by
/// `DocumentationTests` (TidyTests).
enum DocumentationSnippets {
    struct Sale: Codable, Sendable {
        var productId: Int64
        var qty: Int64
    }

    static func start(_ logger: Logger, _ inbox: Inbox, _ sale: Sale) async throws {
        let kafka = try KafkaApplication(bootstrapServers: ["localhost:9092"], name: "catalogs", logger: logger)
        let sales = Topic("sales", json: Sale.self)

        let template = kafka.template(sales)
        try await template.check()
        try await template.publish(sale, key: "\(sale.productId)")

        let listener = kafka.listener(sales, group: "catalogs", configuration: .init(concurrency: 4)) { message in
            try await inbox.once(message) { transaction in
                try await transaction.execute(
                    "UPDATE catalogs SET qty = qty - ? WHERE product_id = ?",
                    [.integer(message.value.qty), .integer(message.value.productId)])
            }
        }
        try await ServiceGroup(services: [kafka, listener], logger: logger).run()
    }

    static func retries() -> ListenerConfiguration {
        var configuration = ListenerConfiguration(concurrency: 8)
        configuration.retry = RetryPolicy(attempts: 3, retryTopics: [.seconds(10), .seconds(60)])
        return configuration
    }

    static func outbox(_ kafka: KafkaApplication, _ sales: Topic<Sale>, _ sale: Sale) async throws {
        let database = try SQLServiceDatabase(url: "jdbc:mariadb://localhost/shop", user: "shop", password: "…")
        let outbox = Outbox(database: database)
        try await outbox.migrate()
        try await outbox.withTransaction { transaction in
            try await transaction.execute(
                "INSERT INTO sales (product_id, qty) VALUES (?, ?)", [.integer(sale.productId), .integer(sale.qty)])
            try await outbox.publish(sale, key: "\(sale.productId)", to: sales, in: transaction)
        }
        let relay = OutboxRelay(outbox, application: kafka)
        try await relay.run()
    }

    /// What reads from the consumer, as a service.
    struct Reader: Service {
        let consumer: KafkaConsumer

        func run() async throws {
            try await consumer.readUntilShutdown {
                for try await entry in consumer.records { print(entry.topicPartition) }
            }
        }
    }

    static func bareClients(_ producer: KafkaProducer, _ consumer: KafkaConsumer, _ logger: Logger) async throws {
        let group = ServiceGroup(services: [producer, consumer, Reader(consumer: consumer)], logger: logger)
        try await group.run()
    }
}
