import ConnectAPI

/// Reads one table or query, batch by batch. Holds a prepared statement as long as the connection and the columns last.
final class SourceReader {
    /// What a read gave.
    struct Rows {
        var records: [SourceRecord] = []
        /// In place of records, where they can be packed.
        var packed: RecordRows?
        /// From where a read goes on once the records are acknowledged; nil if that has not changed.
        var position: SourcePosition?
        /// Whether the result goes on.
        var hasMore = false

        var isEmpty: Bool { records.isEmpty && (packed?.count ?? 0) == 0 }
    }

    let target: SourceTarget
    /// From where the next read begins.
    private(set) var position: SourcePosition
    /// Whether a result is open.
    private(set) var isReading = false
    /// Whether the last try found no such table.
    var isMissing = false
    /// The part of the table that is read; nil for all of it.
    let chunk: TableChunk?
    private let plan: ChunkPlan?
    /// Whether nothing that belongs to the running read was under way when it began.
    private var isComplete = false

    private let options: SourceOptions
    private let topic: String
    private var query: (any SQLQuery)?
    private var criteria: SourceCriteria?
    /// Keeps the read from rows that are not all committed yet.
    private var fence: (any CommitFence)?
    /// The columns of the primary key, if they are wanted as the records' key.
    private var keyColumns: [String] = []
    private var shape: SourceShape?
    /// The row after those handed on, of which only the timestamp was wanted so far.
    private var held: [ConnectValue]?
    /// Whether the held row is the result's last.
    private var isExhausted = false
    /// Whether `timestamp.initial` says where to begin.
    private var begins: Bool

    /// - Parameters:
    ///   - offset: what is stored; nil if nothing is.
    ///   - chunk: the part of the table to read.
    ///   - plan: the parts that are read apart from this.
    init(
        _ target: SourceTarget, _ options: SourceOptions, offset: SourcePosition?, chunk: TableChunk? = nil,
        plan: ChunkPlan? = nil
    ) {
        self.target = target
        self.options = options
        self.chunk = chunk
        self.plan = plan
        position = offset ?? SourcePosition(incrementing: chunk?.after ?? plan?.through)
        begins = offset == nil
        topic = target.topic(prefix: options.topicPrefix)
    }

    /// Starts a read: all rows, or those past ``position``.
    func open(_ connection: any SQLConnection) throws {
        held = nil
        isExhausted = false
        let query = try self.query ?? prepare(connection)
        self.query = query
        isMissing = false
        try updateShape(query)
        guard let parameters = try parameters(query, connection) else { return }
        try query.execute(parameters)
        isReading = true
        try updateShape(query)
    }

    private func updateShape(_ query: any SQLQuery) throws {
        guard shape?.version != query.columnsVersion else { return }
        shape = try SourceShape(query, criteria, target, options, keyColumns: keyColumns)
    }

    /// The next records of the open read.
    func read() throws -> Rows {
        guard isReading, let query, let shape else { return Rows() }
        if shape.canBePacked,
            let rows = RecordRows(topic: topic, valueSchema: shape.schema, reserving: min(options.batchRows, 1_024))
        {
            return try readPacked(rows, query, shape)
        }
        var rows: [[ConnectValue]] = []
        rows.reserveCapacity(min(options.batchRows + 1, 1_024))
        if let held { rows.append(held) }
        held = nil
        // One row more, which is held back: it tells whether the timestamp grows after the last one.
        let limit = options.batchRows + (holdsRowBack ? 1 : 0) - rows.count
        var hasMore = false
        do throws(SQLError) {
            if !isExhausted { hasMore = try query.fetch(shape.decoders, limit: limit, into: &rows) }
        } catch {
            isReading = false
            throw error
        }
        isExhausted = !hasMore
        var next: SourcePosition?
        if rows.count > options.batchRows, let row = rows.popLast() {
            held = row
            next = try shape.position(of: row, target)
            hasMore = true
        }
        isReading = hasMore
        var resumable = try resumable(rows, next: next, shape)
        if let chunk, isComplete, !hasMore { resumable = SourcePosition(incrementing: chunk.through) }
        if let resumable { position = resumable }
        return Rows(records: try records(rows, shape), position: resumable, hasMore: hasMore)
    }

    private func readPacked(_ empty: RecordRows, _ query: any SQLQuery, _ shape: SourceShape) throws -> Rows {
        var rows = empty
        do throws(SQLError) {
            isReading = try query.fetchRows(shape.decoders, limit: options.batchRows, into: &rows)
        } catch {
            isReading = false
            throw error
        }
        var resumable = try criteria == nil ? nil : shape.position(ofLast: rows, target)
        if let chunk, isComplete, !isReading { resumable = SourcePosition(incrementing: chunk.through) }
        if let resumable { position = resumable }
        return Rows(packed: rows, position: resumable, hasMore: isReading)
    }

    /// Whether there is nothing more to read, ever.
    var isDone: Bool { chunk.map { (position.incrementing ?? .min) >= $0.through } ?? false }

