#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

import ConnectAPI
import Logging

/// Reads the tables of one task (or the one query), one after the other, over one connection.
///
/// A round reads every table to its end. When the user has not chosen `poll.interval.ms`, rounds follow each other as
/// fast as probing stays cheap: never faster than `poll.interval.min.ms`, and never so fast that probing takes more
/// than a twenty-fifth of the time.
final class SQLSourceTask: SourceTask {
    private static let probeShare = 25
    /// The longest wait that blocks the task's thread, and with it a stop.
    private static let longestBlock: Duration = .milliseconds(25)
    /// How long a poll waits at most before it returns empty-handed, so that the runtime sees a live task.
    private static let longestWait: Duration = .seconds(1)
    private static let firstBackoff: Duration = .milliseconds(100)

    private var options: SourceOptions?
    private var logger = Logger(label: "sql-source")
    private var readers: [SourceReader] = []
    /// What is to be stored before anything is read.
    private var announcements: [SourceBatch] = []
    private var connection: (any SQLConnection)?
    /// Tables that the running round has still to read.
    private var pending: [Int] = []
    private var nextRound = ContinuousClock.now
    private var roundStart = ContinuousClock.now
    private var roundHadRows = false
    /// The database's change counter when the last round began.
    private var changes: Int64?
    private var failures = 0
    private var failingSince: ContinuousClock.Instant?
    private var hasRead = false
    /// How long the task keeps to itself that the database cannot be read.
    private static let patience = Duration.seconds(5)

    init() {}

