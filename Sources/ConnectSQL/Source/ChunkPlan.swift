import ConnectAPI
import OrderedCollections

/// A range of a table's growing column that one task reads.
struct TableChunk: Sendable, Hashable {
    /// The value before the first.
    let after: Int64
    /// The last value.
    let through: Int64
}

/// How the rows that a table has when it is first read are divided among tasks (`incrementing.parallel.read`).
///
/// The plan is part of the table's offset, so that after a restart, with however many tasks, the same ranges go on where
/// each of them was. Rows past the plan are read by the table's own task, as ever.
struct ChunkPlan: Sendable, Hashable {
    /// Ranges per task: some have fewer rows than others.
    private static let chunksPerTask = 8
    /// Bounds what a stored or configured plan may ask for.
    static let limit: Int64 = 10_000

    let after: Int64
    let through: Int64
    let count: Int64

    /// Divides what lies between the least and the greatest value.
    init?(least: Int64, greatest: Int64, tasks: Int) {
        // Smaller values have never been read by this mode.
        let after = max(least, 0) - 1
        // What is left out is past the plan, which needs room to count.
        self.init(after: after, through: min(greatest, .max - 1), count: Int64(clamping: tasks * Self.chunksPerTask))
    }

    private init?(after: Int64, through: Int64, count: Int64) {
        guard after >= -1, through > after, count > 0, count <= Self.limit else { return nil }
        self.after = after
        self.through = through
        self.count = min(count, through - after)
    }

    /// The plan of a stored offset.
    init?(_ offset: OffsetMap) {
        guard let after = offset["chunks_after"]?.integer, let through = offset["chunks_through"]?.integer,
            let count = offset["chunks"]?.integer
        else { return nil }
        self.init(after: after, through: through, count: count)
    }

    /// Reads ``text``.
    init?(_ text: some StringProtocol) {
        let numbers = text.split(separator: "/").map { Int64($0) }
        guard numbers.count == 3, let after = numbers[0], let through = numbers[1], let count = numbers[2] else {
            return nil
        }
        self.init(after: after, through: through, count: count)
    }

    /// The plan in a task's configuration.
    var text: String { "\(after)/\(through)/\(count)" }

    /// The ranges in order; the first ones may be longer by one.
    var chunks: [TableChunk] {
        let (size, larger) = (through - after).quotientAndRemainder(dividingBy: count)
        var start = after
        return (0..<count).map { index in
            let end = start + size + (index < larger ? 1 : 0)
            defer { start = end }
            return TableChunk(after: start, through: end)
        }
    }

    /// Adds the plan to the table's offset.
    func add(to offset: inout OffsetMap) {
        offset["chunks_after"] = .int64(after)
        offset["chunks_through"] = .int64(through)
        offset["chunks"] = .int64(count)
    }
}

/// What a task is told of tables that are read in parallel.
struct ChunkAssignment: Sendable {
    /// The table and its plan.
    struct Table: Sendable, Hashable {
        let id: TableID
        let plan: ChunkPlan
    }

    var tables: [Table]
    /// This task's number, and how many tasks there are.
    var task = 0
    var tasks = 1

    /// The options of a task, beside `tables`.
    var properties: [(String, String)] {
        tables.isEmpty
            ? []
            : [
                ("chunked.tables", tables.map { IdentifierQuoting().quoted($0.id) }.joined(separator: ",")),
                ("chunked.plans", tables.map(\.plan.text).joined(separator: ",")), ("chunked.task", "\(task)/\(tasks)"),
            ]
    }

    /// Reads what ``properties`` has written; nil if there is nothing.
    init?(_ config: [String: String], _ tables: [SourceTarget]) throws(ConnectError) {
        guard let plans = config["chunked.plans"] else { return nil }
        let parsed = plans.split(separator: ",").map { ChunkPlan($0) }
        let place = (config["chunked.task"] ?? "").split(separator: "/").map { Int($0) }
        guard parsed.count == tables.count, place.count == 2, let task = place[0], let tasks = place[1], tasks > 0
        else {
            throw .config("chunked.plans, chunked.tables and chunked.task do not fit each other")
        }
        self.tables = []
        self.task = task
        self.tasks = tasks
        for (target, plan) in zip(tables, parsed) {
            guard case .table(let id) = target, let plan else {
                throw .config("chunked.plans holds what is no plan: \(plans)")
            }
            self.tables.append(Table(id: id, plan: plan))
        }
    }

    init(_ tables: [Table] = []) {
        self.tables = tables
    }

    /// The ranges that this task reads.
    func chunks(of table: Table) -> [TableChunk] {
        table.plan.chunks.enumerated().filter { $0.offset % tasks == task }.map(\.element)
    }
}

extension ChunkAssignment {
    /// The plans of tables: those that are stored, and new ones for tables that nothing is stored of. Tables whose ranges
    /// have all been read are left out.
    static func plans(
        of tables: [TableID], _ options: SourceOptions, tasks: Int, reader: any OffsetReader
    ) async throws -> [Table] {
        var plans: [Table] = []
        for table in tables {
            let target = SourceTarget.table(table)
            let partitions = SourceOffset.partitions(target)
            let stored = try await reader.offsets(for: partitions)
            if let offset = partitions.lazy.compactMap({ stored[$0] }).first {
                guard let plan = ChunkPlan(offset) else { continue }
                let chunks = plan.chunks
                let progress = try await reader.offsets(for: chunks.map { SourceOffset.partition(target, $0) })
                let isDone = chunks.allSatisfy { chunk in
                    let offset = progress[SourceOffset.partition(target, chunk)]
                    return (offset?["incrementing"]?.integer ?? .min) >= chunk.through
                }
                if !isDone { plans.append(Table(id: table, plan: plan)) }
            } else if options.readsInParallel {
                let plan = try await Blocking.run { try Self.newPlan(table, options, tasks) }
                if let plan { plans.append(Table(id: table, plan: plan)) }
            }
        }
        return plans
    }

    /// Divides what the table has now; nil if that is nothing, or there is no such table (yet).
    private static func newPlan(_ table: TableID, _ options: SourceOptions, _ tasks: Int) throws -> ChunkPlan? {
        let dialect = options.database.dialect
        let connection = try options.database.connect()
        defer { connection.close() }
        guard let definition = try dialect.definition(of: table, on: connection),
            let column = try SourceCriteria(
                options.mode(for: table), definition, validatesNonNull: options.validatesNonNull
            ).incrementing
        else { return nil }
        let name = dialect.quoting.quoted(column)
        let rows = try connection.rows("SELECT MIN(\(name)), MAX(\(name)) FROM \(dialect.quoting.quoted(table))")
        guard let row = rows.first, row.count == 2, let least = row[0].flatMap({ Int64($0) }),
            let greatest = row[1].flatMap({ Int64($0) })
        else { return nil }
        return ChunkPlan(least: least, greatest: greatest, tasks: tasks)
    }
}
