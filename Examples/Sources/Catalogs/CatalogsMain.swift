import ExampleSupport
import Hummingbird
import KafkaService
import KafkaServiceSQL
import Logging
import ServiceLifecycle
import UnixSignals

@main
struct CatalogsMain {
    static func main() async {
        await ServiceRunner.main { try await run(ServiceSettings()) }
    }

    private static func run(_ settings: ServiceSettings) async throws {
        let logger = try settings.logger("catalogs")
        let database = try settings.database("DATABASE", default: "jdbc:sqlite:catalogs.db")
        let kafka = try settings.kafka("catalogs", logger: logger)
        let group = try settings.text("CATALOGS_GROUP", default: "catalogs")
        let store = CatalogStore(database: database)
        try await store.migrate()
        let inbox = Inbox(database: database, consumer: group)
        try await inbox.migrate()
        let keeper = StockKeeper(store: store, inbox: inbox)
        switch try settings.choice("CATALOGS_FORMAT", default: Format.event) {
        case .event:
            let topic = Topic(
                try settings.text("CATALOGS_TOPIC", default: "example-catalog-topic"), json: OrderEvent.self,
                creation: try settings.topicCreation())
            let listener = kafka.listener(topic, group: group, configuration: listening) { message in
                let order = message.value
                try await keeper.handle(id: order.id, product: order.productId, qty: order.qty)
            }
            try await serve(settings, kafka, store, inbox, listener, logger)
        case .envelope:
            let topic = Topic(
                try settings.text("CATALOGS_TOPIC", default: "orders"),
                ConnectEnvelopeSerde(OrderRow.self, name: "orders", fields: []),
                creation: try settings.topicCreation())
            let listener = kafka.listener(topic, group: group, configuration: listening) { message in
                let order = message.value
                try await keeper.handle(id: order.id, product: order.product_id, qty: order.qty)
            }
            try await serve(settings, kafka, store, inbox, listener, logger)
        }
        await database.close()
    }

    /// Four orders at a time, those of one product in turn. A database that is away for a minute costs no order: the
    /// handler is tried again in place, then through two retry topics.
    private static var listening: ListenerConfiguration {
        var configuration = ListenerConfiguration(concurrency: 4)
        configuration.retry = RetryPolicy(attempts: 5, retryTopics: [.seconds(10), .seconds(60)])
        return configuration
    }

    private static func serve<Value: Sendable>(
        _ settings: ServiceSettings, _ kafka: KafkaApplication, _ store: CatalogStore, _ inbox: Inbox,
        _ listener: KafkaListener<Value>, _ logger: Logger
    ) async throws {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ServiceMiddleware(logger: logger))
        CatalogRoutes(store: store, listener: { listener.health }).add(to: router)
        let server = try ServiceRunner.server(router, settings: settings, port: 8082, logger: logger)
        try await ServiceGroup(
            services: [kafka, InboxPruner(inbox, logger: logger), listener, server],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }
}
