import ConnectAPI

/// The database of a configuration: how to reach it, and what SQL it wants.
struct Database: Sendable {
    /// The URL with its passwords starred, for messages.
    let description: String
    let dialect: any SQLDialect
    /// How often connecting is tried, and the longest pause between two tries.
    let attempts: Int
    let backoff: Duration
    /// Parameters of the URL that nothing looks at.
    let unknownParameters: [String]
    private let target: Target

    private enum Target: Sendable {
        case mariaDB(MySQLURL)
        case sqlite(SQLiteConnection.Options)
        case postgreSQL(PostgreSQLConnection.Options)
    }

    /// Who wants to connect.
    enum Purpose: Sendable {
        case source, sink
    }

    init(_ config: ParsedConfig, for purpose: Purpose) throws(ConnectError) {
        let text = config.string("connection.url")
        description = JDBCURL.masked(text)
        attempts = max(config.int("connection.attempts"), 1)
        backoff = .milliseconds(config.int("connection.backoff.ms"))
        let quoting = IdentifierQuoting(always: config.string("quote.sql.identifiers").lowercased() != "never")
        let zone = try Self.zone(config)
        let isUTCDate = config.string("date.timezone").lowercased() == "utc"
        switch try JDBCURL(text) {
        case .mariaDB(var url):
            try Self.apply(config) { (name, value) throws(ConnectError) in try url.set(name, value) }
            if let user = config.optionalString("connection.user") { url.options.user = user }
            if let password = config.secret("connection.password") { url.options.password = password }
            url.options.decoding.zone = zone
            url.options.isolation = try Self.isolation(config)
            target = .mariaDB(url)
            unknownParameters = url.unknownParameters
            dialect = MySQLDialect(
                quoting: quoting, database: url.options.database, zone: zone, dateZone: isUTCDate ? .utc : zone)
        case .postgreSQL(var url):
            try Self.apply(config) { (name, value) throws(ConnectError) in try url.set(name, value) }
            if let user = config.optionalString("connection.user") { url.options.parameters["user"] = user }
            if let password = config.secret("connection.password") { url.options.password = password }
            url.options.decoding.zone = zone
            url.options.isolation = try Self.isolation(config)
            target = .postgreSQL(url.options)
            dialect = PostgreSQLDialect(
                quoting: IdentifierQuoting(always: quoting.always, mark: "\""), zone: zone,
                dateZone: isUTCDate ? .utc : zone)
            unknownParameters = url.unknownParameters
        case .sqlite(let url):
            var options = url.options
            // A source of a file that is not there is a mistake; a sink may make its file.
            options.creates = purpose == .sink
            _ = try Self.isolation(config)
            target = .sqlite(options)
            unknownParameters = []
            dialect = SQLiteDialect(quoting: quoting)
        }
        let wanted = config.string("dialect.name")
        guard wanted.isEmpty || wanted == dialect.name else {
            throw .config("dialect.name=\(wanted) does not fit connection.url, whose dialect is \(dialect.name)")
        }
    }

    /// Connects once; with several hosts, to the first that answers. Blocks, for each host at most `limit` and the
    /// URL's `connectTimeout`.
    func connect(within limit: Duration = .seconds(86_400)) throws(SQLError) -> any SQLConnection {
        switch target {
        case .sqlite(let options): return try SQLiteConnection(options)
        case .postgreSQL(var options):
            options.connectTimeout = min(options.connectTimeout, limit)
            return try PostgreSQLConnection(options)
        case .mariaDB(let url):
            var failure: SQLError?
            for host in url.hosts {
                var options = url.options
                options.host = host.name
                options.port = host.port
                options.connectTimeout = min(options.connectTimeout, limit)
                do throws(SQLError) {
                    return try MariaDBConnection(options)
                } catch {
                    guard error.isRetriable else { throw error }
                    failure = error
                }
            }
            throw failure ?? SQLError(.connection, sqlState: "08001", "connection.url names no host")
        }
    }

    /// Hands every `connection.<name>` that is not Connect's own to the driver.
    private static func apply(
        _ config: ParsedConfig, _ set: (String, String) throws(ConnectError) -> Void
    ) throws(ConnectError) {
        let own: Set = ["url", "user", "password", "attempts", "backoff.ms"]
        for (name, value) in config.originals.sorted(by: { $0.key < $1.key }) {
            guard name.hasPrefix("connection.") else { continue }
            let parameter = String(name.dropFirst("connection.".count))
            if !own.contains(parameter) { try set(parameter, value) }
        }
    }

    private static func zone(_ config: ParsedConfig) throws(ConnectError) -> SQLTimeZone {
        let name = config.string("db.timezone")
        guard let zone = SQLTimeZone(name) else {
            throw .config("db.timezone=\(name) is neither an offset such as +09:00 nor a zone that this machine knows")
        }
        return zone
    }

    private static func isolation(_ config: ParsedConfig) throws(ConnectError) -> String? {
        switch config.string("transaction.isolation.mode").lowercased() {
        case "", "default": return nil
        case "sql_server_snapshot":
            throw .config("transaction.isolation.mode=SQL_SERVER_SNAPSHOT is for SQL Server only")
        case let mode: return mode.uppercased().split(separator: "_").joined(separator: " ")
        }
    }
}
