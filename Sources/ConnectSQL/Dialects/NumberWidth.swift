import ConnectAPI

/// How much the number types of tables and records hold, to tell whether a column must become wider.
enum NumberWidth: Sendable, Hashable {
    /// So many bytes.
    case integer(Int)
    case float(Int)

    /// What a declared type holds; nil for everything that is not widened.
    init?(declared type: String) {
        let word = type.lowercased().prefix { $0.isLetter || $0 == " " }
        switch word {
        case "tinyint", "tinyint unsigned": self = .integer(1)
        case "smallint", "smallint unsigned": self = .integer(2)
        case "mediumint", "mediumint unsigned": self = .integer(3)
        case "int", "integer", "int unsigned": self = .integer(4)
        case "bigint", "bigint unsigned": self = .integer(8)
        case "float", "real": self = .float(4)
        case "double", "double precision": self = .float(8)
        default: return nil
        }
    }

    /// What values of a schema need; nil unless they are plain numbers.
    init?(_ schema: Schema) {
        guard schema.logicalType == nil else { return nil }
        switch schema.type {
        case .int8: self = .integer(1)
        case .int16: self = .integer(2)
        case .int32: self = .integer(4)
        case .int64: self = .integer(8)
        case .float32: self = .float(4)
        case .float64: self = .float(8)
        default: return nil
        }
    }

    /// Whether a column of this width is too narrow for values of another, of the same kind.
    func isNarrower(than other: NumberWidth) -> Bool {
        switch (self, other) {
        case (.integer(let own), .integer(let needed)), (.float(let own), .float(let needed)): own < needed
        default: false
        }
    }
}

extension SQLDialect {
    /// The type that holds values of a schema; nil if the column holds them already, or if that is not known.
    fileprivate func widerType(than column: ColumnDefinition, for schema: Schema) -> String? {
        guard let width = NumberWidth(declared: column.type), let needed = NumberWidth(schema),
            width.isNarrower(than: needed)
        else { return nil }
        return columnType(SinkColumn(name: column.name, schema: schema, isKey: false))
    }
}

extension MySQLDialect {
    /// MODIFY replaces the whole definition of a column, so everything but the type is taken from what the table has.
    func widen(
        _ column: ColumnDefinition, for schema: Schema, of table: TableID,
        declaration: () throws(SQLError) -> String?
    ) throws(SQLError) -> String? {
        guard let type = widerType(than: column, for: schema), let text = try declaration() else { return nil }
        let name = IdentifierQuoting().quoted(column.name)
        for line in text.split(separator: "\n") {
            var line = line.drop { $0 == " " }
            guard line.hasPrefix(name + " ") else { continue }
            line = line.dropFirst(name.count + 1)
            guard line.lowercased().hasPrefix(column.type.lowercased()) else { return nil }
            var rest = String(line.dropFirst(column.type.count))
            if rest.hasSuffix(",") { rest.removeLast() }
            return "ALTER TABLE \(quoting.quoted(table)) MODIFY \(name) \(type)\(rest)"
        }
        return nil
    }
}

extension PostgreSQLDialect {
    func widen(
        _ column: ColumnDefinition, for schema: Schema, of table: TableID,
        declaration: () throws(SQLError) -> String?
    ) throws(SQLError) -> String? {
        guard let type = widerType(than: column, for: schema) else { return nil }
        return "ALTER TABLE \(quoting.quoted(table)) ALTER COLUMN "
            + "\(IdentifierQuoting(mark: "\"").quoted(column.name)) TYPE \(type)"
    }
}
