import ExampleSupport
import Foundation
import Hummingbird
import KafkaService

/// How orders leave the service (`ORDERS_PUBLISH`).
enum Publishing: String, CaseIterable, Sendable {
    /// The tutorial's first way: the order is stored here, and an event tells others.
    case event
    /// Its way for many instances: the order goes to a topic as a row in Connect's envelope, and a sink connector
    /// writes it to the one database that all instances read.
    case envelope
}

/// Places and finds orders.
///
/// In both ways the order and its message are one transaction of this instance's database (the outbox), so that none
/// is lost or invented when the process dies in between.
struct OrderService: Sendable {
    static let envelope = ConnectEnvelopeSerde(
        OrderRow.self, name: "orders",
        fields: [
            .init("id", .string), .init("user_id", .int64), .init("product_id", .int64), .init("qty", .int64),
            .init("unit_price", .int64), .init("total_price", .int64), .init("created_at", .int64),
        ])

    let publishing: Publishing
    let outbox: Outbox
    /// Where orders are read: this instance's database, or the shared one.
    let store: OrderStore
    let events: Topic<Order>
    let rows: Topic<OrderRow>

    /// Places an order. The same order placed again is the first one: a client that got no answer may repeat itself,
    /// at any instance, under the same id.
    func place(_ order: Order) async throws -> (order: Order, isRepeated: Bool) {
        if let known = try await store.find(order.id) { return (try same(known, order), true) }
        do {
            try await outbox.withTransaction { transaction in
                switch publishing {
                case .event:
                    try await store.insert(order, in: transaction)
                    try await outbox.publish(
                        order, key: "\(order.productId)", to: events, in: transaction, messageID: order.id)
                case .envelope:
                    try await outbox.publish(
                        OrderRow(order), key: "\(order.productId)", to: rows, in: transaction, messageID: order.id)
                }
            }
        } catch  where outbox.database.isUniqueViolation(error) {
            guard let known = try await store.find(order.id) else { throw error }
            return (try same(known, order), true)
        }
        return (order, false)
    }

    private func same(_ known: Order, _ order: Order) throws -> Order {
        var expected = order
        expected.createdAt = known.createdAt
        guard known == expected else {
            throw Problem(.conflict, detail: "another order was placed under this Idempotency-Key")
        }
        return known
    }
}
