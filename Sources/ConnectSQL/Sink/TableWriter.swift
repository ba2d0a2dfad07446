import ConnectAPI

/// Collects the records of one table and writes them in bulk. Lives as long as the connection.
///
/// What is buffered is written in the Java connector's order (`reference/jdbc-semantics.md` 6.4): first the rows, then
/// the deletes. A row that comes after a delete therefore has the buffer written first.
final class TableWriter {
    /// Rows of one statement.
    private struct Buffer {
        var plan: WritePlan?
        var batch = ParameterBatch([])

        /// Writes the rows and forgets them, even if they could not be written.
        mutating func flush() throws(SQLError) {
            guard let plan, !batch.isEmpty else { return }
            defer { batch.removeAll() }
            try plan.execute(batch)
        }

        mutating func use(_ plan: WritePlan, reserving rows: Int) {
            if self.plan === plan { return }
            self.plan = plan
            batch = plan.makeBatch(reserving: min(rows, 4_096))
        }
    }

    private static let keptPlans = 8

    let table: TableID
    private let options: SinkOptions
    private let tables: TableKeeper
    private var plans: [WritePlan] = []
    private var rows = Buffer()
    private var deletes = Buffer()

    init(_ table: TableID, _ options: SinkOptions, _ tables: TableKeeper) {
        self.table = table
        self.options = options
        self.tables = tables
    }

    /// Buffers a record, writing what has to be written before it.
    func add(_ record: SinkRecord, _ connection: any SQLConnection) throws {
        try options.check(record)
        if record.value.isNull {
            if !fits(deletes, record) { deletes.use(try plan(for: record, connection), reserving: options.batchSize) }
            try deletes.plan?.append(record, to: &deletes.batch, table)
        } else {
            if !deletes.batch.isEmpty { try flush() }
            if !fits(rows, record) { rows.use(try plan(for: record, connection), reserving: options.batchSize) }
            try rows.plan?.append(record, to: &rows.batch, table)
        }
        if rows.batch.count + deletes.batch.count >= options.batchSize { try flush() }
    }

    /// Writes what is buffered.
    func flush() throws(SQLError) {
        try rows.flush()
        try deletes.flush()
    }

    /// Drops what is buffered, after a rollback.
    func discard() {
        rows.batch.removeAll()
        deletes.batch.removeAll()
    }

    /// Frees the statements.
    func close() {
        for plan in plans { plan.close() }
        plans = []
        rows = Buffer()
        deletes = Buffer()
    }

    // MARK: plans

    private var keyMatters: Bool { options.keyMode == .recordKey }

    private func fits(_ buffer: Buffer, _ record: SinkRecord) -> Bool {
        buffer.plan?.fits(record, keyMatters: keyMatters) == true
    }

    /// The plan for a record whose schemas are others than those before it, which are written first.
    private func plan(for record: SinkRecord, _ connection: any SQLConnection) throws -> WritePlan {
        try flush()
        if let plan = plans.first(where: { $0.fits(record, keyMatters: keyMatters) }) { return plan }
        let plan = try WritePlan(for: record, table, options, tables, connection)
        if plans.count == Self.keptPlans { drop(plans.removeFirst()) }
        plans.append(plan)
        return plan
    }

    /// Frees a plan whose rows have been written.
    private func drop(_ plan: WritePlan) {
        plan.close()
        if rows.plan === plan { rows = Buffer() }
        if deletes.plan === plan { deletes = Buffer() }
    }
}
