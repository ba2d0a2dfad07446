import ConnectAPI

/// The sink's configuration, typed.
struct SinkOptions: Sendable {
    /// `pk.mode`.
    enum KeyMode: String, Sendable {
        case none, kafka
        case recordKey = "record_key"
        case recordValue = "record_value"
    }

    /// `insert.mode`.
    enum InsertMode: String, Sendable {
        case insert, upsert, update

        /// What it does with rows.
        var kind: SQLWriteKind {
            switch self {
            case .insert: .insert
            case .upsert: .upsert
            case .update: .update
            }
        }
    }

    /// `ddl.mode`: what is done with statements that change tables.
    enum DDLMode: String, Sendable {
        case execute, fail, skip
    }

    let database: Database
    /// The parts of `table.name.format`, in which `${topic}` is still to be replaced.
    let tableFormat: [String]
    let tableTypes: [String]
    let insertMode: InsertMode
    /// Whether a record without a value deletes the row of its key.
    let deletes: Bool
    let keyMode: KeyMode
    let keyFields: [String]
    let fields: Set<String>
    /// Fields that count since the epoch, and what they count (`timestamp.fields.list`).
    let epochFields: Set<String>
    let epochUnit: SinkColumn.EpochUnit
    /// The table of offsets that are written with the rows; nil if the consumer group's are enough.
    let offsetsTable: TableID?
    let batchSize: Int
    let createsTables: Bool
    let evolvesTables: Bool
    /// Whether columns become wider when fields do.
    let widensTypes: Bool
    let ddlMode: DDLMode
    let replacesNullWithDefault: Bool
    let stringColumn: String
    let maxRetries: Int
    let retryBackoff: Duration
    /// Whether error texts must not hold values.
    let trimsErrors: Bool

    init(_ config: [String: String]) throws(ConnectError) {
        try self.init(SQLSinkConnector.configDefinition.parse(config))
    }

    init(_ config: ParsedConfig) throws(ConnectError) {
        if let problem = SQLOptions.notBuilt(config) { throw .config(problem.message) }
        database = try Database(config, for: .sink)
        let format = config.string("table.name.format")
        guard let parts = IdentifierText.split(format), database.dialect.table(parts: parts) != nil else {
            throw .config("table.name.format=\(format) is no table's name for \(database.dialect.name)")
        }
        tableFormat = parts
        tableTypes = config.list("table.types").map { $0.uppercased() }
        insertMode = InsertMode(rawValue: config.string("insert.mode").lowercased()) ?? .insert
        deletes = config.bool("delete.enabled")
        keyMode = KeyMode(rawValue: config.string("pk.mode").lowercased()) ?? .none
        keyFields = config.list("pk.fields")
        fields = Set(config.list("fields.whitelist"))
        epochFields = Set(config.list("timestamp.fields.list"))
        epochUnit =
            SinkColumn.EpochUnit(rawValue: config.string("timestamp.precision.mode").lowercased()) ?? .microseconds
        offsetsTable = try Self.offsetsTable(config, database)
        batchSize = max(config.int("batch.size"), 1)
        createsTables = config.bool("auto.create")
        evolvesTables = config.bool("auto.evolve")
        widensTypes = config.bool("auto.evolve.types")
        ddlMode = DDLMode(rawValue: config.string("ddl.mode").lowercased()) ?? .execute
        replacesNullWithDefault = config.bool("replace.null.with.default")
        stringColumn = config.string("string.output.value.column.name")
        maxRetries = config.int("max.retries")
        retryBackoff = .milliseconds(config.int("retry.backoff.ms"))
        trimsErrors = config.bool("trim.sensitive.log")
        if keyMode == .kafka, !keyFields.isEmpty, keyFields.count != 3 {
            throw .config("pk.mode=kafka needs no pk.fields or three (topic, partition, offset): \(keyFields)")
        }
        if let problem = Self.missingKey(config) { throw .config(problem) }
        guard !deletes || keyMode == .recordKey else {
            throw .config("Deletes are only supported for pk.mode record_key")
        }
    }

    /// What is wrong with a mode that finds rows by their key, if there is no key: the Java connector would change
    /// every row of the table (`reference/connect-behaviour.md`, Sink 3).
    static func missingKey(_ config: ParsedConfig) -> String? {
        let mode = config.string("insert.mode").lowercased()
        guard mode != InsertMode.insert.rawValue, config.string("pk.mode").lowercased() == KeyMode.none.rawValue else {
            return nil
        }
        return "insert.mode=\(mode) finds rows by their key: set pk.mode to record_key, record_value or kafka"
    }

    private static func offsetsTable(_ config: ParsedConfig, _ database: Database) throws(ConnectError) -> TableID? {
        guard config.string("delivery.guarantee").lowercased() == "exactly_once" else { return nil }
        let name = config.string("offsets.table.name")
        guard let table = IdentifierText.split(name).flatMap({ database.dialect.table(parts: $0) }) else {
            throw .config("offsets.table.name=\(name) is no table's name for \(database.dialect.name)")
        }
        return table
    }

    /// What a field counts since the epoch, if the configuration says so and its type allows it.
    func epochUnit(of field: Field) -> SinkColumn.EpochUnit? {
        guard epochFields.contains(field.name), field.schema.logicalType == nil,
            field.schema.type == .int64 || field.schema.type == .string
        else { return nil }
        return epochUnit
    }

    /// The table of a topic. A dot in the topic's name is part of the table's name: only dots of the format separate.
    func table(for topic: String) -> TableID? {
        database.dialect.table(parts: tableFormat.map { Self.replaceTopic(in: $0, with: topic) })
    }

    private static func replaceTopic(in part: String, with topic: String) -> String {
        var result = ""
        var rest = Substring(part)
        while let found = rest.range(ofText: "${topic}") {
            result += rest[..<found] + topic
            rest = rest[rest.index(found, offsetBy: "${topic}".count)...]
        }
        return result + rest
    }
}
