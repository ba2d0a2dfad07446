import ConnectAPI

/// The source's configuration, typed.
struct SourceOptions: Sendable {
    /// How changes are found.
    enum Mode: Sendable, Hashable {
        case bulk
        /// By a growing column; an empty name means the first that the database fills by itself.
        case incrementing(column: String)
        /// By when a row was written: the first of the columns that is not null.
        case timestamp(columns: [String])
        /// By when a row was written and, within the same time, by a growing column.
        case timestampAndIncrementing(columns: [String], column: String)

        /// The growing column, if there is one.
        var incrementingColumn: String? {
            switch self {
            case .bulk, .timestamp: nil
            case .incrementing(let column), .timestampAndIncrementing(_, let column): column
            }
        }

        /// The columns with timestamps, if there are any.
        var timestampColumns: [String] {
            switch self {
            case .bulk, .incrementing: []
            case .timestamp(let columns), .timestampAndIncrementing(let columns, _): columns
            }
        }
    }

    let database: Database
    let mode: Mode
    /// What is read in place of tables.
    let query: String?
    /// Whether messages must not hold the query: databases quote it in their errors (`query.masked`).
    let masksQuery: Bool
    /// Where reading begins if no offset is stored, in milliseconds since the epoch; -1 means the database's now.
    let initialTimestamp: Int64?
    /// How long a row's timestamp must have passed before the row is read.
    let timestampDelayMicroseconds: Int64
    let filter: TableFilter
    /// Whether rows are found by timestamps, alone or besides a growing column.
    let usesTimestamps: Bool
    private let columnMapping: ColumnMapping
    /// Whether reads stop before rows that are written but not committed.
    let protectsLateCommits: Bool
    /// Whether the primary key becomes the records' key.
    let keysByPrimaryKey: Bool
    let catalog: String?
    let schema: String?
    let tableTypes: [String]
    let topicPrefix: String
    let querySuffix: String
    let batchRows: Int
    let validatesNonNull: Bool
    let retryAttempts: Int
    let typeMap: TypeMap
    /// The longest pause between two reads.
    /// How many batches one poll reads while a table has rows at hand (`max.buffer.size`).
    let batchesPerPoll: Int
    /// Whether the rows that a table has when it is first read are divided among tasks.
    let readsInParallel: Bool
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
        if let problem = SQLOptions.notBuilt(config) { throw .config(problem.message) }
        database = try Database(config, for: .source)
        if let problem = Self.problem(config) { throw .config(problem.message) }
        mode = Self.mode(config)
        query = Self.query(config)
        masksQuery = config.secret("query.masked")?.revealed.isEmpty == false
        initialTimestamp = config.optionalInt("timestamp.initial")
        timestampDelayMicroseconds = Int64(config.int("timestamp.delay.interval.ms")) &* 1_000
        filter = try TableFilter(config)
        usesTimestamps = config.string("mode").contains("timestamp")
        columnMapping = try ColumnMapping(config)
        protectsLateCommits = config.bool("late.commit.protection")
        readsInParallel = config.bool("incrementing.parallel.read")
        keysByPrimaryKey = config.string("record.key").lowercased() == "primary_key"
        catalog = config.optionalString("catalog.pattern")
        schema = config.optionalString("schema.pattern")
        tableTypes = config.list("table.types")
        topicPrefix = config.string("topic.prefix")
        querySuffix = config.string("query.suffix")
        batchRows = max(config.int("batch.max.rows"), 1)
        let buffered = config.int("max.buffer.size")
        batchesPerPoll = max(buffered > 0 ? buffered / batchRows : 4, 1)
        validatesNonNull = config.bool("validate.non.null")
        retryAttempts = config.int("query.retry.attempts")
        let mapping = config.optionalString("numeric.mapping")?.lowercased()
        typeMap = TypeMap(
            numericMapping: mapping.flatMap { TypeMap.NumericMapping(rawValue: $0) }
                ?? (config.bool("numeric.precision.mapping") ? .precisionOnly : .none),
            decimalMapping: config.optionalString("decimal.mapping")
                .flatMap { TypeMap.NumericMapping(rawValue: $0.lowercased()) } ?? .none,
            timestampGranularity: TimestampGranularity(rawValue: config.string("timestamp.granularity").lowercased())
                ?? .connectLogical)
        pollInterval = .milliseconds(config.int("poll.interval.ms"))
        probeInterval =
            config.originals["poll.interval.ms"] == nil ? .milliseconds(config.int("poll.interval.min.ms")) : nil
        tablePollInterval = .milliseconds(config.int("table.poll.interval.ms"))
        hasTablePollInterval = config.originals["table.poll.interval.ms"] != nil
        startupLimit = .milliseconds(config.int("table.monitoring.startup.polling.limit.ms"))
    }

    /// How changes of a table are found: its columns may be its own (`timestamp.columns.mapping`,
    /// `incrementing.column.mapping`).
    /// - Throws: an error of the configuration unless exactly one pattern matches the table.
    func mode(for table: TableID) throws(ConnectError) -> Mode {
        guard !columnMapping.isEmpty else { return mode }
        let columns = try columnMapping.timestamps(of: table) ?? mode.timestampColumns
        let column = try columnMapping.incrementing(of: table) ?? mode.incrementingColumn ?? ""
        switch mode {
        case .bulk: return mode
        case .incrementing: return .incrementing(column: column)
        case .timestamp: return .timestamp(columns: columns)
        case .timestampAndIncrementing: return .timestampAndIncrementing(columns: columns, column: column)
        }
    }

    /// An error of the database, for messages.
    func text(of error: SQLError) -> String {
        masksQuery && error.kind == .other ? "SQLState \(error.sqlState), code \(error.code)" : error.description
    }

    private static func mode(_ config: ParsedConfig) -> Mode {
        let column = config.string("incrementing.column.name")
        let columns = config.list("timestamp.column.name")
        return switch config.string("mode") {
        case "bulk": .bulk
        case "timestamp": .timestamp(columns: columns)
        case "timestamp+incrementing": .timestampAndIncrementing(columns: columns, column: column)
        default: .incrementing(column: column)
        }
    }

    /// The query without what would end it early.
    private static func query(_ config: ParsedConfig) -> String? {
        let masked = config.secret("query.masked")?.revealed ?? ""
        var text = Substring(masked.isEmpty ? config.string("query") : masked)
        while let last = text.last, last.isWhitespace || last == ";" { text.removeLast() }
        text = text.drop { $0.isWhitespace }
        return text.isEmpty ? nil : String(text)
    }

    /// What options say together that makes no sense, and the options to blame.
    static func problem(_ config: ParsedConfig) -> (names: [String], message: String)? {
        let mode = mode(config)
        let hasBoth = !config.string("query").isEmpty && config.secret("query.masked")?.revealed.isEmpty == false
        if hasBoth { return (["query", "query.masked"], "Set either query or query.masked, not both") }
        if config.string("mode").contains("timestamp"), mode.timestampColumns.isEmpty,
            config.list("timestamp.columns.mapping").isEmpty
        {
            return (
                ["timestamp.column.name"], "mode=\(config.string("mode")) needs timestamp.column.name to name a column"
            )
        }
        if config.bool("incrementing.parallel.read"), config.string("mode") != "incrementing" || query(config) != nil {
            return (["incrementing.parallel.read"], "incrementing.parallel.read needs tables and mode=incrementing")
        }
        if let problem = TableFilter.problem(config) { return problem }
        guard let query = query(config) else { return nil }
        let word = query.prefix { $0.isLetter }.lowercased()
        guard word == "select" || word == "with" else {
            return (["query", "query.masked"], "query must begin with SELECT (or WITH)")
        }
        guard mode.incrementingColumn != "" else {
            return (
                ["incrementing.column.name"],
                "mode=\(config.string("mode")) with a query needs incrementing.column.name to name a column"
            )
        }
        return nil
    }
}
