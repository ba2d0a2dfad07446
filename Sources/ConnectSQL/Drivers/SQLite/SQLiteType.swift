/// What a declared type of SQLite means. SQLite lets any word stand there and any value stand in the column; the rules
/// follow its documentation ("Determination Of Column Affinity") with the JDBC driver's types for dates, booleans and
/// decimals before them. A decimal without digits declared is a float64: that is how SQLite keeps such values. A word
/// that says nothing is a string, the one form every value has.
enum SQLiteType {
    static func columnType(_ declared: String?) -> SQLColumnType {
        guard let declared, !declared.isEmpty else { return .string }
        let (word, arguments) = split(declared)
        switch word {
        case "BOOLEAN", "BOOL": return .boolean
        case "TINYINT": return .integer(width: .int8)
        case "SMALLINT", "INT2": return .integer(width: .int16)
        case "BIGINT", "INT8", "INTEGER", "LONG": return .integer(width: .int64)
        case "DATE": return .date
        case "TIME": return .time
        case "DATETIME", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE": return .timestamp
        case "DECIMAL", "NUMERIC":
            guard let precision = arguments.first, precision > 0 else { return .float64 }
            let scale = arguments.count > 1 ? arguments[1] : 0
            return word == "DECIMAL"
                ? .decimal(precision: precision, scale: scale) : .numeric(precision: precision, scale: scale)
        default: break
        }
        if word.contains("INT") { return .integer(width: .int32) }
        if ["CHAR", "CLOB", "TEXT", "JSON", "UUID", "STRING"].contains(where: { word.contains($0) }) { return .string }
        if word.contains("BLOB") || word.contains("BINARY") { return .bytes }
        if word == "FLOAT" || word == "REAL" || word.contains("DOUB") || word.contains("FLOA") { return .float64 }
        return .string
    }

    private static func split(_ declared: String) -> (word: String, arguments: [Int]) {
        let upper = declared.uppercased()
        guard let open = upper.firstIndex(of: "("), let close = upper[open...].firstIndex(of: ")") else {
            return (upper.split(separator: " ").joined(separator: " "), [])
        }
        let inner = upper[upper.index(after: open)..<close]
        let word = upper[..<open].split(separator: " ").joined(separator: " ")
        return (word, inner.split(separator: ",").compactMap { Int($0.filter { $0 != " " }) })
    }
}
