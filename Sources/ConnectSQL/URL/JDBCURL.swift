import ConnectAPI

/// A `connection.url`, taken apart. Which database it names decides driver and dialect.
enum JDBCURL: Sendable {
    case mariaDB(MySQLURL)
    case sqlite(SQLiteURL)
    case postgreSQL(PostgreSQLURL)

    /// Reads a URL.
    /// - Throws: a config error whose text never holds a password.
    init(_ text: String) throws(ConnectError) {
        guard text.hasPrefix("jdbc:") else { throw .config("Not a valid JDBC URL: \(Self.masked(text))") }
        let rest = text.dropFirst("jdbc:".count)
        if rest.hasPrefix("sqlite:") {
            self = .sqlite(try SQLiteURL(rest.dropFirst("sqlite:".count)))
        } else if rest.hasPrefix("mysql:") || rest.hasPrefix("mariadb:") {
            self = .mariaDB(try MySQLURL(rest))
        } else if rest.hasPrefix("postgresql:") {
            self = .postgreSQL(try PostgreSQLURL(rest.dropFirst("postgresql:".count)))
        } else {
            throw .config(
                "No suitable driver found for \(Self.masked(text)); this program has drivers for jdbc:mysql:, "
                    + "jdbc:mariadb:, jdbc:postgresql: and jdbc:sqlite:")
        }
    }

    /// The URL with every password starred: the one form that may be shown.
    static func masked(_ text: String) -> String {
        var result = text
        for name in ["password=", "pass=", "pwd="] { result = starred(result, after: name) }
        // user:password@ of the authority
        guard let slashes = result.range(ofText: "//"), let at = result[slashes...].lastIndex(of: "@") else {
            return result
        }
        let start = result.index(slashes, offsetBy: 2)
        guard start < at, let colon = result[start..<at].firstIndex(of: ":") else { return result }
        return String(result[...colon]) + "****" + String(result[at...])
    }

    private static func starred(_ text: String, after name: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let found = rest.range(ofText: name, ignoringCase: true) {
            let start = rest.index(found, offsetBy: name.count)
            let end = rest[start...].firstIndex { "&;,)".contains($0) } ?? rest.endIndex
            result += rest[..<start] + "****"
            rest = rest[end...]
        }
        return result + rest
    }

    /// Splits `a=1&b=2`, percent-decoded. A name without a value is the empty string.
    static func parameters(_ query: Substring) -> [(name: String, value: String)] {
        query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decoded(parts[0]), parts.count > 1 ? decoded(parts[1]) : "")
        }
    }

    /// Turns `%41` into `A`.
    static func decoded(_ text: Substring) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// `jdbc:sqlite:path?option=value`.
struct SQLiteURL: Sendable, Hashable {
    /// What the driver opens.
    var options: SQLiteConnection.Options
    /// Parameters that mean nothing here.
    var unknownParameters: [String] = []

    init(_ text: Substring) throws(ConnectError) {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path = parts.first.map(String.init) ?? ""
        if path.isEmpty { path = ":memory:" }
        options = SQLiteConnection.Options(path: path)
        var kept: [String] = []
        for (name, value) in parts.count > 1 ? JDBCURL.parameters(parts[1]) : [] {
            switch name {
            case "busy_timeout":
                guard let milliseconds = Int32(value), milliseconds >= 0 else {
                    throw .config("Parameter busy_timeout of connection.url is no number of milliseconds: \(value)")
                }
                options.busyTimeout = milliseconds
            case "journal_mode":
                let modes = ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "WAL", "OFF"]
                guard modes.contains(value.uppercased()) else {
                    throw .config(
                        "Parameter journal_mode of connection.url must be one of \(modes.joined(separator: ", ")): "
                            + value)
                }
                options.journalMode = value.uppercased()
            case "cache", "mode", "vfs", "immutable", "nolock":
                kept.append("\(name)=\(value)")
            default:
                unknownParameters.append(name)
            }
        }
        if !kept.isEmpty {
            options.path = (path.hasPrefix("file:") ? path : "file:" + path) + "?" + kept.joined(separator: "&")
        }
    }
}

extension StringProtocol {
    /// Where a text begins.
    func range(ofText text: String, ignoringCase: Bool = false) -> Index? {
        let wanted = Array(text.utf8)
        var index = startIndex
        while index < endIndex {
            let found = self[index...].utf8.prefix(wanted.count)
            let matches =
                found.count == wanted.count
                && zip(found, wanted).allSatisfy { ignoringCase ? $0.lowercasedASCII == $1.lowercasedASCII : $0 == $1 }
            if matches { return index }
            index = self.index(after: index)
        }
        return nil
    }
}

extension UInt8 {
    /// The byte with A…Z turned into a…z.
    var lowercasedASCII: UInt8 { 65...90 ~= self ? self + 32 : self }
}
