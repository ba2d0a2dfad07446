import ConnectAPI
import Logging

/// Writes records into tables, one transaction per put.
final class SQLSinkTask: SinkTask {
    private var options: SinkOptions?
    private var context: (any SinkTaskContext)?
    private var logger = Logger(label: "sql-sink")
    private var connection: (any SQLConnection)?
    private var tables: TableKeeper?
    private var writers: [String: TableWriter] = [:]
    /// Keeps offsets with the rows, if the configuration says so.
    private var offsets: OffsetKeeper?
    private var inference = SchemaInference()
    private var retriesLeft = 0
    private var connectsLeft = 0
    /// Records of the batch in hand that are in the database, or with the dead letters, already.
    private var done: Set<RecordID> = []

    private struct RecordID: Hashable {
        let topic: String
        let partition: Int32
        let offset: Int64

        init(_ record: SinkRecord) {
            topic = record.topic
            partition = record.partition
            offset = record.offset
        }
    }

    init() {}

    func start(_ config: [String: String], context: any SinkTaskContext) async throws {
        let options = try SinkOptions(config)
        self.options = options
        self.context = context
        logger = context.logger
        tables = TableKeeper(options, context.logger)
        offsets = options.offsetsTable.map {
            OffsetKeeper($0, connector: context.connectorName, options.database.dialect)
        }
        resetRetries(options)
    }

    func stop() async {
        disconnect()
    }

    /// Goes on where the rows in the database end, whatever the consumer group has committed: that may be less, after a
    /// crash, or more, after a backup was restored.
    func open(_ partitions: [TopicPartitionName]) async throws {
        guard let options, let context, let offsets, !partitions.isEmpty else { return }
        do throws(SQLError) {
            let connection = try open(options)
            let wanted = Set(partitions)
            try offsets.prepare(wanted, connection)
            try connection.begin()
            let stored = try offsets.lock(wanted, connection)
            try connection.commit()
            context.seek(to: stored)
        } catch {
            // Records that are in the database are left out all the same once it is back.
            logger.warning(
                "The stored offsets could not be read", metadata: ["error": "\(describe(error, options).message)"])
            disconnect()
        }
    }

    func put(_ records: [SinkRecord]) async throws {
        guard !records.isEmpty, let options, let context else { return }
        do {
            if done.isEmpty {
                try writeTwice(records[...], options)
            } else {
                try await writeOneByOne(records.filter { !done.contains(RecordID($0)) }[...], options, context)
            }
        } catch let error where Self.isTemporary(error) {
            throw retry(after: error, options, context)
        } catch {
            let error = describe(error, options)
            guard context.errantRecordReporter != nil else { throw ConnectError.fatal(error.message) }
            logger.warning(
                "Records could not be written together; bad ones are sought",
                metadata: ["records": "\(records.count)", "error": "\(error.message)"])
            do {
                try await writeOneByOne(records[...], options, context)
            } catch let error where Self.isTemporary(error) {
                throw retry(after: error, options, context)
            }
        }
        done = []
        resetRetries(options)
    }

    // MARK: writing

    /// Writes the records, and once more with fresh knowledge of the tables if the database knows better.
    private func writeTwice(_ records: ArraySlice<SinkRecord>, _ options: SinkOptions) throws {
        do {
            try write(records, options)
        } catch let error as SQLError where error.kind == .tableMissing || error.kind == .other {
            forget()
            try write(records, options)
        }
    }

    /// Writes the records in one transaction (DDL ends one and begins another).
    private func write(_ records: ArraySlice<SinkRecord>, _ options: SinkOptions) throws {
        let connection = try open(options)
        let transaction = SinkTransaction(connection, offsets, records) { [self] () throws(SQLError) in
            for writer in writers.values { try writer.flush() }
        }
        do {
            try transaction.begin()
            tables?.transaction = transaction
            var topic: String?
            var writer: TableWriter?
            for record in records where !transaction.holds(record) {
                if topic != record.topic {
                    writer = try self.writer(for: record, options)
                    topic = record.topic
                }
                guard let writer else { continue }
                if Self.hasSchemas(record) {
                    try writer.add(record, connection)
                } else {
                    try writer.add(withSchema(record, writer.table, connection), connection)
                }
                transaction.note(record)
            }
            try transaction.commit()
        } catch {
            for writer in writers.values { writer.discard() }
            connection.rollback()
            throw error
        }
    }

