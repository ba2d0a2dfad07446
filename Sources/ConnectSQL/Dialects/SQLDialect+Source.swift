extension SQLDialect {
    /// All rows of a table or query, or those that the criteria let through, in their order.
    ///
    /// The parameters are: of a growing column its last value; of timestamps the last one and the upper bound; of both
    /// the bound, the last timestamp, the last value, the last timestamp.
    func select(_ target: SourceTarget, _ criteria: SourceCriteria? = nil) -> String {
        guard let criteria else {
            switch target {
            case .table(let table): return "SELECT * FROM \(quoting.quoted(table))"
            case .query(let text): return text
            }
        }
        let (source, qualifier) = source(target)
        func column(_ name: String) -> String { qualifier + quoting.quoted(name) }
        let id = criteria.incrementing.map { column($0) }
        guard !criteria.timestamps.isEmpty else {
            return "SELECT * FROM \(source)" + (id.map { " WHERE \($0) > ? ORDER BY \($0) ASC" } ?? "")
        }
        let time = timestamp(of: criteria.timestamps.map { column($0) })
        let label = quoting.quoted(SourceCriteria.timestampLabel)
        let select = "SELECT *, \(time) AS \(label) FROM \(source) WHERE "
        guard let id else { return select + "\(time) > ? AND \(time) < ? ORDER BY \(time) ASC" }
        return select + "\(time) < ? AND ((\(time) = ? AND \(id) > ?) OR \(time) > ?) ORDER BY \(time),\(id) ASC"
    }

    /// A user's query becomes a derived table, so that its own WHERE, GROUP BY and so on stay its own.
    private func source(_ target: SourceTarget) -> (text: String, qualifier: String) {
        switch target {
        case .table(let table): return (quoting.quoted(table), quoting.quoted(table) + ".")
        case .query(let text):
            let name = quoting.quoted("__sluice_query")
            // A comment at the query's end must not swallow the parenthesis.
            return ("(\(text)\n) AS \(name)", name + ".")
        }
    }
}
