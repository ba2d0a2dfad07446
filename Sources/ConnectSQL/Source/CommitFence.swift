import ConnectAPI

/// Keeps a source from passing rows that are written but not committed yet (`late.commit.protection`).
///
/// Numbers and timestamps are given when a row is written; rows become visible when they are committed. So a row may
/// appear below what has been read already, and the JDBC connectors never see it. A fence says how far a read may go
/// without passing such a row.
protocol CommitFence: AnyObject {
    /// How far the growing column may be read after `last`, and at most up to `limit`; nil if there is nothing to read
    /// yet.
    func bound(after last: Int64, through limit: Int64, _ connection: any SQLConnection) throws(SQLError) -> FenceBound?
    /// The end (exclusive) of the timestamps that may be read, in local microseconds: `end`, or less.
    func end(
        from begin: Int64, to end: Int64, isInstant: Bool, _ connection: any SQLConnection
    ) throws(SQLError) -> Int64
    /// Closes what belongs to the connection, which has ended.
    func disconnect()
}

/// How far a read may go.
struct FenceBound: Sendable, Hashable {
    /// The greatest value that may be read.
    var value: Int64
    /// Whether nothing up to the limit was under way.
    var isComplete: Bool
}

/// MariaDB and MySQL: a second session reads uncommitted rows. What it sees and the first does not is under way.
final class DirtyReadFence: CommitFence {
    /// How many rows are compared one by one when the sums differ.
    private static let window = 10_000

    private let connect: () throws(SQLError) -> any SQLConnection
    private let table: String
    private let column: String?
    private let time: String?
    private let dialect: any SQLDialect
    private var dirty: (any SQLConnection)?
    private var probe: (any SQLQuery)?

    init(
        _ table: TableID, _ criteria: SourceCriteria, _ dialect: any SQLDialect,
        connect: @escaping () throws(SQLError) -> any SQLConnection
    ) {
        self.connect = connect
        self.dialect = dialect
        self.table = dialect.quoting.quoted(table)
        column = criteria.incrementing.map { dialect.quoting.quoted($0) }
        time =
            criteria.timestamps.isEmpty
            ? nil : dialect.timestamp(of: criteria.timestamps.map { dialect.quoting.quoted($0) })
    }

    func bound(
        after last: Int64, through limit: Int64, _ connection: any SQLConnection
    ) throws(SQLError) -> FenceBound? {
        guard let column else { return nil }
        let dirty = try session()
        let seen = try probed(column, last, limit)
        guard let greatest = seen[0].flatMap({ Int64($0) }) else {
            return limit == .max ? nil : FenceBound(value: limit, isComplete: true)
        }
        let condition = "\(column) > \(last) AND \(column) <= \(greatest)"
        let committed = try connection.rows("SELECT COUNT(*), SUM(\(column)) FROM \(table) WHERE \(condition)").first
        if let committed, committed.count == 2, committed[0] == seen[1], committed[1] == seen[2] {
            return FenceBound(value: greatest, isComplete: true)
        }
        let list = "SELECT \(column) FROM \(table) WHERE \(condition) ORDER BY \(column) LIMIT \(Self.window)"
        let written = try Self.numbers(dirty, list)
        let visible = Set(try Self.numbers(connection, list))
        guard let hidden = written.firstIndex(where: { !visible.contains($0) }) else {
            return written.last.map { FenceBound(value: $0, isComplete: false) }
        }
        return hidden == 0 ? nil : FenceBound(value: written[hidden - 1], isComplete: false)
    }

    func end(
        from begin: Int64, to end: Int64, isInstant: Bool, _ connection: any SQLConnection
    ) throws(SQLError) -> Int64 {
        guard let time else { return end }
        let dirty = try session()
        let count = "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',\(time))"
        func range(_ end: Int64) -> String {
            "\(time) > \(literal(begin)) AND \(time) < \(literal(end))"
        }
        let sums = "SELECT COUNT(*), SUM(\(count)) FROM \(table) WHERE \(range(end))"
        let written = try dirty.rows(sums)
        // Nothing to read: an empty range costs the next statement nothing.
        if written.first?.first == "0" { return begin }
        if try connection.rows(sums) == written { return end }
        let list = "SELECT \(count) FROM \(table) WHERE \(range(end)) ORDER BY 1 LIMIT \(Self.window)"
        let times = try Self.numbers(dirty, list)
        var visible: [Int64: Int] = [:]
        for time in try Self.numbers(connection, list) { visible[time, default: 0] += 1 }
        for time in times {
            guard let left = visible[time], left > 0 else { return time }
            visible[time] = left - 1
        }
        // All that was compared is committed; the last moment may go on beyond it.
        return times.count < Self.window ? end : times.last ?? end
    }

