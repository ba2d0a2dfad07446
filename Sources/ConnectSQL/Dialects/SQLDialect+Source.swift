extension SQLDialect {
    /// All rows of a table or query, or those that the criteria let through, in their order.
    ///
    /// The parameters are: of a growing column its last value, and the greatest one to read if
    /// `isBounded` says so; of timestamps the last one and the upper bound; of both
    /// the bound, the last timestamp, the last value, the last timestamp.
    func select(_ target: SourceTarget, _ criteria: SourceCriteria? = nil, isBounded: Bool = false) -> String {
        guard let criteria else {
            switch target {
            case .table(let table): return "SELECT * FROM \(quoting.quoted(table))"
            case .query(let text): return text
            }
        }
        let (source, qualifier) = source(target)
        func p(_ number: Int) -> String { placeholder(number) }
        func column(_ name: String) -> String { qualifier + quoting.quoted(name) }
        let id = criteria.incrementing.map { column($0) }
        guard !criteria.timestamps.isEmpty else {
            guard let id else { return "SELECT * FROM \(source)" }
            let bound = isBounded ? " AND \(id) <= \(p(2))" : ""
            return "SELECT * FROM \(source) WHERE \(id) > \(p(1))\(bound) ORDER BY \(id) ASC"
        }
        let time = timestamp(of: criteria.timestamps.map { column($0) })
        let label = quoting.quoted(SourceCriteria.timestampLabel)
        let select = "SELECT *, \(time) AS \(label) FROM \(source) WHERE "
        guard let id else { return select + "\(time) > \(p(1)) AND \(time) < \(p(2)) ORDER BY \(time) ASC" }
        return select + "\(time) < \(p(1)) AND ((\(time) = \(p(2)) AND \(id) > \(p(3))) OR \(time) > \(p(4))) "
            + "ORDER BY \(time),\(id) ASC"
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