    private static func hasSchemas(_ record: SinkRecord) -> Bool {
        (record.valueSchema != nil || record.value.isNull) && (record.keySchema != nil || record.key.isNull)
    }

    private func withSchema(
        _ record: SinkRecord, _ table: TableID, _ connection: any SQLConnection
    ) throws -> SinkRecord {
        let tables = tables
        return try inference.apply(to: record) { try tables?.has($0, in: table, connection) ?? false }
    }

    /// Writes the records in halves of halves until the bad ones stand alone, and hands those to the reporter.
    private func writeOneByOne(
        _ records: ArraySlice<SinkRecord>, _ options: SinkOptions, _ context: any SinkTaskContext
    ) async throws {
        guard !records.isEmpty else { return }
        do {
            try writeTwice(records, options)
        } catch let error where Self.isTemporary(error) {
            throw error
        } catch {
            guard records.count == 1, let record = records.first else {
                let middle = records.startIndex + records.count / 2
                try await writeOneByOne(records[..<middle], options, context)
                try await writeOneByOne(records[middle...], options, context)
                return
            }
            let failure = ConnectError.data(describe(error, options).message)
            guard let reporter = context.errantRecordReporter else { throw failure }
            try await reporter.report(record, error: failure)
        }
        for record in records { done.insert(RecordID(record)) }
    }

    private func writer(for record: SinkRecord, _ options: SinkOptions) throws -> TableWriter {
        if let writer = writers[record.topic] { return writer }
        guard let table = options.table(for: record.topic), let tables else {
            throw ConnectError.data("Topic \(record.topic) gives no table's name with table.name.format")
        }
        let writer = TableWriter(table, options, tables)
        writers[record.topic] = writer
        return writer
    }

    // MARK: connection

    private func open(_ options: SinkOptions) throws(SQLError) -> any SQLConnection {
        if let connection { return connection }
        let connection = try options.database.connect()
        self.connection = connection
        connectsLeft = options.database.attempts
        return connection
    }

    private func forget() {
        for writer in writers.values { writer.close() }
        offsets?.forget()
        writers = [:]
        tables?.forget()
    }

    private func disconnect() {
        forget()
        connection?.close()
        connection = nil
    }

    // MARK: errors

    private static func isTemporary(_ error: any Error) -> Bool {
        (error as? SQLError)?.isRetriable == true
    }

    private func resetRetries(_ options: SinkOptions) {
        retriesLeft = options.maxRetries
        connectsLeft = options.database.attempts
    }

    /// What to throw for an error that may go away.
    private func retry(after error: any Error, _ options: SinkOptions, _ context: any SinkTaskContext) -> ConnectError {
        let wasConnected = connection != nil
        disconnect()
        let message = describe(error, options).message
        // Opening has tries of its own (connection.attempts) within each retry of the write.
        if !wasConnected, connectsLeft > 1 {
            connectsLeft -= 1
            context.requestRetry(after: options.database.backoff)
            return .retriable(message)
        }
        guard retriesLeft > 0 else {
            return .fatal("\(message). Tried \(options.maxRetries + 1) times (max.retries)")
        }
        retriesLeft -= 1
        connectsLeft = options.database.attempts
        context.requestRetry(after: options.retryBackoff)
        return .retriable(message)
    }

    private func describe(_ error: any Error, _ options: SinkOptions) -> ConnectError {
        switch error {
        case let error as ConnectError: return error
        case let error as SQLError:
            let tables = Set(writers.values.map(\.table.qualifiedName)).sorted().joined(separator: ", ")
            let text = options.trimsErrors ? "SQLState \(error.sqlState), code \(error.code)" : error.description
            let place = tables.isEmpty ? options.database.description : "\(tables) of \(options.database.description)"
            return .data("Error while writing to \(place): \(text)")
        default: return .fatal("\(error)")
        }
    }
}
