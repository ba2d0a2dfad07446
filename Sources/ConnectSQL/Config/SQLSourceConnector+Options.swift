public import ConnectAPI

extension SQLSourceConnector {
    /// Every option with what Kafka's REST API says about it (`golden/rest/`); the texts are our own.
    public static let configDefinition = ConfigDefinition(
        databaseKeys + modeKeys + connectorKeys + internalKeys + connector2Keys)

    private static let databaseKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "connection.url", .string, default: .value(""), importance: .high,
            doc: "The database, as a JDBC URL: jdbc:mysql://host:3306/database, jdbc:mariadb://…, jdbc:postgresql://…, "
                + "jdbc:sqlite:….",
            group: "Database", order: 1, width: .long, displayName: "JDBC URL",
            dependents: ["table.whitelist", "table.blacklist"]),
        ConfigDefinition.Key(
            "connection.user", .string, default: .null, importance: .high,
            doc: "User.",
            group: "Database", order: 2, width: .long, displayName: "JDBC User"),
        ConfigDefinition.Key(
            "connection.password", .password, default: .null, importance: .high,
            doc: "Password.",
            group: "Database", order: 3, width: .short, displayName: "JDBC Password"),
        ConfigDefinition.Key(
            "jdbc.credentials.provider.class", .className, default: .value(SQLOptions.credentialsProvider),
            importance: .low,
            doc: "Pluggable source of user/password; gets every jdbc.credentials.provider.* key.",
            group: "Database", order: 4, width: .long, displayName: "JDBC Credentials Provider Class"),
        ConfigDefinition.Key(
            "connection.attempts", .int, default: .value("3"), importance: .low,
            doc: "Connection tries.",
            group: "Database", order: 5, width: .short, displayName: "JDBC connection attempts",
            validator: .atLeast(1)),
        ConfigDefinition.Key(
            "connection.backoff.ms", .long, default: .value("10000"), importance: .low,
            doc: "Wait between tries.",
            group: "Database", order: 6, width: .short, displayName: "JDBC connection backoff in milliseconds"),
        ConfigDefinition.Key(
            "table.whitelist", .list, default: .value(""), importance: .medium,
            doc: "Tables to copy (legacy, exact names); excludes table.blacklist.",
            group: "Database", order: 7, width: .long, displayName: "Table Whitelist"),
        ConfigDefinition.Key(
            "table.blacklist", .list, default: .value(""), importance: .medium,
            doc: "Tables not to copy (legacy)",
            group: "Database", order: 8, width: .long, displayName: "Table Blacklist"),
        ConfigDefinition.Key(
            "table.include.list", .list, default: .value(""), importance: .medium,
            doc: "New: full-match regexes on the unquoted fully-qualified name.",
            group: "Database", order: 9, width: .long, displayName: "Tables Included (Regex)"),
        ConfigDefinition.Key(
            "table.exclude.list", .list, default: .value(""), importance: .medium,
            doc: "New: removes from the include result; needs include.",
            group: "Database", order: 10, width: .long, displayName: "Tables Excluded (Regex)"),
        ConfigDefinition.Key(
            "catalog.pattern", .string, default: .null, importance: .medium,
            doc: "The database whose tables are listed, % standing for any text. Default: that of the URL.",
            group: "Database", order: 11, width: .short, displayName: "Schema pattern"),
        ConfigDefinition.Key(
            "schema.pattern", .string, default: .null, importance: .high,
            doc:
                "Schemas of PostgreSQL whose tables are listed, % standing for any text. Default: "
                + "all but the system's.",
            group: "Database", order: 12, width: .short, displayName: "Schema pattern"),
        ConfigDefinition.Key(
            "numeric.precision.mapping", .boolean, default: .value("false"), importance: .low,
            doc: "Deprecated; true behaves as numeric.mapping=precision_only.",
            group: "Database", order: 13, width: .short, displayName: "Map Numeric Values By Precision (deprecated)"),
        ConfigDefinition.Key(
            "numeric.mapping", .string, default: .null, importance: .low,
            doc: "How NUMERIC becomes int/double instead of Decimal (see jdbc-semantics §4)",
            group: "Database", order: 14, width: .short,
            displayName: "Map Numeric Values, Integral or Decimal, By Precision and Scale",
            validator: .oneOfEnumerator(SQLOptions.numericMappings, allowsNull: true),
            recommender: .fixed(SQLOptions.numericMappings)),
        ConfigDefinition.Key(
            "dialect.name", .string, default: .value(""), importance: .low,
            doc: "Force a dialect.",
            group: "Database", order: 15, width: .long, displayName: "Database Dialect",
            validator: .oneOf(SQLOptions.dialectNames),
            recommender: .fixed(SQLOptions.dialectNames)),
        ConfigDefinition.Key(
            "date.calendar.system", .string, default: .value("LEGACY"), importance: .low,
            doc: "Calendar used to turn old dates into epoch values.",
            group: "Database", order: 16, width: .medium, displayName: "Date Calendar System",
            validator: .oneOfEnumerator(SQLOptions.calendars)),
    ]

    private static let modeKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "mode", .string, default: .value(""), importance: .high,
            doc: "Change detection method.",
            group: "Mode", order: 1, width: .medium, displayName: "Table Loading Mode",
            dependents: [
                "incrementing.column.name", "timestamp.column.name", "incrementing.column.mapping",
                "timestamp.columns.mapping", "validate.non.null",
            ],
            validator: .oneOf(SQLOptions.modes)),
        ConfigDefinition.Key(
            "incrementing.column.name", .string, default: .value(""), importance: .medium,
            doc: "Strictly growing column; \"\" = first auto-increment column is looked up.",
            group: "Mode", order: 2, width: .medium, displayName: "Incrementing Column Name",
            recommender: .byMode),
        ConfigDefinition.Key(
            "timestamp.column.name", .list, default: .value(""), importance: .medium,
            doc: "One or more update-time columns; several are COALESCEd in order.",
            group: "Mode", order: 3, width: .medium, displayName: "Timestamp Column Name",
            recommender: .byMode),
        ConfigDefinition.Key(
            "timestamp.columns.mapping", .list, default: .value(""), importance: .medium,
            doc: "New: per-table timestamp columns.",
            group: "Mode", order: 4, width: .long, displayName: "Table to timestamp columns mappings",
            recommender: .byMode),
        ConfigDefinition.Key(
            "incrementing.column.mapping", .list, default: .value(""), importance: .medium,
            doc: "New: per-table incrementing column.",
            group: "Mode", order: 5, width: .long, displayName: "Table to incrementing column mappings",
            recommender: .byMode),
        ConfigDefinition.Key(
            "timestamp.initial", .long, default: .null, importance: .low,
            doc: "Start point when no offset is stored.",
            group: "Mode", order: 6, width: .medium, displayName: "Unix time value of initial timestamp",
            recommender: .byMode),
        ConfigDefinition.Key(
            "validate.non.null", .boolean, default: .value("true"), importance: .low,
            doc: "Refuse nullable incrementing column / all-nullable timestamp columns.",
            group: "Mode", order: 7, width: .short, displayName: "Validate Non Null",
            recommender: .byMode),
        ConfigDefinition.Key(
            "query", .string, default: .value(""), importance: .medium,
            doc: "Run this instead of reading tables; no WHERE unless bulk or wrapped.",
            group: "Mode", order: 8, width: .short, displayName: "Query"),
        ConfigDefinition.Key(
            "query.masked", .password, default: .value(""), importance: .medium,
            doc: "Same as query, hidden in logs/REST; not both.",
            group: "Mode", order: 9, width: .short, displayName: "Query (Masked)",
            recommender: .hidden),
        ConfigDefinition.Key(
            "quote.sql.identifiers", .string, default: .value("ALWAYS"), importance: .medium,
            doc: "Quote names in generated SQL.",
            group: "Mode", order: 10, width: .medium, displayName: "Quote Identifiers",
            validator: .oneOfEnumerator(SQLOptions.quotings),
            recommender: .fixed(SQLOptions.quotings)),
        ConfigDefinition.Key(
            "query.suffix", .string, default: .value(""), importance: .low,
            doc: "Text appended at the very end of each generated query (LIMIT, hints)",
            group: "Mode", order: 11, width: .medium, displayName: "Query suffix"),
        ConfigDefinition.Key(
            "transaction.isolation.mode", .string, default: .value("DEFAULT"), importance: .low,
            doc: "Isolation used for source reads.",
            group: "Mode", order: 12, width: .medium, displayName: "Transaction Isolation Mode",
            validator: .oneOfEnumerator(SQLOptions.isolations),
            recommender: .fixed(SQLOptions.isolations)),
        ConfigDefinition.Key(
            "query.retry.attempts", .int, default: .value("-1"), importance: .low,
            doc: "Tries for a failing (transient) query.",
            group: "Mode", order: 13, width: .medium, displayName: "Query Retry Attempts"),
    ]

    private static let connectorKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "table.types", .list, default: .value("TABLE"), importance: .low,
            doc: "Which kinds of object count as tables.",
            group: "Connector", order: 1, width: .medium, displayName: "Table Types"),
        ConfigDefinition.Key(
            "poll.interval.ms", .int, default: .value("5000"), importance: .high,
            doc: "The pause between two reads of the same table. When it is not set, a table is probed as "
                + "often as poll.interval.min.ms allows, and this is the longest pause.",
            group: "Connector", order: 2, width: .short, displayName: "Poll Interval (ms)",
            validator: SQLOptions.atLeast(0)),
        ConfigDefinition.Key(
            "batch.max.rows", .int, default: .value("1000"), importance: .low,
            doc: "Rows returned by one poll; also JDBC fetch size.",
            group: "Connector", order: 3, width: .short, displayName: "Max Rows Per Batch",
            validator: SQLOptions.atLeast(1)),
        ConfigDefinition.Key(
            "max.buffer.size", .int, default: .value("0"), importance: .low,
            doc: "How many rows are read ahead at most; 0 means four times batch.max.rows.",
            group: "Connector", order: 4, width: .short, displayName: "Maximum Buffer Size"),
        ConfigDefinition.Key(
            "poll.linger.ms", .long, default: .value("5000"), importance: .low,
            doc: "Accepted for compatibility: rows are handed on as soon as a table has been read to its "
                + "end, so there is nothing to wait for.",
            group: "Connector", order: 5, width: .short, displayName: "Poll Linger Milliseconds"),
    ]

    private static let internalKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "table.monitoring.startup.polling.limit.ms", .long, default: .value("10000"), importance: .low,
            doc: "How long start-up waits for the first table list.", group: "")
    ]

    private static let connector2Keys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "table.poll.interval.ms", .long, default: .value("60000"), importance: .low,
            doc: "How often the list of tables is read again.",
            group: "Connector", order: 6, width: .short, displayName: "Metadata Change Monitoring Interval (ms)",
            validator: SQLOptions.atLeast(1)),
        ConfigDefinition.Key(
            "topic.prefix", .string, default: .value(""), importance: .high,
            doc: "Topic = prefix + table name; in query mode the whole topic name.",
            group: "Connector", order: 7, width: .medium, displayName: "Topic Prefix",
            validator: SQLOptions.topicPrefix),
        ConfigDefinition.Key(
            "timestamp.delay.interval.ms", .long, default: .value("0"), importance: .high,
            doc: "Upper bound of a timestamp read = db now − this.",
            group: "Connector", order: 8, width: .medium, displayName: "Delay Interval (ms)"),
        ConfigDefinition.Key(
            "db.timezone", .string, default: .value("UTC"), importance: .medium,
            doc: "Zone for zone-less date/time columns and criteria.",
            group: "Connector", order: 9, width: .medium, displayName: "DB time zone"),
        ConfigDefinition.Key(
            "timestamp.granularity", .string, default: .value("connect_logical"), importance: .low,
            doc: "How TIMESTAMP columns appear in records.",
            group: "Connector", order: 10, width: .medium, displayName: "Timestamp granularity for timestamp columns",
            validator: .oneOfEnumerator(SQLOptions.granularities),
            recommender: .fixed(SQLOptions.granularities)),
        ConfigDefinition.Key(
            "poll.interval.min.ms", .int, default: .value("10"), importance: .low,
            doc: "Our own: how often a table is probed for new rows while poll.interval.ms is not set. The "
                + "pause is never shorter than twenty-five times what a probe takes.",
            group: "Connector", order: 11, width: .short, displayName: "Minimum Poll Interval (ms)",
            validator: SQLOptions.atLeast(1)),
        ConfigDefinition.Key(
            "late.commit.protection", .boolean, default: .value("true"), importance: .medium,
            doc: "Our own: reads stop before rows that a transaction has written and not yet committed, which would "
                + "otherwise be passed and never read.",
            group: "Connector", order: 12, width: .short, displayName: "Late Commit Protection"),
        ConfigDefinition.Key(
            "record.key", .string, default: .value("none"), importance: .medium,
            doc: "Our own: primary_key makes the columns of a table's primary key the key of its records.",
            group: "Connector", order: 13, width: .medium, displayName: "Record Key",
            validator: .oneOfEnumerator(SQLOptions.recordKeys),
            recommender: .fixed(SQLOptions.recordKeys)),
        ConfigDefinition.Key(
            "decimal.mapping", .string, default: .null, importance: .low,
            doc: "Our own: what numeric.mapping does for NUMERIC columns, for DECIMAL columns.",
            group: "Connector", order: 14, width: .short, displayName: "Map Decimal Values",
            validator: .oneOfEnumerator(SQLOptions.numericMappings, allowsNull: true),
            recommender: .fixed(SQLOptions.numericMappings)),
        ConfigDefinition.Key(
            "incrementing.parallel.read", .boolean, default: .value("false"), importance: .low,
            doc: "Our own: the rows that a table has when it is first read are divided into ranges, which all tasks "
                + "(tasks.max) read side by side; each goes on where it was after a restart. Later rows are read by "
                + "one task, as ever.",
            group: "Connector", order: 15, width: .short, displayName: "Parallel First Read"),
    ]
}
