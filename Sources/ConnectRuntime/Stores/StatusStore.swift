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

    private let log: any TopicLog
    private let logger: Logger
    private let contents = NIOLockedValueBox(Contents())
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
        try await log.open { entry in
            guard let record = StatusRecord(entry) else { return }
            contents.withLockedValue { $0.apply(record) }
        }
        let task = Task { await write() }
        writer.withLockedValue { $0 = task }
    }

    /// Writes what is left and lets go.
    func stop() async {
        writes.finish()
        await writer.withLockedValue { $0 }?.value
        await log.close()
    }

    func put(_ record: StatusRecord) {
        contents.withLockedValue { $0.apply(record) }
        writes.yield(record.entry)
    }

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
                try await log.append([entry])
            } catch {
                logger.warning(
                    "a status could not be stored",
                    metadata: ["key": "\(String(buffer: entry.key))", "error": "\(error)"])
            }
        }
    }
}
