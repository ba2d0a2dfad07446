import Foundation
import KafkaService

/// The table `orders`: the service's own, or the one that all instances share.
struct OrderStore: Sendable {
    static let columns = "id, user_id, product_id, qty, unit_price, total_price, created_at"
    let database: any ServiceDatabase

    /// Makes the table. A sink with `auto.create` would make the same from the envelope's schema.
    func migrate() async throws {
        try await SchemaMigration("orders") { flavor in
            // MariaDB's usual collations hold `a` and `A` for the same.
            let id = flavor == .mariaDB ? "VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin" : "VARCHAR(100)"
            return [
                [
                    """
                    CREATE TABLE IF NOT EXISTS orders (
                        id \(id) NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL, product_id BIGINT NOT NULL,
                        qty BIGINT NOT NULL, unit_price BIGINT NOT NULL, total_price BIGINT NOT NULL,
                        created_at BIGINT NOT NULL)
                    """,
                    "CREATE INDEX IF NOT EXISTS orders_user ON orders (user_id, created_at)",
                ]
            ]
        }.run(on: database)
    }

    func insert(_ order: Order, in transaction: any SQLTransaction) async throws {
        let row = OrderRow(order)
        try await transaction.execute(
            "INSERT INTO orders (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .text(row.id), .integer(row.user_id), .integer(row.product_id), .integer(row.qty),
                .integer(row.unit_price), .integer(row.total_price), .integer(row.created_at),
            ])
    }

    func find(_ id: String) async throws -> Order? {
        try await database.withTransaction { transaction in
            try await transaction.query("SELECT \(Self.columns) FROM orders WHERE id = ?", [.text(id)])
        }.first.flatMap(Self.order)
    }

    /// A user's newest orders.
    func list(user: Int64, limit: Int) async throws -> [Order] {
        try await database.withTransaction { transaction in
            try await transaction.query(
                """
                SELECT \(Self.columns) FROM orders WHERE user_id = ? ORDER BY created_at DESC, id LIMIT \(limit)
                """, [.integer(user)])
        }.compactMap(Self.order)
    }

    /// Answers if the database does.
    func check() async throws {
        _ = try await database.withTransaction { try await $0.query("SELECT COUNT(*) FROM orders WHERE id = ''") }
    }

    private static func order(_ row: [SQLValue]) -> Order? {
        guard row.count == 7, let id = row[0].text, let user = row[1].integer, let product = row[2].integer,
            let qty = row[3].integer, let price = row[4].integer, let total = row[5].integer, let time = row[6].integer
        else { return nil }
        return Order(
            id: id, userId: user, productId: product, qty: qty, unitPrice: price, totalPrice: total,
            createdAt: Date(timeIntervalSince1970: Double(time / 1000)))
    }
}
