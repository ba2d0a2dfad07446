import ConnectAPI
import Logging

/// Knows the tables that a sink writes, makes missing ones, and adds missing columns.
final class TableKeeper {
    private let options: SinkOptions
    private let logger: Logger
    private var definitions: [TableID: TableDefinition] = [:]
    /// The transaction that is open, which DDL ends.
    weak var transaction: SinkTransaction?

    init(_ options: SinkOptions, _ logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Forgets what is known, because the database says it is not true.
    func forget() {
        definitions = [:]
    }

    /// Whether the table has a column of that name; false if there is no such table.
    func has(_ column: String, in table: TableID, _ connection: any SQLConnection) throws(SQLError) -> Bool {
        if let definition = definitions[table] { return definition.column(column) != nil }
        return try read(table, connection)?.column(column) != nil
    }

    /// Sees to it that the table has the columns. Runs inside of a transaction, which DDL ends and begins anew.
    /// - Returns: the table as it is then; nil if it has gone away meanwhile.
    /// - Throws: ``SQLError``, or a data error if the table does not fit and may not be changed.
    func prepare(
        _ table: TableID, columns: [SinkColumn], _ connection: any SQLConnection
    ) throws -> TableDefinition? {
        let known = definitions[table]
        var current = known
        if current == nil { current = try read(table, connection) }
        if current == nil { current = try create(table, columns: columns, connection) }
        guard var definition = current else {
            throw SQLError(.tableMissing, sqlState: "42S02", "Table \(table.qualifiedName) does not exist")
        }
        var missing = Self.missing(columns, in: definition)
        if !missing.isEmpty, known != nil, let fresh = try read(table, connection) {
            // Someone may have added them by hand.
            definition = fresh
            missing = Self.missing(columns, in: definition)
        }
        var triesLeft = max(options.maxRetries, 0)
        while !missing.isEmpty {
            try checkEvolution(definition, missing)
            guard try executes(table, alterStatements(table, missing)) else { break }
            do throws(SQLError) {
                let statements = try alterStatements(table, missing)
                try changeDefinition(connection, statements)
            } catch {
                // Another task may have added them at the same time.
                guard triesLeft > 0, !error.isRetriable else { throw error }
                triesLeft -= 1
                guard let fresh = try read(table, connection) else { throw error }
                let remaining = Self.missing(columns, in: fresh)
                if remaining == missing { throw error }
            }
            guard let fresh = try read(table, connection) else { return nil }
            definition = fresh
            missing = Self.missing(columns, in: definition)
        }
        definition = try widened(definition, columns, connection)
        definitions[table] = definition
        return definition
    }

    /// Makes columns wider whose fields are, if the configuration says so.
    private func widened(
        _ definition: TableDefinition, _ columns: [SinkColumn], _ connection: any SQLConnection
    ) throws -> TableDefinition {
        guard options.widensTypes, options.evolvesTables, definition.kind == .table else { return definition }
        let dialect = options.database.dialect
        var statements: [String] = []
        for column in columns where column.epoch == nil {
            guard let target = definition.column(column.name) else { continue }
            let statement = try dialect.widen(target, for: column.schema, of: definition.id) { () throws(SQLError) in
                try connection.rows("SHOW CREATE TABLE \(dialect.quoting.quoted(definition.id))").first?.last ?? nil
            }
            if let statement { statements.append(statement) }
        }
        guard !statements.isEmpty, try executes(definition.id, statements) else { return definition }
        logger.info(
            "Making columns wider",
            metadata: [
                "table": "\(definition.id.qualifiedName)", "sql": "\(statements.joined(separator: "; "))",
            ])
        try changeDefinition(connection, statements)
        return try read(definition.id, connection) ?? definition
    }

    /// Whether statements that change a table may be run; false if they are to be left out.
    /// - Throws: a data error that holds them, if `ddl.mode=fail`.
    private func executes(_ table: TableID, _ statements: [String]) throws(ConnectError) -> Bool {
        let text = statements.joined(separator: "; ")
        switch options.ddlMode {
        case .execute: return true
        case .fail:
            throw .data(
                "Table \(table.qualifiedName) would have to be changed, and ddl.mode=fail. Run the statement by hand, "
                    + "or set ddl.mode=execute: \(text)")
        case .skip:
            logger.warning(
                "A statement is left out (ddl.mode=skip)",
                metadata: ["table": "\(table.qualifiedName)", "sql": "\(text)"])
            return false
        }
    }

    private func alterStatements(_ table: TableID, _ missing: [SinkColumn]) throws(SQLError) -> [String] {
        do throws(ConnectError) {
            return try options.database.dialect.alter(table, adding: missing)
        } catch {
            throw SQLError(.data, sqlState: "42000", error.message)
        }
    }

    private func read(_ table: TableID, _ connection: any SQLConnection) throws(SQLError) -> TableDefinition? {
        let definition = try options.database.dialect.definition(of: table, on: connection)
        definitions[table] = definition
        return definition
    }

    private func create(
        _ table: TableID, columns: [SinkColumn], _ connection: any SQLConnection
    ) throws -> TableDefinition? {
        guard options.createsTables else {
            throw ConnectError.data(
                "Table \(table.qualifiedName) does not exist in \(options.database.description), and auto.create=false")
        }
        let statement = try options.database.dialect.create(table, columns: columns)
        guard try executes(table, [statement]) else {
            throw ConnectError.data(
                "Table \(table.qualifiedName) does not exist in \(options.database.description), and ddl.mode=skip")
        }
        logger.info("Creating a table", metadata: ["table": "\(table.qualifiedName)", "sql": "\(statement)"])
        do throws(SQLError) {
            try changeDefinition(connection, [statement])
        } catch {
            // Another task may have made it at the same time.
            if let definition = try read(table, connection) { return definition }
            throw error
        }
        return try read(table, connection)
    }

    private func changeDefinition(_ connection: any SQLConnection, _ statements: [String]) throws(SQLError) {
        guard let transaction else { throw SQLError(.other, "no transaction is open") }
        try transaction.interrupted { () throws(SQLError) in
            for statement in statements { try connection.execute(statement) }
        }
    }

    private func checkEvolution(_ definition: TableDefinition, _ missing: [SinkColumn]) throws(ConnectError) {
        let name = definition.id.qualifiedName
        let names = missing.map(\.name).joined(separator: ", ")
        guard definition.kind == .table else {
            throw .data("\(name) is a \(definition.kind.rawValue), to which the columns \(names) cannot be added")
        }
        if let required = missing.first(where: { !$0.schema.isOptional && $0.schema.defaultValue == nil }) {
            throw .data(
                "Table \(name) has no column \(required.name), and it cannot be added because the field is required "
                    + "and has no default")
        }
        guard options.evolvesTables else {
            throw .data("Table \(name) has no columns \(names), and auto.evolve=false")
        }
        logger.info("Adding columns", metadata: ["table": "\(name)", "columns": "\(names)"])
    }

    private static func missing(_ columns: [SinkColumn], in definition: TableDefinition) -> [SinkColumn] {
        columns.filter { definition.column($0.name) == nil }
    }
}
