import Foundation
import KafkaService

/// A product and how much of it there is.
struct Catalog: Codable, Sendable, Equatable {
    var productId: Int64
    var productName: String
    /// Falls below zero when more was ordered than there is: those orders wait for new stock.
    var qty: Int64
    var unitPrice: Int64
}

/// An order for a product that the catalog does not have: no repetition mends it.
struct UnknownProduct: NonRetriableError, CustomStringConvertible {
    var productId: Int64
    var description: String { "product \(productId) is not in the catalog" }
}

/// The table `catalogs`.
struct CatalogStore: Sendable {
    private static let columns = "product_id, product_name, qty, unit_price"
    let database: any ServiceDatabase

    func migrate() async throws {
        try await SchemaMigration("catalogs") { _ in
            [
                [
                    """
                    CREATE TABLE IF NOT EXISTS catalogs (
                        product_id BIGINT NOT NULL PRIMARY KEY, product_name VARCHAR(100) NOT NULL,
                        qty BIGINT NOT NULL, unit_price BIGINT NOT NULL)
                    """
                ]
            ]
        }.run(on: database)
    }

    func list() async throws -> [Catalog] {
        try await database.withTransaction { transaction in
            try await transaction.query("SELECT \(Self.columns) FROM catalogs ORDER BY product_id LIMIT 1000")
        }.compactMap(Self.catalog)
    }

    func find(_ id: Int64) async throws -> Catalog? {
        try await database.withTransaction { transaction in
            try await transaction.query("SELECT \(Self.columns) FROM catalogs WHERE product_id = ?", [.integer(id)])
        }.first.flatMap(Self.catalog)
    }

    /// Puts a product in place of one with the same id. Returns whether it is the first.
    func put(_ catalog: Catalog) async throws -> Bool {
        try await database.withTransaction { transaction in
            let known = try await transaction.query(
                "SELECT 1 FROM catalogs WHERE product_id = ?", [.integer(catalog.productId)])
            let values: [SQLValue] = [
                .text(catalog.productName), .integer(catalog.qty), .integer(catalog.unitPrice),
                .integer(catalog.productId),
            ]
            try await transaction.execute(
                known.isEmpty
                    ? "INSERT INTO catalogs (product_name, qty, unit_price, product_id) VALUES (?, ?, ?, ?)"
                    : "UPDATE catalogs SET product_name = ?, qty = ?, unit_price = ? WHERE product_id = ?", values)
            return known.isEmpty
        }
    }

    /// Takes some of a product out of stock. The statement computes from the row as it is, so that instances that do
    /// it at the same time lose nothing.
    func lower(_ product: Int64, by qty: Int64, in transaction: any SQLTransaction) async throws {
        let known = try await transaction.query("SELECT 1 FROM catalogs WHERE product_id = ?", [.integer(product)])
        guard !known.isEmpty else { throw UnknownProduct(productId: product) }
        try await transaction.execute(
            "UPDATE catalogs SET qty = qty - ? WHERE product_id = ?", [.integer(qty), .integer(product)])
    }

    private static func catalog(_ row: [SQLValue]) -> Catalog? {
        guard row.count == 4, let id = row[0].integer, let name = row[1].text, let qty = row[2].integer,
            let price = row[3].integer
        else { return nil }
        return Catalog(productId: id, productName: name, qty: qty, unitPrice: price)
    }
}