    // MARK: life

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        logger = context.logger
        let options = try SourceOptions(config)
        self.options = options
        guard config["tables.fetched"] != "false" else { return }
        let targets = try options.query.map { [.query($0)] } ?? Self.tables(config["tables"] ?? "", options)
        let chunks = try ChunkAssignment(config, Self.tables(config["chunked.tables"] ?? "", options))
        guard !targets.isEmpty || chunks != nil else {
            throw ConnectError.config(
                "No table of \(options.database.description) matches table.whitelist, table.blacklist and table.types. "
                    + "The task starts by itself once there is one")
        }
        let partitions = targets.flatMap { SourceOffset.partitions($0) }
        let stored = options.mode == .bulk ? [:] : try await context.offsets(for: partitions)
        readers = targets.map { target in
            let offset = SourceOffset.partitions(target).lazy.compactMap { stored[$0] }.first
            let plan = chunks?.tables.first { .table($0.id) == target }?.plan
            let reader = SourceReader(
                target, options, offset: offset.map { SourcePosition($0) },
                plan: offset.flatMap { ChunkPlan($0) } ?? plan)
            if offset == nil, plan != nil {
                // The plan is stored before any range has been read.
                announcements.append(
                    SourceBatch(records: [], sourcePartition: reader.partition, sourceOffset: reader.offset))
            }
            return reader
        }
        if let chunks { try await addReaders(of: chunks, options, context) }
    }

    private func addReaders(
        of chunks: ChunkAssignment, _ options: SourceOptions, _ context: any SourceTaskContext
    ) async throws {
        for table in chunks.tables {
            let target = SourceTarget.table(table.id)
            let own = chunks.chunks(of: table)
            let stored = try await context.offsets(for: own.map { SourceOffset.partition(target, $0) })
            readers += own.map { chunk in
                let offset = stored[SourceOffset.partition(target, chunk)]
                return SourceReader(target, options, offset: offset.map { SourcePosition($0) }, chunk: chunk)
            }
        }
    }

    func stop() async {
        disconnect()
    }

    private func disconnect() {
        // First the connection: statements closed before it would read an open result to its end.
        connection?.close()
        for reader in readers { reader.disconnect() }
        connection = nil
        pending = []
    }

    // MARK: polling

    func poll() async throws -> [SourceBatch] {
        guard let options, !readers.isEmpty else {
            try await Task.sleep(for: Self.longestWait)
            return []
        }
        if !announcements.isEmpty {
            defer { announcements = [] }
            return announcements
        }
        let deadline = ContinuousClock.now + Self.longestWait
        while true {
            if pending.isEmpty {
                let now = ContinuousClock.now
                guard now < deadline else { return [] }
                if now < nextRound {
                    try await Self.rest(min(nextRound, deadline) - now)
                    if ContinuousClock.now < nextRound { continue }
                }
            }
            var batches: [SourceBatch] = []
            do {
                repeat {
                    if let batch = try step(options) { batches.append(batch) }
                    (failures, failingSince, hasRead) = (0, nil, true)
                } while batches.count < options.batchesPerPoll && isWithinTable
            } catch let error as SQLError {
                try recover(from: error, options, isEmptyHanded: batches.isEmpty)
                return batches
            }
            if !batches.isEmpty { return batches }
        }
    }

    /// Whether the table that is read has more rows at hand.
    private var isWithinTable: Bool { pending.first.map { readers[$0].isReading } ?? false }

    /// Waits. The task has its thread to itself, and to sleep on it wakes one thread where a timer wakes three: with a
    /// hundred probes a second that is most of what an idle source costs.
    private static func rest(_ duration: Duration) async throws {
        guard duration <= longestBlock else { return try await Task.sleep(for: duration) }
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
        try Task.checkCancellation()
    }

    /// Reads one batch of one table, or ends a round.
    private func step(_ options: SourceOptions) throws -> SourceBatch? {
        let connection = try self.connection ?? options.database.connect()
        self.connection = connection
        if pending.isEmpty, try !beginRound(connection, options) { return nil }
        guard let index = pending.first else { return nil }
        let reader = readers[index]
        do {
            if !reader.isReading { try reader.open(connection) }
            let rows = try reader.read()
            if !rows.hasMore { pending.removeFirst() }
            if reader.isDone { reader.disconnect() }
            if pending.isEmpty { endRound(options) }
            guard !rows.isEmpty || rows.position != nil else { return nil }
            roundHadRows = true
            return batch(rows, of: reader, options)
        } catch let error as SQLError where error.kind == .tableMissing {
            if !reader.isMissing {
                logger.warning(
                    "A table does not exist; it is read once it does",
                    metadata: ["table": "\(reader.target.description)"])
            }
            reader.disconnect()
            reader.isMissing = true
            pending.removeFirst()
            if pending.isEmpty { endRound(options) }
            return nil
        }
    }

    private func batch(_ rows: SourceReader.Rows, of reader: SourceReader, _ options: SourceOptions) -> SourceBatch {
        let isBulk = options.mode == .bulk
        let partition = isBulk ? SourceOffset.bulkPartition(reader.target) : reader.partition
        let offset = isBulk || rows.position == nil ? nil : reader.offset
        if let packed = rows.packed {
            return SourceBatch(rows: packed, sourcePartition: partition, sourceOffset: offset, clearsOffset: isBulk)
        }
        return SourceBatch(
            records: rows.records, sourcePartition: partition, sourceOffset: offset, clearsOffset: isBulk)
    }

    // MARK: rounds

    /// - Returns: false if the database says that nothing has changed.
    private func beginRound(_ connection: any SQLConnection, _ options: SourceOptions) throws(SQLError) -> Bool {
        roundStart = .now
        roundHadRows = false
        // Where a clock bounds the read, rows come into reach without a change.
        if options.mode != .bulk, !options.usesTimestamps, let counter = try connection.changeCounter() {
            if counter == changes {
                endRound(options)
                return false
            }
            changes = counter
        }
        pending = readers.indices.filter { !readers[$0].isDone }
        if pending.isEmpty { endRound(options) }
        return !pending.isEmpty
    }

    private func endRound(_ options: SourceOptions) {
        let now = ContinuousClock.now
        guard let shortest = options.probeInterval, options.mode != .bulk else {
            nextRound = now + options.pollInterval
            return
        }
        let cost = roundHadRows ? .zero : (now - roundStart) * Self.probeShare
        nextRound = now + min(max(shortest, cost), options.pollInterval)
    }

    // MARK: errors

    /// Puts the next try off, or gives up. Rows handed on before stay handed on; a reader goes on after them.
    ///
    /// What goes on for long, or from the start, is thrown, so that the runtime tries again and then says in the status
    /// what is wrong; but not with rows at hand, which would be lost.
    private func recover(from error: SQLError, _ options: SourceOptions, isEmptyHanded: Bool) throws {
        let target = pending.first.map { readers[$0].target.description }
        let place = target.map { "reading \($0) of" } ?? "connecting to"
        let text = "Error while \(place) \(options.database.description): \(options.text(of: error))"
        guard error.isRetriable else { throw ConnectError.fatal(text, cause: nil) }
        failures += 1
        if options.retryAttempts > 0, failures >= options.retryAttempts {
            throw ConnectError.fatal("\(text). Tried \(failures) times (query.retry.attempts)")
        }
        disconnect()
        changes = nil
        let since = failingSince ?? .now
        failingSince = since
        if isEmptyHanded, !hasRead || .now - since > Self.patience { throw ConnectError.retriable(text) }
        let factor = 1 << min(failures - 1, 16)
        let delay = min(Self.firstBackoff * factor, max(options.database.backoff, Self.firstBackoff))
        nextRound = .now + delay
        logger.warning(
            "The database could not be read; it is tried again",
            metadata: ["error": "\(text)", "attempt": "\(failures)", "delay": "\(delay)"])
    }

    private static func tables(_ list: String, _ options: SourceOptions) throws(ConnectError) -> [SourceTarget] {
        var tables: [SourceTarget] = []
        for name in split(list) {
            guard let parts = IdentifierText.split(name), let table = options.database.dialect.table(parts: parts)
            else {
                throw .config("tables holds a name that is no table's: \(name)")
            }
            tables.append(.table(table))
        }
        return tables
    }

    /// Splits at commas outside of quotes.
    private static func split(_ list: String) -> [String] {
        var names: [String] = []
        var current = ""
        var quote: Character?
        for character in list {
            if character == quote {
                quote = nil
            } else if quote == nil, character == "`" || character == "\"" {
                quote = character
            }
            if character == ",", quote == nil {
                names.append(current)
                current = ""
            } else {
                current.append(character)
            }
        }
        names.append(current)
        return names.filter { !$0.isEmpty }
    }
}
