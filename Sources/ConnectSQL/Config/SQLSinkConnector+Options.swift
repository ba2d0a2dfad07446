public import ConnectAPI

extension SQLSinkConnector {
    /// Every option with what Kafka's REST API says about it (`golden/rest/`); the texts are our own.
    public static let configDefinition = ConfigDefinition(
        connectionKeys + writesKeys + dataMappingKeys + ddlSupportKeys + ddlOwnKeys + dmlSupportKeys + retriesKeys
            + internalKeys
            + deliveryKeys)

    private static let connectionKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "connection.url", .string, default: .required, importance: .high,
            doc: "The database, as a JDBC URL: jdbc:mysql://host:3306/database, jdbc:mariadb://…, jdbc:postgresql://…, "
                + "jdbc:sqlite:….",
            group: "Connection", order: 1, width: .long, displayName: "JDBC URL"),
        ConfigDefinition.Key(
            "connection.user", .string, default: .null, importance: .high,
            doc: "User.",
            group: "Connection", order: 2, width: .medium, displayName: "JDBC User"),
        ConfigDefinition.Key(
            "connection.password", .password, default: .null, importance: .high,
            doc: "Password.",
            group: "Connection", order: 3, width: .medium, displayName: "JDBC Password"),
        ConfigDefinition.Key(
            "jdbc.credentials.provider.class", .className, default: .value(SQLOptions.credentialsProvider),
            importance: .low,
            doc: "As in the source.",
            group: "Connection", order: 4, width: .long, displayName: "JDBC Credentials Provider Class"),
        ConfigDefinition.Key(
            "dialect.name", .string, default: .value(""), importance: .low,
            doc: "As in the source.",
            group: "Connection", order: 5, width: .long, displayName: "Database Dialect",
            validator: .oneOf(SQLOptions.dialectNames),
            recommender: .fixed(SQLOptions.dialectNames)),
        ConfigDefinition.Key(
            "connection.attempts", .int, default: .value("3"), importance: .low,
            doc: "Connection tries.",
            group: "Connection", order: 6, width: .short, displayName: "JDBC connection attempts",
            validator: .atLeast(1)),
        ConfigDefinition.Key(
            "connection.backoff.ms", .long, default: .value("10000"), importance: .low,
            doc: "Wait between tries.",
            group: "Connection", order: 7, width: .short, displayName: "JDBC connection backoff in milliseconds"),
    ]

    private static let writesKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "insert.mode", .string, default: .value("insert"), importance: .high,
            doc: "Statement kind.",
            group: "Writes", order: 1, width: .medium, displayName: "Insert Mode",
            validator: .oneOfEnumerator(SQLOptions.insertModes)),
        ConfigDefinition.Key(
            "batch.size", .int, default: .value("3000"), importance: .medium,
            doc: "Records per JDBC batch (best effort; 0/1 = one by one)",
            group: "Writes", order: 2, width: .short, displayName: "Batch Size",
            validator: .atLeast(0)),
        ConfigDefinition.Key(
            "delete.enabled", .boolean, default: .value("false"), importance: .medium,
            doc: "Null value → DELETE by key; needs pk.mode=record_key.",
            group: "Writes", order: 3, width: .short, displayName: "Enable deletes",
            recommender: .deletes),
        ConfigDefinition.Key(
            "table.types", .list, default: .value("TABLE"), importance: .low,
            doc: "Objects that may be written.",
            group: "Writes", order: 4, width: .medium, displayName: "Table Types"),
        ConfigDefinition.Key(
            "replace.null.with.default", .boolean, default: .value("true"), importance: .low,
            doc: "Null in a field with a schema default is written as that default.",
            group: "Writes", order: 5, width: .medium, displayName: "Replace null value with default value"),
    ]

    private static let dataMappingKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "table.name.format", .string, default: .value("${topic}"), importance: .medium,
            doc: "Table name; ${topic} replaced; may carry schema/catalog with dots.",
            group: "Data Mapping", order: 1, width: .long, displayName: "Table Name Format"),
        ConfigDefinition.Key(
            "pk.mode", .string, default: .value("none"), importance: .high,
            doc: "Where key columns come from.",
            group: "Data Mapping", order: 2, width: .medium, displayName: "Primary Key Mode",
            validator: .oneOfEnumerator(SQLOptions.keyModes),
            recommender: .keyModes),
        ConfigDefinition.Key(
            "pk.fields", .list, default: .value(""), importance: .medium,
            doc: "Key column names (kafka: 3 names or none; record_key primitive: exactly one; struct: "
                + "subset, empty = all)",
            group: "Data Mapping", order: 3, width: .long, displayName: "Primary Key Fields"),
        ConfigDefinition.Key(
            "fields.whitelist", .list, default: .value(""), importance: .medium,
            doc: "Value fields to write, empty = all.",
            group: "Data Mapping", order: 4, width: .long, displayName: "Fields Whitelist"),
        ConfigDefinition.Key(
            "db.timezone", .string, default: .value("UTC"), importance: .medium,
            doc: "Zone for timestamps written.",
            group: "Data Mapping", order: 5, width: .medium, displayName: "DB Time Zone"),
        ConfigDefinition.Key(
            "date.timezone", .string, default: .value("DB_TIMEZONE"), importance: .low,
            doc: "Zone for DATE values.",
            group: "Data Mapping", order: 6, width: .medium, displayName: "Time Zone used for Date",
            validator: .oneOfEnumerator(SQLOptions.dateZones),
            recommender: .fixed(SQLOptions.dateZones)),
        ConfigDefinition.Key(
            "timestamp.fields.list", .list, default: .value(""), importance: .medium,
            doc: "INT64/STRING fields that hold micros/nanos times.",
            group: "Data Mapping", order: 7, width: .medium, displayName: "Timestamp Fields Whitelist"),
        ConfigDefinition.Key(
            "timestamp.precision.mode", .string, default: .value("MICROSECONDS"), importance: .low,
            doc: "Precision of those fields.",
            group: "Data Mapping", order: 8, width: .medium, displayName: "Sink Timestamp Precision mode",
            validator: .oneOfEnumerator(SQLOptions.precisions),
            recommender: .fixed(SQLOptions.precisions)),
        ConfigDefinition.Key(
            "date.calendar.system", .string, default: .value("LEGACY"), importance: .low,
            doc: "Calendar used to turn old dates into epoch values.",
            group: "Data Mapping", order: 9, width: .medium, displayName: "Date Calendar System",
            validator: .oneOfEnumerator(SQLOptions.calendars)),
        ConfigDefinition.Key(
            "string.output.value.column.name", .string, default: .value("record_value"), importance: .low,
            doc: "Column for a record whose value is a plain string.",
            group: "Data Mapping", order: 10, width: .medium, displayName: "String Value Column Name"),
    ]

    private static let ddlSupportKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "auto.create", .boolean, default: .value("false"), importance: .medium,
            doc: "CREATE TABLE when absent.",
            group: "DDL Support", order: 1, width: .short, displayName: "Auto-Create"),
        ConfigDefinition.Key(
            "auto.evolve", .boolean, default: .value("false"), importance: .medium,
            doc: "ALTER TABLE ADD for new fields.",
            group: "DDL Support", order: 2, width: .short, displayName: "Auto-Evolve"),
        ConfigDefinition.Key(
            "quote.sql.identifiers", .string, default: .value("ALWAYS"), importance: .medium,
            doc: "Quote names in generated SQL.",
            group: "DDL Support", order: 3, width: .medium, displayName: "Quote Identifiers",
            validator: .oneOfEnumerator(SQLOptions.quotings),
            recommender: .fixed(SQLOptions.quotings)),
    ]

    private static let ddlOwnKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "auto.evolve.types", .boolean, default: .value("false"), importance: .low,
            doc:
                "Our own: with auto.evolve, a column becomes wider when the records' field does (INT to BIGINT, REAL to "
                + "DOUBLE PRECISION). Columns are never made narrower.",
            group: "DDL Support", order: 4, width: .short, displayName: "Auto-Evolve Types"),
        ConfigDefinition.Key(
            "ddl.mode", .string, default: .value("execute"), importance: .low,
            doc:
                "Our own: what is done with CREATE TABLE and ALTER TABLE. fail does not execute the statement but refuses "
                + "the records with it in the error; skip logs it and goes on with the columns that are there.",
            group: "DDL Support", order: 5, width: .short, displayName: "DDL Mode",
            validator: .oneOfEnumerator(SQLOptions.ddlModes),
            recommender: .fixed(SQLOptions.ddlModes)),
    ]

    private static let dmlSupportKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "mssql.use.merge.holdlock", .boolean, default: .value("true"), importance: .low,
            doc: "SQL Server only: HOLDLOCK in MERGE.",
            group: "DML Support", order: 1, width: .medium, displayName: "SQL Server - Use HOLDLOCK in MERGE")
    ]

    private static let deliveryKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "delivery.guarantee", .string, default: .value("at_least_once"), importance: .medium,
            doc: "Our own: exactly_once keeps the offsets in a table of the target database and writes them in the "
                + "rows' own transaction, so that no crash repeats or loses a row, whatever the insert.mode.",
            group: "Writes", order: 6, width: .medium, displayName: "Delivery Guarantee",
            validator: .oneOfEnumerator(SQLOptions.guarantees),
            recommender: .fixed(SQLOptions.guarantees)),
        ConfigDefinition.Key(
            "offsets.table.name", .string, default: .value("sluice_offsets"), importance: .low,
            doc: "Our own: the table of delivery.guarantee=exactly_once. It is created when it is missing; sinks may "
                + "share it.",
            group: "Writes", order: 7, width: .medium, displayName: "Offsets Table"),
    ]

    private static let retriesKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "max.retries", .int, default: .value("10"), importance: .medium,
            doc: "Tries after a SQL error before failing.",
            group: "Retries", order: 1, width: .short, displayName: "Maximum Retries",
            validator: .atLeast(0)),
        ConfigDefinition.Key(
            "retry.backoff.ms", .int, default: .value("3000"), importance: .medium,
            doc: "Wait before a retry.",
            group: "Retries", order: 2, width: .short, displayName: "Retry Backoff (millis)",
            validator: .atLeast(0)),
    ]

    private static let internalKeys: [ConfigDefinition.Key] = [
        ConfigDefinition.Key(
            "trim.sensitive.log", .boolean, default: .value("false"), importance: .low,
            doc: "Cut values out of SQL exception texts.", group: "")
    ]
}
