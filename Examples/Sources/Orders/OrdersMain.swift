import ExampleSupport
import Hummingbird
import KafkaService
import KafkaServiceSQL
import ServiceLifecycle
import UnixSignals

@main
struct OrdersMain {
    static func main() async {
        await ServiceRunner.main { try await run(ServiceSettings()) }
    }

    private static func run(_ settings: ServiceSettings) async throws {
        let logger = try settings.logger("orders")
        let publishing = try settings.choice("ORDERS_PUBLISH", default: Publishing.event)
        let database = try settings.database("DATABASE", default: "jdbc:sqlite:orders.db")
        let shared =
            publishing == .envelope
            ? try settings.database("ORDERS_READ_DATABASE", default: "jdbc:sqlite:all-orders.db") : database
        let kafka = try settings.kafka("orders", logger: logger)
        let creation = try settings.topicCreation()

        let outbox = Outbox(database: database)
        try await outbox.migrate()
        let store = OrderStore(database: shared)
        try await store.migrate()
        let events = Topic(
            try settings.text("ORDERS_EVENT_TOPIC", default: "example-catalog-topic"), json: Order.self,
            creation: creation)
        let rows = Topic(
            try settings.text("ORDERS_ROW_TOPIC", default: "orders"), OrderService.envelope, creation: creation)
        switch publishing {
        case .event: try await kafka.template(events).check()
        case .envelope: try await kafka.template(rows).check()
        }

        let relay = OutboxRelay(outbox, application: kafka)
        let service = OrderService(publishing: publishing, outbox: outbox, store: store, events: events, rows: rows)
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ServiceMiddleware(logger: logger))
        OrderRoutes(service: service, relay: relay).add(to: router)
        let server = try ServiceRunner.server(router, settings: settings, port: 8081, logger: logger)
        try await ServiceGroup(
            services: [kafka, relay, server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
        await database.close()
        if publishing == .envelope { await shared.close() }
    }
}
