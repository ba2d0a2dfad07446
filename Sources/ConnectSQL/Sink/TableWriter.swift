import ConnectAPI

/// Collects the records of one table and writes them in bulk. Lives as long as the connection.
final class TableWriter {
    /// A statement for records of one pair of schemas.
    private final class Plan {
        let keySchema: Schema?
        let valueSchema: Schema?
        let columns: [RecordShape.Column]
        let encoders: [ParameterEncoder]
        let defaults: [ConnectValue?]
        let write: any SQLWrite

        init(
            keySchema: Schema?, valueSchema: Schema?, columns: [RecordShape.Column], encoders: [ParameterEncoder],
            defaults: [ConnectValue?], write: any SQLWrite
        ) {
            self.keySchema = keySchema
            self.valueSchema = valueSchema
            self.columns = columns
            self.encoders = encoders
            self.defaults = defaults
            self.write = write
        }

        func fits(_ record: SinkRecord, keyMatters: Bool) -> Bool {
            Self.same(valueSchema, record.valueSchema) && (!keyMatters || Self.same(keySchema, record.keySchema))
        }

        private static func same(_ lhs: Schema?, _ rhs: Schema?) -> Bool {
            lhs === rhs || lhs == rhs
        }
    }

    private static let keptPlans = 8

    let table: TableID
    private let options: SinkOptions
    private let tables: TableKeeper
    private var plans: [Plan] = []
    /// The plan that ``batch`` belongs to.
    private var current: Plan?
    private var batch = ParameterBatch([])

    init(_ table: TableID, _ options: SinkOptions, _ tables: TableKeeper) {
        self.table = table
        self.options = options
        self.tables = tables
    }

    /// Buffers a record, writing what has to be written before it.
    func add(_ record: SinkRecord, _ connection: any SQLConnection) throws {
        try options.check(record)
        let keyMatters = options.keyMode == .recordKey
        if current?.fits(record, keyMatters: keyMatters) != true {
            try flush()
            let plan = try plans.first { $0.fits(record, keyMatters: keyMatters) } ?? makePlan(record, connection)
            current = plan
            batch = ParameterBatch(plan.encoders.map(\.kind), reserving: min(options.batchSize, 4_096))
        }
        guard let plan = current else { return }
        try append(record, plan)
        if batch.count >= options.batchSize { try flush() }
    }

    /// Writes what is buffered.
    func flush() throws {
        guard let plan = current, !batch.isEmpty else { return }
        defer { batch.removeAll() }
        try plan.write.execute(batch)
    }

    /// Drops what is buffered, after a rollback.
    func discard() {
        batch.removeAll()
    }

    /// Frees the statements.
    func close() {
        for plan in plans { plan.write.close() }
        plans = []
        current = nil
        batch = ParameterBatch([])
    }

    // MARK: plans

    private func makePlan(_ record: SinkRecord, _ connection: any SQLConnection) throws -> Plan {
        let shape = try RecordShape(
            keySchema: record.keySchema, valueSchema: record.valueSchema, options: options)
        let columns = shape.columns.map(\.sink)
        var encoders: [ParameterEncoder] = []
        for column in columns {
            guard let encoder = options.database.dialect.encoder(for: column.schema) else {
                _ = try options.database.dialect.definition(of: column, in: table)
                throw ConnectError.data("Field \(column.name) of table \(table.qualifiedName) cannot be written")
            }
            encoders.append(encoder)
        }
        try tables.prepare(table, columns: columns, connection)
        let write = try connection.prepareWrite(
            options.database.dialect.insert(into: table, columns: columns))
        let plan = Plan(
            keySchema: record.keySchema, valueSchema: record.valueSchema, columns: shape.columns, encoders: encoders,
            defaults: columns.map { options.replacesNullWithDefault ? $0.schema.defaultValue : nil }, write: write)
        if plans.count == Self.keptPlans { plans.removeFirst().write.close() }
        plans.append(plan)
        return plan
    }

    // MARK: values

    private func append(_ record: SinkRecord, _ plan: Plan) throws {
        let key = record.key.structValue
        let value = record.value.structValue
        for index in plan.columns.indices {
            var field: ConnectValue
            switch plan.columns[index].origin {
            case .valueField(let position): field = value.map { $0.values[position] } ?? .null
            case .keyField(let position): field = key.map { $0.values[position] } ?? .null
            case .key: field = record.key
            case .value: field = record.value
            case .topic: field = .string(record.topic)
            case .partition: field = .int32(record.partition)
            case .offset: field = .int64(record.offset)
            }
            if field.isNull, let value = plan.defaults[index] { field = value }
            guard plan.encoders[index].append(field, to: &batch.columns[index]) else {
                batch.abandonRow()
                let column = plan.columns[index].sink
                throw ConnectError.data(
                    "The value for column \(column.name) of table \(table.qualifiedName) is of type "
                        + "\(field.type?.rawValue ?? "null"), but its schema says \(column.schema.type.rawValue) "
                        + "(\(record.topic)-\(record.partition), offset \(record.offset))")
            }
        }
        batch.finishRow()
    }
}
