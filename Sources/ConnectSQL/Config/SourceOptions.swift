import ConnectAPI

/// The source's configuration, typed.
struct SourceOptions: Sendable {
    /// How changes are found.
    enum Mode: Sendable, Hashable {
        case bulk
        /// By a growing column; an empty name means the first that the database fills by itself.
        case incrementing(column: String)
    }

    let database: Database
    let mode: Mode
    let filter: TableFilter
    let catalog: String?
    let tableTypes: [String]
    let topicPrefix: String
    let querySuffix: String
    let batchRows: Int
    let validatesNonNull: Bool
    let retryAttempts: Int
    let typeMap: TypeMap
    /// The longest pause between two reads.
    let pollInterval: Duration
    /// The shortest one; nil if the user has chosen `poll.interval.ms`, which is then kept to.
    let probeInterval: Duration?
    let tablePollInterval: Duration
    /// Whether the user has chosen the interval above.
    let hasTablePollInterval: Bool
    let startupLimit: Duration

    init(_ config: [String: String]) throws(ConnectError) {
        try self.init(SQLSourceConnector.configDefinition.parse(config))
    }

    init(_ config: ParsedConfig) throws(ConnectError) {
        let problems = Self.notBuilt(config)
        guard problems.isEmpty else {
            throw .config(problems.map(\.message).joined(separator: "\n"))
        }
        database = try Database(config, for: .source)
        mode =
            config.string("mode") == "bulk"
            ? .bulk : .incrementing(column: config.string("incrementing.column.name"))
        filter = try TableFilter(config)
        catalog = config.optionalString("catalog.pattern")
        tableTypes = config.list("table.types")
        topicPrefix = config.string("topic.prefix")
        querySuffix = config.string("query.suffix")
        batchRows = max(config.int("batch.max.rows"), 1)
        validatesNonNull = config.bool("validate.non.null")
        retryAttempts = config.int("query.retry.attempts")
        let mapping = config.optionalString("numeric.mapping")?.lowercased()
        typeMap = TypeMap(
            numericMapping: mapping.flatMap { TypeMap.NumericMapping(rawValue: $0) }
                ?? (config.bool("numeric.precision.mapping") ? .precisionOnly : .none))
        pollInterval = .milliseconds(config.int("poll.interval.ms"))
        probeInterval =
            config.originals["poll.interval.ms"] == nil ? .milliseconds(config.int("poll.interval.min.ms")) : nil
        tablePollInterval = .milliseconds(config.int("table.poll.interval.ms"))
        hasTablePollInterval = config.originals["table.poll.interval.ms"] != nil
        startupLimit = .milliseconds(config.int("table.monitoring.startup.polling.limit.ms"))
    }

    /// Options with values that this version does not carry out.
    static func notBuilt(_ config: ParsedConfig) -> [(name: String, message: String)] {
        var problems: [(String, String)] = []
        func refuse(_ name: String, _ isRefused: (String) -> Bool) {
            guard let value = config.values[name]?.text, isRefused(value) else { return }
            let shown = name == "query.masked" ? Secret.hidden : value
            problems.append((name, SQLOptions.notBuilt(name, shown)))
        }
        refuse("mode") { $0 == "timestamp" || $0 == "timestamp+incrementing" }
        for name in [
            "query", "table.include.list", "table.exclude.list", "timestamp.columns.mapping",
            "incrementing.column.mapping",
        ] { refuse(name) { !$0.isEmpty } }
        if config.secret("query.masked")?.revealed.isEmpty == false { refuse("query.masked") { _ in true } }
        refuse("timestamp.initial") { _ in true }
        refuse("timestamp.delay.interval.ms") { $0 != "0" }
        refuse("timestamp.granularity") { $0.lowercased() != "connect_logical" }
        refuse("jdbc.credentials.provider.class") { $0 != SQLOptions.credentialsProvider }
        return problems
    }
}

/// Which of a database's tables a source reads (`table.whitelist`, `table.blacklist`).
struct TableFilter: Sendable {
    let included: Set<String>
    let excluded: Set<String>

    init(_ config: ParsedConfig) throws(ConnectError) {
        included = Set(config.list("table.whitelist"))
        excluded = Set(config.list("table.blacklist"))
    }

    /// Whether a table is read: by its name alone, with its database, or with its database and quotes.
    func accepts(_ table: TableID) -> Bool {
        let names: Set = [
            table.name, table.qualifiedName, IdentifierQuoting().quoted(table),
            IdentifierQuoting().quoted(TableID(name: table.name)),
        ]
        if !included.isEmpty { return !included.isDisjoint(with: names) }
        return excluded.isDisjoint(with: names)
    }
}