    func disconnect() {
        dirty?.close()
        probe?.close()
        probe = nil
        dirty = nil
    }

    private func session() throws(SQLError) -> any SQLConnection {
        if let dirty { return dirty }
        let connection = try connect()
        try connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        dirty = connection
        return connection
    }

    /// Greatest value, count and sum of the rows past `last`. Asked often, so it stays prepared.
    private func probed(_ column: String, _ last: Int64, _ limit: Int64) throws(SQLError) -> [String?] {
        let query: any SQLQuery
        if let probe {
            query = probe
        } else {
            query = try session().prepareQuery(
                "SELECT MAX(\(column)), COUNT(*), SUM(\(column)) FROM \(table) WHERE \(column) > ? AND \(column) <= ?")
        }
        probe = query
        try query.execute([.integer(last), .integer(limit)])
        var rows: [[ConnectValue]] = []
        while try query.fetch([.string, .string, .string], limit: 1, into: &rows) {}
        return rows.first.map { $0.map { $0.stringValue } } ?? [nil, nil, nil]
    }

    private func literal(_ local: Int64) -> String {
        guard case .text(let text) = dialect.timestampParameter(local) else { return "NULL" }
        return "'\(text)'"
    }

    private static func numbers(_ connection: any SQLConnection, _ sql: String) throws(SQLError) -> [Int64] {
        try connection.rows(sql).compactMap { $0.first.flatMap { $0 }.flatMap { Int64($0) } }
    }
}

/// PostgreSQL: whoever writes a table holds a lock on it until he commits. What was there when the writers of that
/// moment have all ended is complete.
final class LockFence: CommitFence {
    /// How long a transaction that has written nothing may be open and still count as a writer to be. Its `now()` is
    /// its beginning.
    private static let patience = "60 seconds"

    private let table: TableID
    private let column: String?
    private let quoted: String
    private let literal: String
    /// What may be read once these transactions have ended.
    private var pending: (value: Int64, writers: Set<String>)?

    init(_ table: TableID, _ criteria: SourceCriteria, _ dialect: any SQLDialect) {
        self.table = table
        quoted = dialect.quoting.quoted(table)
        column = criteria.incrementing.map { dialect.quoting.quoted($0) }
        literal = dialect.literal(.string(quoted), of: .string) ?? "''"
    }

    func bound(
        after last: Int64, through limit: Int64, _ connection: any SQLConnection
    ) throws(SQLError) -> FenceBound? {
        guard let column else { return nil }
        guard limit == .max else {
            // A range that has its end already: complete once its writers have ended.
            return try passed(limit, writers(connection)).map { FenceBound(value: $0, isComplete: true) }
        }
        let rows = try connection.rows("SELECT max(\(column)) FROM \(quoted) WHERE \(column) > \(last)")
        guard let greatest = rows.first?.first.flatMap({ $0 }).flatMap({ Int64($0) }) else { return nil }
        return try passed(greatest, writers(connection)).map { FenceBound(value: $0, isComplete: true) }
    }

    func end(
        from begin: Int64, to end: Int64, isInstant: Bool, _ connection: any SQLConnection
    ) throws(SQLError) -> Int64 {
        let writers = try writers(connection)
        let passed = passed(end, writers) ?? begin
        let rows = try connection.rows(
            "SELECT (EXTRACT(EPOCH FROM clock_timestamp() - min(xact_start)) * 1000000)::bigint "
                + "FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                + "AND xact_start IS NOT NULL AND (backend_xid IS NOT NULL OR "
                + "xact_start > clock_timestamp() - interval '\(Self.patience)') AND backend_type = 'client backend'")
        guard let age = rows.first?.first.flatMap({ $0 }).flatMap({ Int64($0) }) else { return passed }
        return min(passed, end - age)
    }

    func disconnect() {
        pending = nil
    }

    /// The value, or the last one whose writers have ended; nil if they have not.
    private func passed(_ value: Int64, _ writers: Set<String>) -> Int64? {
        if writers.isEmpty {
            pending = nil
            return value
        }
        if let pending, pending.writers.isDisjoint(with: writers) {
            self.pending = (value, writers)
            return pending.value
        }
        if pending == nil { pending = (value, writers) }
        return nil
    }

    private func writers(_ connection: any SQLConnection) throws(SQLError) -> Set<String> {
        let rows = try connection.rows(
            "SELECT virtualtransaction FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND database = "
                + "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) "
                + "AND relation = to_regclass(\(literal)) AND granted AND pid <> pg_backend_pid() AND mode IN "
                + "('RowExclusiveLock','ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock')")
        return Set(rows.compactMap { $0.first.flatMap { $0 } })
    }
}
