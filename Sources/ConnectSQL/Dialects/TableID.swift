/// The name of a table, part by part.
struct TableID: Sendable, Hashable {
    /// The database, where the server has several; on PostgreSQL the schema.
    var catalog: String?
    var name: String

    /// The parts with dots between them, unquoted: what offsets and filters use.
    var qualifiedName: String {
        catalog.map { "\($0).\(name)" } ?? name
    }
}

/// A column of a table as the database describes it.
struct ColumnDefinition: Sendable, Hashable {
    var name: String
    /// The declared type, for messages.
    var type: String
    var isNullable: Bool
    var isAutoIncrement: Bool
    var isKey: Bool
}

/// A table as the database describes it.
struct TableDefinition: Sendable, Hashable {
    /// What kind of object it is, in JDBC's words.
    enum Kind: String, Sendable {
        case table = "TABLE"
        case view = "VIEW"
        case partitionedTable = "PARTITIONED TABLE"
        case materializedView = "MATERIALIZED VIEW"
        case foreignTable = "FOREIGN TABLE"
        case other = "OTHER"
    }

    var id: TableID
    var kind: Kind
    var columns: [ColumnDefinition]

    /// The column of that name: exactly, or else the only one that differs in case.
    func column(_ name: String) -> ColumnDefinition? {
        if let exact = columns.first(where: { $0.name == name }) { return exact }
        let lowercased = name.lowercased()
        let similar = columns.filter { $0.name.lowercased() == lowercased }
        return similar.count == 1 ? similar[0] : nil
    }
}

/// Splits names as configurations write them: at dots that stand outside of quotes.
enum IdentifierText {
    /// - Returns: nil if a quote is not closed or a part is empty.
    static func split(_ text: String) -> [String]? {
        var parts: [String] = []
        var current = ""
        var isQuotedPart = false
        var quote: Character?
        var rest = Array(text)[...]
        while let character = rest.popFirst() {
            if let open = quote {
                if character != open {
                    current.append(character)
                } else if rest.first == open {
                    current.append(open)
                    rest.removeFirst()
                } else {
                    quote = nil
                }
            } else if character == "`" || character == "\"", current.isEmpty, !isQuotedPart {
                quote = character
                isQuotedPart = true
            } else if character == "." {
                guard !current.isEmpty else { return nil }
                parts.append(current)
                current = ""
                isQuotedPart = false
            } else {
                current.append(character)
            }
        }
        guard quote == nil, !current.isEmpty else { return nil }
        parts.append(current)
        return parts
    }
}

/// How identifiers are written into SQL (`quote.sql.identifiers`).
struct IdentifierQuoting: Sendable, Hashable {
    /// False writes plain words without quotes. A name that is no plain word is quoted all the same: it would be no
    /// name otherwise.
    var always = true
    /// What stands around names: a backtick, which MariaDB, MySQL and SQLite share, or the standard's quotation mark.
    var mark: Unicode.Scalar = "`"

    /// A name between marks; a mark in the name is doubled.
    func quoted(_ name: String) -> String {
        if !always, Self.isPlainWord(name) { return name }
        var text = String.UnicodeScalarView([mark])
        for character in name.unicodeScalars {
            if character == mark { text.append(mark) }
            text.append(character)
        }
        text.append(mark)
        return String(text)
    }

    /// A table's name with its database.
    func quoted(_ table: TableID) -> String {
        (table.catalog.map { quoted($0) + "." } ?? "") + quoted(table.name)
    }

    private static func isPlainWord(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 || $0 >= 0x80
        }
    }
}