    /// Under what the position is stored.
    var partition: OffsetMap { SourceOffset.partition(target, chunk) }

    /// The position as it is stored.
    var offset: OffsetMap {
        var offset = position.offset
        plan?.add(to: &offset)
        return offset
    }

    /// Forgets statement and columns, which ended with their connection.
    func disconnect() {
        query?.close()
        query = nil
        fence?.disconnect()
        fence = nil
        shape = nil
        held = nil
        isReading = false
    }

    // MARK: rows

    /// Whether a read is resumed by timestamps alone.
    private var holdsRowBack: Bool {
        criteria.map { !$0.timestamps.isEmpty && $0.incrementing == nil } ?? false
    }

    private func resumable(
        _ rows: [[ConnectValue]], next: SourcePosition?, _ shape: SourceShape
    ) throws -> SourcePosition? {
        guard criteria != nil else { return nil }
        // Of many rows the last one is enough, unless the timestamp must be seen to grow.
        let wanted = next == nil ? rows.suffix(1) : rows[...]
        var positions: [SourcePosition] = []
        positions.reserveCapacity(wanted.count)
        for row in wanted { positions.append(try shape.position(of: row, target)) }
        return SourcePosition.resumable(positions, next: next)
    }

    private func records(_ rows: [[ConnectValue]], _ shape: SourceShape) throws -> [SourceRecord] {
        var records: [SourceRecord] = []
        records.reserveCapacity(rows.count)
        let (topic, schema) = (topic, shape.schema)
        for row in rows {
            let values = shape.hasTimestamp ? Array(row.dropLast()) : row
            let value = ConnectValue.structure(try Struct(schema: schema, values: values))
            var record = SourceRecord(topic: topic, valueSchema: schema, value: value)
            if let key = shape.keySchema {
                record.keySchema = key
                record.key = .structure(try Struct(schema: key, values: shape.keyIndexes.map { row[$0] }))
            }
            records.append(record)
        }
        return records
    }

    // MARK: statement

    private func prepare(_ connection: any SQLConnection) throws -> any SQLQuery {
        criteria = try findCriteria(connection)
        let suffix = options.querySuffix.isEmpty ? "" : " " + options.querySuffix
        let dialect = options.database.dialect
        if options.protectsLateCommits, let criteria, case .table(let table) = target {
            let database = options.database
            fence = dialect.commitFence(table, criteria) { () throws(SQLError) in try database.connect() }
        }
        let text = dialect.select(target, criteria, isBounded: fence != nil || chunk != nil) + suffix
        return try connection.prepareQuery(text)
    }

    private func findCriteria(_ connection: any SQLConnection) throws -> SourceCriteria? {
        guard options.mode != .bulk || options.keysByPrimaryKey else { return nil }
        guard case .table(let table) = target else {
            return options.mode == .bulk ? nil : SourceCriteria(ofQuery: options.mode)
        }
        guard let definition = try options.database.dialect.definition(of: table, on: connection) else {
            throw SQLError(.tableMissing, sqlState: "42S02", "Table \(table.qualifiedName) does not exist")
        }
        if options.keysByPrimaryKey { keyColumns = definition.columns.filter(\.isKey).map(\.name) }
        guard options.mode != .bulk else { return nil }
        return try SourceCriteria(options.mode(for: table), definition, validatesNonNull: options.validatesNonNull)
    }

    /// Nil if there is nothing to read yet.
    private func parameters(_ query: any SQLQuery, _ connection: any SQLConnection) throws -> [SQLParameter]? {
        guard let criteria else { return [] }
        let lastID = SQLParameter.integer(position.incrementing ?? -1)
        guard !criteria.timestamps.isEmpty else {
            let limit = chunk?.through ?? .max
            guard let fence else {
                isComplete = true
                return chunk == nil ? [lastID] : [lastID, .integer(limit)]
            }
            let bound = try fence.bound(after: position.incrementing ?? -1, through: limit, connection)
            isComplete = bound?.isComplete ?? false
            return bound.map { [lastID, .integer($0.value)] }
        }
        let dialect = options.database.dialect
        let clock = try SourceClock(query.columns, criteria, target, dialect.zone)
        let now = try dialect.now(on: connection, isInstant: clock.isInstant)
        if begins, let initial = options.initialTimestamp {
            position.microseconds = initial == -1 ? clock.instant(ofLocal: now) : initial &* 1_000
        }
        begins = false
        let first = clock.local(ofInstant: position.microseconds ?? 0)
        var last = clock.wholeUnits(now) - options.timestampDelayMicroseconds
        if let fence {
            last = clock.wholeUnits(try fence.end(from: first, to: last, isInstant: clock.isInstant, connection))
        }
        let begin = dialect.timestampParameter(first)
        let end = dialect.timestampParameter(last)
        return criteria.incrementing == nil ? [begin, end] : [end, begin, lastID, begin]
    }
}
