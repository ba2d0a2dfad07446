import Foundation
import KafkaService

/// What the catalogs need of an order's event.
struct OrderEvent: Codable, Sendable {
    var id: String
    var productId: Int64
    var qty: Int64
}

/// The same of an order's row in Connect's envelope.
struct OrderRow: Codable, Sendable {
    var id: String
    var product_id: Int64
    var qty: Int64
}

/// How orders arrive (`CATALOGS_FORMAT`), to match the orders service's `ORDERS_PUBLISH`.
enum Format: String, CaseIterable, Sendable {
    case event
    case envelope
}

/// Lowers the stock for each order, exactly once.
struct StockKeeper: Sendable {
    let store: CatalogStore
    let inbox: Inbox

    func handle(id: String, product: Int64, qty: Int64) async throws {
        guard !id.isEmpty, (1...1_000_000).contains(qty) else { throw WrongOrder(id: id, qty: qty) }
        // The order's own id, not the message's: however it was published, it is one order.
        try await inbox.once(id: id) { transaction in
            try await store.lower(product, by: qty, in: transaction)
        }
    }
}

/// An order that no orders service writes.
struct WrongOrder: NonRetriableError, CustomStringConvertible {
    var id: String
    var qty: Int64
    var description: String { "order '\(id)' has no id, or its qty \(qty) is not from 1 to 1000000" }
}
