import ConnectAPI

/// The offsets of an exactly-once sink: a table in the target database that is written in the rows' own transaction
/// (`delivery.guarantee=exactly_once`), so that rows and offsets are there together or not at all.
///
/// A transaction locks the offsets of its partitions first. So of two tasks that hold the same partition for a while
/// (the group gave it away while a batch was under way) the later one sees what the earlier one has written.
final class OffsetKeeper {
    private let table: TableID
    private let connector: String
    private let dialect: any SQLDialect
    /// Partitions that have a row.
    private var known: Set<TopicPartitionName> = []
    private var hasTable = false

    init(_ table: TableID, connector: String, _ dialect: any SQLDialect) {
        self.table = table
        self.connector = connector
        self.dialect = dialect
    }

    /// Sees to it that the table is there, with a row for each partition. Not within a transaction.
    func prepare(_ partitions: Set<TopicPartitionName>, _ connection: any SQLConnection) throws(SQLError) {
        let missing = partitions.subtracting(known)
        guard !missing.isEmpty else { return }
        if !hasTable { try makeTable(connection) }
        let stored = try read(missing, connection, locking: false)
        for partition in missing where stored[partition] == nil {
            do throws(SQLError) {
                try connection.execute(
                    "INSERT INTO \(name)(connector, topic, kafka_partition, next_offset) "
                        + "VALUES(\(text(connector)), \(text(partition.topic)), \(partition.partition), -1)")
            } catch {
                // Another task has made it meanwhile.
                guard error.kind == .data else { throw error }
            }
        }
        known.formUnion(missing)
    }

    /// The next offset of each partition, which no one else can change before the transaction ends. Partitions that
    /// nothing has been written of are left out.
    func lock(
        _ partitions: Set<TopicPartitionName>, _ connection: any SQLConnection
    ) throws(SQLError) -> [TopicPartitionName: Int64] {
        try read(partitions, connection, locking: dialect.locksRows).filter { $0.value >= 0 }
    }

    /// Writes the next offsets, within the transaction that has locked them.
    func store(_ offsets: [TopicPartitionName: Int64], _ connection: any SQLConnection) throws(SQLError) {
        for (partition, offset) in offsets {
            try connection.execute("UPDATE \(name) SET next_offset = \(offset) WHERE \(condition([partition]))")
        }
    }

    /// Forgets which rows there are, after an error or with the connection.
    func forget() {
        known = []
        hasTable = false
    }

    private func makeTable(_ connection: any SQLConnection) throws(SQLError) {
        let type = dialect.exactTextType
        let sql =
            "CREATE TABLE IF NOT EXISTS \(name)(connector \(type) NOT NULL, topic \(type) NOT NULL, "
            + "kafka_partition INT NOT NULL, next_offset BIGINT NOT NULL, "
            + "PRIMARY KEY(connector, topic, kafka_partition))"
        do throws(SQLError) {
            // Looked for first: whoever may not create tables may use one that was created for him.
            if try dialect.definition(of: table, on: connection) == nil { try connection.execute(sql) }
        } catch {
            // Two tasks that create it at once may fail in spite of IF NOT EXISTS.
            guard try dialect.definition(of: table, on: connection) != nil else { throw error }
        }
        hasTable = true
    }

    private func read(
        _ partitions: Set<TopicPartitionName>, _ connection: any SQLConnection, locking: Bool
    ) throws(SQLError) -> [TopicPartitionName: Int64] {
        guard !partitions.isEmpty else { return [:] }
        // In one order, so that tasks do not wait for each other crosswise.
        let rows = try connection.rows(
            "SELECT topic, kafka_partition, next_offset FROM \(name) WHERE \(condition(partitions)) "
                + "ORDER BY topic, kafka_partition" + (locking ? " FOR UPDATE" : ""))
        var offsets: [TopicPartitionName: Int64] = [:]
        for row in rows {
            guard row.count == 3, let topic = row[0], let partition = row[1].flatMap({ Int32($0) }),
                let offset = row[2].flatMap({ Int64($0) })
            else { throw SQLError(.other, "\(table.qualifiedName) holds a row that is no offset") }
            offsets[TopicPartitionName(topic: topic, partition: partition)] = offset
        }
        return offsets
    }

    private var name: String { dialect.quoting.quoted(table) }

    private func text(_ string: String) -> String {
        dialect.literal(.string(string), of: .string) ?? "''"
    }

    private func condition(_ partitions: Set<TopicPartitionName>) -> String {
        let parts = Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }.map { topic, partitions in
            let numbers = partitions.map(\.partition).sorted().map(String.init).joined(separator: ",")
            return "topic = \(text(topic)) AND kafka_partition IN (\(numbers))"
        }
        return "connector = \(text(connector)) AND (\(parts.joined(separator: " OR ")))"
    }
}

/// A sink's transaction: rows, and with ``OffsetKeeper`` the offsets that go with them.
final class SinkTransaction {
    private let connection: any SQLConnection
    private let offsets: OffsetKeeper?
    private let partitions: Set<TopicPartitionName>
    /// Writes what is buffered.
    private let flush: () throws(SQLError) -> Void
    private var stored: [TopicPartitionName: Int64] = [:]
    private var progress: [TopicPartitionName: Int64] = [:]

    init(
        _ connection: any SQLConnection, _ offsets: OffsetKeeper?, _ records: ArraySlice<SinkRecord>,
        flush: @escaping () throws(SQLError) -> Void
    ) {
        self.connection = connection
        self.offsets = offsets
        self.flush = flush
        partitions = offsets == nil ? [] : Set(records.map { Self.partition($0) })
    }

    func begin() throws(SQLError) {
        try offsets?.prepare(partitions, connection)
        try connection.begin()
        if let offsets { stored = try offsets.lock(partitions, connection) }
    }

    /// Whether a record is in the database already.
    func holds(_ record: SinkRecord) -> Bool {
        guard offsets != nil, let next = stored[Self.partition(record)] else { return false }
        return record.offset < next
    }

    /// Counts a record that has been buffered.
    func note(_ record: SinkRecord) {
        if offsets != nil { progress[Self.partition(record)] = record.offset + 1 }
    }

    func commit() throws(SQLError) {
        try flush()
        try offsets?.store(progress, connection)
        try connection.commit()
    }

    /// Ends the transaction, runs `body` (DDL, which would end it anyway), and begins the next one.
    func interrupted(_ body: () throws(SQLError) -> Void) throws(SQLError) {
        if offsets != nil { try flush() }
        try offsets?.store(progress, connection)
        try connection.commit()
        do throws(SQLError) {
            try body()
        } catch {
            try resume()
            throw error
        }
        try resume()
    }

    private func resume() throws(SQLError) {
        try connection.begin()
        guard let offsets else { return }
        let fresh = try offsets.lock(partitions, connection)
        for (partition, next) in progress where fresh[partition] != next {
            throw SQLError(.transient, sqlState: "40001", "another task has written records of \(partition)")
        }
        progress = [:]
        stored = fresh
    }

    private static func partition(_ record: SinkRecord) -> TopicPartitionName {
        TopicPartitionName(topic: record.originalTopic, partition: record.partition)
    }
}
