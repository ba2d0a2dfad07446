import ExampleSupport
import Foundation
import Hummingbird

/// An order as clients and the event topic see it.
struct Order: Codable, Sendable, Equatable {
    var id: String
    var userId: Int64
    var productId: Int64
    var qty: Int64
    var unitPrice: Int64
    var totalPrice: Int64
    var createdAt: Date
}

/// What a client sends to place one.
struct OrderRequest: Codable, Sendable {
    var productId: Int64
    var qty: Int64
    var unitPrice: Int64

    /// The order, or what is wrong with it. The bounds keep the total within 64 bits.
    func order(id: String, userId: Int64, at time: Date) throws -> Order {
        var errors: [Problem.FieldError] = []
        if productId < 1 { errors.append(.init("productId", "must be 1 or more")) }
        if !(1...1_000_000).contains(qty) { errors.append(.init("qty", "must be from 1 to 1000000")) }
        if !(0...1_000_000_000).contains(unitPrice) {
            errors.append(.init("unitPrice", "must be from 0 to 1000000000"))
        }
        if !errors.isEmpty { throw Problem(.unprocessableContent, errors: errors) }
        // Whole seconds: JSON's form of dates has no more, and what is read must equal what was written.
        let seconds = Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down))
        return Order(
            id: id, userId: userId, productId: productId, qty: qty, unitPrice: unitPrice,
            totalPrice: qty * unitPrice, createdAt: seconds)
    }
}

/// An order as a row: the columns of the table `orders`, and the payload of the Connect envelope.
struct OrderRow: Codable, Sendable {
    var id: String
    var user_id: Int64
    var product_id: Int64
    var qty: Int64
    var unit_price: Int64
    var total_price: Int64
    /// ms since 1970.
    var created_at: Int64

    init(_ order: Order) {
        id = order.id
        user_id = order.userId
        product_id = order.productId
        qty = order.qty
        unit_price = order.unitPrice
        total_price = order.totalPrice
        created_at = Int64(order.createdAt.timeIntervalSince1970) * 1000
    }
}
