import ConnectAPI

/// Which of a database's tables a source reads: by exact names (`table.whitelist`, `table.blacklist`) or by regular
/// expressions on the whole unquoted name (`table.include.list`, `table.exclude.list`).
struct TableFilter: Sendable {
    let included: Set<String>
    let excluded: Set<String>
    let includedPatterns: [String]
    let excludedPatterns: [String]

    init(_ config: ParsedConfig) throws(ConnectError) {
        included = Set(config.list("table.whitelist"))
        excluded = Set(config.list("table.blacklist"))
        includedPatterns = config.list("table.include.list")
        excludedPatterns = config.list("table.exclude.list")
        for pattern in includedPatterns { _ = try Self.regex(pattern, "table.include.list") }
        for pattern in excludedPatterns { _ = try Self.regex(pattern, "table.exclude.list") }
    }

    /// Whether a table is read: by its name alone, with its database, or with its database and quotes; or by patterns.
    func accepts(_ table: TableID) -> Bool {
        if !includedPatterns.isEmpty {
            let name = table.qualifiedName
            return includedPatterns.contains { Self.matches(name, $0) }
                && !excludedPatterns.contains { Self.matches(name, $0) }
        }
        let standard = IdentifierQuoting(mark: "\"")
        let names: Set = [
            table.name, table.qualifiedName, IdentifierQuoting().quoted(table),
            IdentifierQuoting().quoted(TableID(name: table.name)), standard.quoted(table),
            standard.quoted(TableID(name: table.name)),
        ]
        if !included.isEmpty { return !included.isDisjoint(with: names) }
        return excluded.isDisjoint(with: names)
    }

    /// Whether a pattern matches the whole of a name.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        (try? regex(pattern, ""))?.matches(name) ?? false
    }

    private struct Pattern {
        let regex: Regex<AnyRegexOutput>

        func matches(_ name: String) -> Bool {
            (try? regex.wholeMatch(in: name)) != nil
        }
    }

    private static func regex(_ pattern: String, _ option: String) throws(ConnectError) -> Pattern {
        do {
            return Pattern(regex: try Regex(pattern))
        } catch {
            throw .config("\(option) holds what is no regular expression: \(pattern)")
        }
    }

    /// What filters say together that makes no sense, and the options to blame: old and new ones do not mix.
    static func problem(_ config: ParsedConfig) -> (names: [String], message: String)? {
        let old = ["table.whitelist", "table.blacklist", "timestamp.column.name", "incrementing.column.name"]
        let new = [
            "table.include.list", "table.exclude.list", "timestamp.columns.mapping", "incrementing.column.mapping",
        ]
        func given(_ names: [String]) -> [String] {
            names.filter { config.values[$0]?.text?.isEmpty == false }
        }
        if !given(old).isEmpty, !given(new).isEmpty {
            return (
                given(old) + given(new),
                "Do not mix \(given(old).joined(separator: ", ")) with \(given(new).joined(separator: ", "))"
            )
        }
        if !config.list("table.exclude.list").isEmpty, config.list("table.include.list").isEmpty {
            return (["table.exclude.list", "table.include.list"], "table.exclude.list needs table.include.list")
        }
        return nil
    }
}

/// The columns of each table (`timestamp.columns.mapping`: `regex:[c1|c2]`; `incrementing.column.mapping`: `regex:c`).
struct ColumnMapping: Sendable {
    private let timestamps: [(pattern: String, columns: [String])]
    private let incrementing: [(pattern: String, columns: [String])]

    init(_ config: ParsedConfig) throws(ConnectError) {
        timestamps = try Self.parse(config, "timestamp.columns.mapping")
        incrementing = try Self.parse(config, "incrementing.column.mapping")
    }

    var isEmpty: Bool { timestamps.isEmpty && incrementing.isEmpty }

    /// Nil if there is no such mapping.
    func timestamps(of table: TableID) throws(ConnectError) -> [String]? {
        try Self.find(table, in: timestamps, "timestamp.columns.mapping")
    }

    /// Nil if there is no such mapping.
    func incrementing(of table: TableID) throws(ConnectError) -> String? {
        try Self.find(table, in: incrementing, "incrementing.column.mapping")?.first
    }

    private static func find(
        _ table: TableID, in entries: [(pattern: String, columns: [String])], _ option: String
    ) throws(ConnectError) -> [String]? {
        guard !entries.isEmpty else { return nil }
        let found = entries.filter { TableFilter.matches(table.qualifiedName, $0.pattern) }
        guard found.count == 1 else {
            throw .config(
                "\(option) must match table \(table.qualifiedName) with exactly one regular expression; "
                    + (found.isEmpty ? "none does" : "\(found.map(\.pattern).joined(separator: " and ")) do"))
        }
        return found[0].columns
    }

    private static func parse(
        _ config: ParsedConfig, _ option: String
    ) throws(ConnectError) -> [(pattern: String, columns: [String])] {
        var entries: [(pattern: String, columns: [String])] = []
        for entry in config.list(option) {
            guard let colon = entry.lastIndex(of: ":") else {
                throw .config("\(option)=\(entry) is not of the form regex:column or regex:[column|column]")
            }
            var columns = entry[entry.index(after: colon)...]
            if columns.hasPrefix("["), columns.hasSuffix("]") { columns = columns.dropFirst().dropLast() }
            let names = columns.split(separator: "|").map(String.init)
            guard !names.isEmpty, colon > entry.startIndex else {
                throw .config("\(option)=\(entry) names no column; its form is regex:column or regex:[column|column]")
            }
            entries.append((String(entry[..<colon]), names))
        }
        return entries
    }
}
