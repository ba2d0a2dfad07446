import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The connectors' configurations, in the config topic. Every change is durable before it is seen.
final class ConfigStore: Sendable {
    private let log: any TopicLog
    private let logger: Logger
    private let state = NIOLockedValueBox(ConfigState())
    private let observer = NIOLockedValueBox<(@Sendable (ConfigRecord) -> Void)?>(nil)
    /// Kafka Connect's own limit for writing and reading back.
    private static let readBackTimeout = Duration.seconds(30)
    private let isExactlyOnce: Bool

    /// - Parameter isExactlyOnce: whether tasks of sources are fenced: then none goes on when new configurations are
    ///   committed, though its own is the same.
    init(log: any TopicLog, logger: Logger, isExactlyOnce: Bool = false) {
        self.log = log
        self.logger = logger
        self.isExactlyOnce = isExactlyOnce
    }

    /// Reads what is stored.
    func start() async throws {
        try await log.open { [logger, state, observer] entry, _ in
            guard let record = ConfigRecord(entry) else {
                logger.warning(
                    "skipping a record of the config topic", metadata: ["key": "\(String(buffer: entry.key))"])
                return
            }
            state.withLockedValue { $0.apply(record) }
            observer.withLockedValue { $0 }?(record)
        }
    }

    /// Tells of every record from now on, after it has been applied. Only a followed log has any.
    func observe(_ observer: @escaping @Sendable (ConfigRecord) -> Void) {
        self.observer.withLockedValue { $0 = observer }
    }

    /// Whether other workers write as well.
    var isShared: Bool { log.isFollowed }

    /// The offset after the last record that has been read; -1 for none.
    var nextOffset: Int64 { log.nextOffset }

    func readToEnd(within timeout: Duration) async throws { try await log.readToEnd(.settled, within: timeout) }

    /// Has every claim of the lead ask whether this worker leads.
    func setPermission(_ mayLead: @escaping @Sendable () -> Bool) { log.setPermission(mayLead) }

    /// Shuts former leaders out of the config topic.
    func claimLead() async throws { try await log.claimLead() }

    /// Whether a connector's tasks must be fenced before the next one starts, and how many the last round was for.
    func fencing(of name: String) -> (isNeeded: Bool, lastCount: Int?) {
        state.withLockedValue { ($0.connectors[name]?.needsFencing ?? false, $0.fencedTasks[name]) }
    }

    var sessionKey: SessionKey? { state.withLockedValue { $0.sessionKey } }

    /// All connectors and tasks there are.
    var configured: WorkShare {
        state.withLockedValue { state in
            var share = WorkShare()
            for (name, entry) in state.connectors where entry.config != nil {
                share.connectors.insert(name)
                for task in entry.tasks.indices { share.tasks.insert(TaskID(connector: name, task: task)) }
            }
            return share
        }
    }

    func stop() async { await log.close() }

    var names: [String] { state.withLockedValue { $0.names } }

    func plan(of name: String) -> ConnectorLifecycle.Plan? {
        state.withLockedValue { state in
            var plan = state.plan(of: name)
            if isExactlyOnce { plan?.generation = state.connectors[name]?.generation ?? 0 }
            return plan
        }
    }

    func config(of name: String) -> ConnectorProperties? { state.withLockedValue { $0.connectors[name]?.config } }

    /// Connect writes the target state before the connector when both are given.
    func putConnector(_ name: String, _ config: ConnectorProperties, target: TargetState?) async throws {
        let targets = target.map { [ConfigRecord.target(name, $0)] } ?? []
        try await write(targets + [.connector(name, config)])
    }

    func removeConnector(_ name: String) async throws {
        try await write([.connector(name, nil), .target(name, nil)])
    }

    func putTasks(_ name: String, _ configs: [ConnectorProperties]) async throws {
        let tasks = configs.enumerated().map { ConfigRecord.task(TaskID(connector: name, task: $0), $1) }
        try await write(tasks + [.commit(name, taskCount: configs.count)])
    }

    func putTarget(_ name: String, _ target: TargetState) async throws {
        try await write([.target(name, target)], asLeader: false)
    }

    /// A stopped connector has no tasks: the empty commit comes first.
    func stopConnector(_ name: String) async throws {
        try await write([.commit(name, taskCount: 0), .target(name, .stopped)])
    }

    func putRestart(_ request: RestartRequest) async throws {
        try await write([.restart(request)])
    }

    func putSessionKey(_ key: SessionKey) async throws {
        try await write([.sessionKey(key)])
    }

    func putFencing(_ name: String, taskCount: Int) async throws {
        try await write([.fencing(name, taskCount: taskCount)])
    }

    func putLoggerLevel(namespace: String, level: String) async throws {
        try await write([.loggerLevel(namespace: namespace, level: level)], asLeader: false)
    }

    /// - Parameter asLeader: only the group's leader writes these; any worker writes the others.
    private func write(_ records: [ConfigRecord], asLeader: Bool = true) async throws {
        let entries = records.map(\.entry)
        let positions = try await asLeader ? log.appendAsLeader(entries) : log.append(entries)
        guard !log.isFollowed else {
            try await log.waitUntilRead(positions, within: Self.readBackTimeout)
            return
        }
        state.withLockedValue { state in
            for record in records { state.apply(record) }
        }
    }
}
