import ConnectAPI
import Logging
import Synchronization

/// Watches which tables a source reads. The list is read at once and then every `table.poll.interval.ms`; while no
/// table matches (or the database is away) it is read every second unless the user has chosen the interval.
final class TableMonitor: Sendable {
    private struct State {
        var tables: [TableID]?
        /// Whether tasks were planned without a list.
        var wasMissed = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var task: Task<Void, Never>?
    }

    private static let impatientInterval: Duration = .seconds(1)

    private let options: SourceOptions
    private let context: any ConnectorContext
    private let state = Mutex(State())

    init(_ options: SourceOptions, _ context: any ConnectorContext) {
        self.options = options
        self.context = context
    }

    func start() {
        let task = Task { await self.run() }
        state.withLock { $0.task = task }
    }

    func stop() {
        let (task, waiters) = state.withLock { state in
            defer { state.waiters = [] }
            return (state.task, state.waiters)
        }
        task?.cancel()
        for waiter in waiters { waiter.resume() }
    }

    /// The list, waiting for the first one; nil if there is none within the limit.
    func tables() async -> [TableID]? {
        let limit = options.startupLimit
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.wake()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { continuation in
            let isKnown = state.withLock { state in
                if state.tables == nil { state.waiters.append(continuation) }
                return state.tables != nil
            }
            if isKnown { continuation.resume() }
        }
        return state.withLock { state in
            state.wasMissed = state.tables == nil
            return state.tables
        }
    }

    private func wake() {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func run() async {
        while !Task.isCancelled {
            await read()
            let isWaiting = state.withLock { $0.tables?.isEmpty ?? true }
            let interval =
                isWaiting && !options.hasTablePollInterval
                ? min(Self.impatientInterval, options.tablePollInterval) : options.tablePollInterval
            try? await Task.sleep(for: interval)
        }
    }

    private func read() async {
        let options = options
        do {
            let tables = try await Blocking.run { try Self.list(options) }
            let (isChanged, isLate) = state.withLock { state in
                let result = (state.tables != tables, state.tables != nil || state.wasMissed)
                state.tables = tables
                return result
            }
            wake()
            guard isChanged else { return }
            context.logger.info(
                "The list of tables has changed",
                metadata: ["tables": "\(tables.map(\.qualifiedName).joined(separator: ","))"])
            if isLate { context.requestTaskReconfiguration() }
        } catch {
            // A database that is away comes back: the list is kept, and read again at the next interval.
            context.logger.warning(
                "The list of tables could not be read; it is tried again",
                metadata: ["database": "\(options.database.description)", "error": "\(error)"])
        }
    }

    private static func list(_ options: SourceOptions) throws(SQLError) -> [TableID] {
        let connection = try options.database.connect()
        defer { connection.close() }
        return try options.database.dialect
            .tables(on: connection, catalog: options.catalog, schema: options.schema, types: options.tableTypes)
            .filter { options.filter.accepts($0) }
    }
}
