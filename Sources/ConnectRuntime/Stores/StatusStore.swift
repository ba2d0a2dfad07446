import Logging
import NIOConcurrencyHelpers
import NIOCore

/// What connectors and tasks are doing, in the status topic. A new state is seen at once by this worker and written
/// in the background, in order: a slow or absent broker never holds up a connector.
final class StatusStore: Sendable {
    private struct Contents {
        var connectors: [String: StatusRecord.State] = [:]
        var tasks: [TaskID: StatusRecord.State] = [:]
        /// By connector, then topic.
        var topics: [String: [String: StatusRecord.Topic]] = [:]

        /// A former owner's last word may come after the new owner's first.
        func isStale(_ record: StatusRecord) -> Bool {
            guard case .task(let id, let state?) = record, state.state == .unassigned, let known = tasks[id] else {
                return false
            }
            return known.state == .running && known.workerID != state.workerID && known.generation >= state.generation
        }

        /// Another worker has written in a later generation, though this worker's own last word is still on its way.
        func isOvertaken(by record: StatusRecord) -> Bool {
            let states: (StatusRecord.State?, StatusRecord.State?) =
                switch record {
                case .connector(let name, let state): (connectors[name], state)
                case .task(let id, let state): (tasks[id], state)
                case .topic, .topicRemoved: (nil, nil)
                }
            guard let known = states.0, let new = states.1 else { return false }
            return new.workerID != known.workerID && new.generation > known.generation
        }

        mutating func apply(_ record: StatusRecord) {
            switch record {
            case .connector(let name, let state): connectors[name] = state
            case .task(let id, let state): tasks[id] = state
            case .topic(let topic): topics[topic.connector, default: [:]][topic.name] = topic
            case .topicRemoved(let name, let connector):
                topics[connector]?[name] = nil
                if topics[connector]?.isEmpty == true { topics[connector] = nil }
            }
        }
    }

    /// What this worker has written itself: older records of the same keys, its own or others', are still to be read.
    private struct OwnWrites {
        private var pending: [ByteBuffer: Int] = [:]
        private var written: [ByteBuffer: LogPosition] = [:]

        mutating func begin(_ key: ByteBuffer) { pending[key, default: 0] += 1 }

        mutating func end(_ key: ByteBuffer, _ position: LogPosition?) {
            let left = (pending[key] ?? 1) - 1
            pending[key] = left > 0 ? left : nil
            if let position { written[key] = position }
        }

        mutating func isNews(_ key: ByteBuffer, _ position: LogPosition) -> Bool {
            if pending[key] != nil { return false }
            guard let last = written[key], last.partition == position.partition else { return true }
            if position.offset >= last.offset { written[key] = nil }
            return position.offset > last.offset
        }
    }

    private let log: any TopicLog
    private let logger: Logger
    private let contents = NIOLockedValueBox(Contents())
    private let own = NIOLockedValueBox(OwnWrites())
    private let queue: AsyncStream<LogEntry>
    private let writes: AsyncStream<LogEntry>.Continuation
    private let writer = NIOLockedValueBox<Task<Void, Never>?>(nil)

    init(log: any TopicLog, logger: Logger) {
        self.log = log
        self.logger = logger
        (queue, writes) = AsyncStream.makeStream()
    }

    /// Reads what is stored and begins to write.
    func start() async throws {
        try await log.open { [contents, own] entry, position in
            guard let record = StatusRecord(entry) else { return }
            // What this worker has said since is newer than what it reads.
            let isNews = own.withLockedValue { $0.isNews(entry.key, position) }
            contents.withLockedValue { contents in
                if isNews ? !contents.isStale(record) : contents.isOvertaken(by: record) { contents.apply(record) }
            }
        }
        // A start that failed elsewhere is tried again; there is one writer.
        writer.withLockedValue { writer in
            if writer == nil { writer = Task { await write() } }
        }
    }

    /// Writes what is left and lets go.
    func stop() async {
        writes.finish()
        await writer.withLockedValue { $0 }?.value
        await log.close()
    }

    func put(_ record: StatusRecord) {
        contents.withLockedValue { $0.apply(record) }
        let entry = record.entry
        if log.isFollowed { own.withLockedValue { $0.begin(entry.key) } }
        writes.yield(entry)
    }

    /// Writes a state unless another worker has said something in a later generation (Connect's safe write).
    func putSafely(_ record: StatusRecord) {
        let known: StatusRecord.State?
        let new: StatusRecord.State?
        switch record {
        case .connector(let name, let state): (known, new) = (connector(name), state)
        case .task(let id, let state): (known, new) = (task(id), state)
        case .topic, .topicRemoved: (known, new) = (nil, nil)
        }
        if let known, let new, known.workerID != new.workerID, known.generation > new.generation { return }
        put(record)
    }

    func readToEnd(within timeout: Duration) async throws { try await log.readToEnd(.settled, within: timeout) }

    func connector(_ name: String) -> StatusRecord.State? { contents.withLockedValue { $0.connectors[name] } }

    func task(_ id: TaskID) -> StatusRecord.State? { contents.withLockedValue { $0.tasks[id] } }

    /// The tasks of a connector that have a state, by number.
    func tasks(of connector: String) -> [(id: Int, state: StatusRecord.State)] {
        contents.withLockedValue { contents in
            contents.tasks.filter { $0.key.connector == connector }.map { ($0.key.task, $0.value) }
        }.sorted { $0.0 < $1.0 }
    }

    /// All connectors that something is stored of.
    var connectorNames: Set<String> {
        contents.withLockedValue { contents in
            Set(contents.connectors.keys).union(contents.tasks.keys.map(\.connector)).union(contents.topics.keys)
        }
    }

    func topics(of connector: String) -> [String] {
        contents.withLockedValue { $0.topics[connector]?.keys.sorted() ?? [] }
    }

    /// Notes that a connector uses a topic; writes only the first time.
    func noteTopic(_ topic: StatusRecord.Topic) {
        let isNew = contents.withLockedValue { $0.topics[topic.connector]?[topic.name] == nil }
        if isNew { put(.topic(topic)) }
    }

    func removeTopics(of connector: String) {
        for topic in topics(of: connector) { put(.topicRemoved(name: topic, connector: connector)) }
    }

    /// Forgets a connector, its tasks and its topics.
    func removeAll(of connector: String) {
        removeTopics(of: connector)
        for task in tasks(of: connector) { put(.task(TaskID(connector: connector, task: task.id), nil)) }
        if self.connector(connector) != nil { put(.connector(connector, nil)) }
    }

    private func write() async {
        for await entry in queue {
            do {
                let positions = try await log.append([entry])
                if log.isFollowed { own.withLockedValue { $0.end(entry.key, positions.first) } }
            } catch {
                if log.isFollowed { own.withLockedValue { $0.end(entry.key, nil) } }
                logger.warning(
                    "a status could not be stored",
                    metadata: ["key": "\(String(buffer: entry.key))", "error": "\(error)"])
            }
        }
    }
}
