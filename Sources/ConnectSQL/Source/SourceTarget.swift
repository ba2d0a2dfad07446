import ConnectAPI

/// What one reader of a source reads.
enum SourceTarget: Sendable, Hashable {
    case table(TableID)
    /// The user's `query`.
    case query(String)

    /// For messages.
    var description: String {
        switch self {
        case .table(let table): "table \(table.qualifiedName)"
        case .query: "the query"
        }
    }

    /// The name of the records' schema; a query's has none.
    var schemaName: String? {
        if case .table(let table) = self { table.name } else { nil }
    }

    /// The topic: a query's is the prefix itself.
    func topic(prefix: String) -> String {
        prefix + (schemaName ?? "")
    }
}
