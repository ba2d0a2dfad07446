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
            guard let state = record.state, state.state == .unassigned, let known = known(record) else { return false }
            return known.state == .running && known.workerID != state.workerID && known.generation >= state.generation
        }

        /// Another worker has written in a later generation, though this worker's own last word is still on its way.
        func isOvertaken(by record: StatusRecord) -> Bool {
            guard let known = known(record), let new = record.state else { return false }
            return new.workerID != known.workerID && new.generation > known.generation
        }

        /// What is known of the part that a record is about.
        func known(_ record: StatusRecord) -> StatusRecord.State? {
            switch record {
            case .connector(let name, _): connectors[name]
            case .task(let id, _): tasks[id]
            case .topic, .topicRemoved: nil
            }
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
        /// The last word about each part that this worker runs.
        private var held: [ByteBuffer: StatusRecord] = [:]
        private var pending: [ByteBuffer: Int] = [:]
        private var written: [ByteBuffer: LogPosition] = [:]

        mutating func begin(_ key: ByteBuffer) { pending[key, default: 0] += 1 }

        mutating func hold(_ record: StatusRecord, _ key: ByteBuffer) {
            let isAtWork = record.state.map { [.running, .paused, .failed].contains($0.state) } ?? false
            held[key] = isAtWork ? record : nil
        }

        /// What is to be said again after a former owner's word, for the last word about a key stays in the topic. A
        /// worker that stood still speaks for a generation that is over.
        func answer(to record: StatusRecord, _ key: ByteBuffer) -> StatusRecord? {
            guard let own = held[key], let mine = own.state, let theirs = record.state else { return nil }
            return theirs.workerID != mine.workerID && theirs.generation < mine.generation ? own : nil
        }

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
        try await log.open { [weak self, contents, own] entry, position in
            guard let record = StatusRecord(entry) else { return }
            // What this worker has said since is newer than what it reads.
            let (isNews, answer) = own.withLockedValue { own in
                (own.isNews(entry.key, position), own.answer(to: record, entry.key))
            }
            if isNews, let answer {
                self?.put(answer)
                return
            }
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
        if log.isFollowed {
            own.withLockedValue { own in
                own.begin(entry.key)
                own.hold(record, entry.key)
            }
        }
        writes.yield(entry)
    }

    /// Writes a state unless another worker has said something in a later generation (Connect's safe write).
    func putSafely(_ record: StatusRecord) {
        if let known = contents.withLockedValue({ $0.known(record) }), let new = record.state,
            known.workerID != new.workerID, known.generation > new.generation
        {
            return
        }
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
