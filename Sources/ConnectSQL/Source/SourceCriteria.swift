import ConnectAPI

/// The columns by which a source finds new and changed rows.
struct SourceCriteria: Sendable, Hashable {
    /// The growing column.
    var incrementing: String?
    /// The columns of which the first that is not null is a row's timestamp.
    var timestamps: [String] = []

    /// The name under which a row's timestamp is read beside its columns.
    static let timestampLabel = "__sluice_timestamp"

    /// Finds the columns in a table.
    /// - Throws: an error of the configuration if a column is missing or may be null.
    init(_ mode: SourceOptions.Mode, _ definition: TableDefinition, validatesNonNull: Bool) throws(ConnectError) {
        let name = definition.id.qualifiedName
        let validates = validatesNonNull && definition.kind == .table
        if let wanted = mode.incrementingColumn {
            let column = try Self.incrementing(wanted, in: definition)
            guard !validates || !column.isNullable else {
                throw .config(
                    "Cannot make incremental queries using incrementing column \(column.name) on \(name) because "
                        + "this column is nullable: rows where it is null would be missed. Make it NOT NULL, or set "
                        + "validate.non.null=false")
            }
            incrementing = column.name
        }
        var isNullable = true
        for wanted in mode.timestampColumns {
            let column = try Self.column(wanted, in: definition, of: "timestamp.column.name")
            isNullable = isNullable && column.isNullable
            timestamps.append(column.name)
        }
        guard timestamps.isEmpty || !validates || !isNullable else {
            throw .config(
                "Cannot make incremental queries using timestamp columns \(timestamps.joined(separator: ", ")) on "
                    + "\(name) because all of these columns are nullable: rows where they are null would be missed. "
                    + "Make one NOT NULL, or set validate.non.null=false")
        }
    }

    /// Takes the columns of a query as they are configured; a qualifier means nothing outside of the query.
    init(ofQuery mode: SourceOptions.Mode) {
        func unqualified(_ name: String) -> String { IdentifierText.split(name)?.last ?? name }
        incrementing = mode.incrementingColumn.map { unqualified($0) }
        timestamps = mode.timestampColumns.map { unqualified($0) }
    }

    private static func incrementing(
        _ name: String, in definition: TableDefinition
    ) throws(ConnectError) -> ColumnDefinition {
        if !name.isEmpty { return try column(name, in: definition, of: "incrementing.column.name") }
        if let column = definition.columns.first(where: { $0.isAutoIncrement }) { return column }
        throw .config(
            "incrementing.column.name is empty and no column of table \(definition.id.qualifiedName) is filled with "
                + "growing numbers by the database; name a column, or use mode=bulk")
    }

    private static func column(
        _ name: String, in definition: TableDefinition, of option: String
    ) throws(ConnectError) -> ColumnDefinition {
        if let column = definition.column(name) { return column }
        throw .config(
            "Table \(definition.id.qualifiedName) has no column \(name), which \(option) names; its columns are "
                + definition.columns.map(\.name).joined(separator: ", "))
    }
}
