import ConnectAPI

/// A range of a table's key; without bounds all of it.
struct VerifyRange: Sendable, Hashable {
    /// The key before the first.
    var after: Int64?
    /// The last key.
    var through: Int64?

    /// The WHERE of a statement; empty for all rows.
    func condition(_ column: String) -> String {
        let parts = (after.map { ["\(column) > \($0)"] } ?? []) + (through.map { ["\(column) <= \($0)"] } ?? [])
        return parts.isEmpty ? "" : " WHERE " + parts.joined(separator: " AND ")
    }
}

/// What a database says of a range.
struct VerifyChecksum: Sendable, Hashable {
    let count: Int
    let sum: String?
}

/// One of the tables, read in the order of its key.
final class VerifiedTable {
    private static let batch = 1_000

    let definition: TableDefinition
    private let database: Database
    private let connection: any SQLConnection
    private var query: (any SQLQuery)?
    private var schemas: [Schema] = []
    private var decoders: [ColumnDecoder?] = []
    private var rows: [[ConnectValue]] = []
    private var position = 0
    private var hasMore = true

    init(_ database: Database, _ name: String) throws {
        self.database = database
        guard let table = IdentifierText.split(name).flatMap({ database.dialect.table(parts: $0) }) else {
            throw ConnectError.config("\(name) is no table's name for \(database.dialect.name)")
        }
        do throws(SQLError) {
            connection = try database.connect()
            guard let definition = try database.dialect.definition(of: table, on: connection) else {
                connection.close()
                throw SQLError(.tableMissing, sqlState: "42S02", "there is no table \(name)")
            }
            self.definition = definition
        } catch {
            throw ConnectError.fatal("\(database.description): \(error)")
        }
    }

    /// Whether rows are in the order of a column that is a whole number, so that ranges of it can be asked for.
    func isRanged(by column: String) -> Bool {
        guard let type = definition.column(column)?.type.lowercased() else { return false }
        return ["int", "bigint", "smallint", "mediumint", "tinyint"].contains { type.hasPrefix($0) }
    }

    /// The key of the last of so many rows of a range that has no end yet; nil if there are fewer.
    func boundary(of column: String, _ range: VerifyRange, rows: Int) throws -> Int64? {
        let name = quoted(column)
        let found = try connection.rows(
            "SELECT \(name) FROM \(database.dialect.quoting.quoted(definition.id))\(range.condition(name)) "
                + "ORDER BY \(name) LIMIT 1 OFFSET \(rows - 1)")
        return found.first?.first.flatMap { $0 }.flatMap { Int64($0) }
    }

    /// The number of rows of a range, and a checksum of them; nil if the database has none.
    func checksum(_ columns: [String], _ range: VerifyRange) throws -> VerifyChecksum? {
        guard let list = database.dialect.checksum(of: columns.map { quoted($0) }) else { return nil }
        let row = try connection.rows(
            "SELECT \(list) FROM \(database.dialect.quoting.quoted(definition.id))\(range.condition(quoted(columns[0])))"
        ).first
        guard let row, row.count == 2, let count = row[0].flatMap({ Int($0) }) else { return nil }
        return VerifyChecksum(count: count, sum: row[1])
    }

    /// Starts to read the rows of a range.
    func open(_ columns: [String], keyCount: Int, _ range: VerifyRange = VerifyRange()) throws {
        let order = columns.prefix(keyCount).map { name in
            database.dialect.byteOrder(quoted(name), definition.column(name)?.type ?? "")
        }
        try start(
            "\(select(columns))\(range.condition(quoted(columns[0]))) ORDER BY \(order.joined(separator: ", "))", [])
    }

    /// The next row; nil after the last.
    func next() throws -> [VerifyValue]? {
        while position == rows.count {
            guard hasMore, let query else { return nil }
            rows.removeAll(keepingCapacity: true)
            position = 0
            hasMore = try query.fetch(decoders, limit: Self.batch, into: &rows)
        }
        defer { position += 1 }
        return zip(rows[position], schemas).map { VerifyValue($0, $1) }
    }

    /// The row of a key as it is now.
    func row(_ columns: [String], key: [VerifyValue]) throws -> [VerifyValue]? {
        var parameters: [SQLParameter] = []
        var conditions: [String] = []
        for (index, value) in key.enumerated() {
            conditions.append("\(quoted(columns[index])) = \(database.dialect.placeholder(index + 1))")
            if case .integer(let number) = value {
                parameters.append(.integer(number))
            } else {
                parameters.append(.text(value.description))
            }
        }
        try start("\(select(columns)) WHERE \(conditions.joined(separator: " AND "))", parameters)
        return try next()
    }

    func close() {
        connection.close()
        query?.close()
    }

    private func quoted(_ name: String) -> String { database.dialect.quoting.quoted(name) }

    private func select(_ columns: [String]) -> String {
        "SELECT \(columns.map { quoted($0) }.joined(separator: ", ")) FROM "
            + database.dialect.quoting.quoted(definition.id)
    }

    private func start(_ sql: String, _ parameters: [SQLParameter]) throws {
        query?.close()
        let query = try connection.prepareQuery(sql)
        self.query = query
        rows = []
        position = 0
        hasMore = true
        try query.execute(parameters)
        let map = TypeMap()
        schemas = []
        decoders = []
        for column in query.columns {
            let mapped = map.map(column)
            decoders.append(mapped?.decoder ?? .string)
            schemas.append(mapped?.schema ?? .optionalString)
        }
    }
}
