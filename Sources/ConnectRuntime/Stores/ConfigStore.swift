import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The connectors' configurations, in the config topic. Every change is durable before it is seen.
final class ConfigStore: Sendable {
    private let log: any TopicLog
    private let logger: Logger
    private let state = NIOLockedValueBox(ConfigState())

    init(log: any TopicLog, logger: Logger) {
        self.log = log
        self.logger = logger
    }

    /// Reads what is stored.
    func start() async throws {
        try await log.open { entry in
            guard let record = ConfigRecord(entry) else {
                logger.warning(
                    "skipping a record of the config topic", metadata: ["key": "\(String(buffer: entry.key))"])
                return
            }
            state.withLockedValue { $0.apply(record) }
        }
    }

    func stop() async { await log.close() }

    var names: [String] { state.withLockedValue { $0.names } }

    func plan(of name: String) -> ConnectorLifecycle.Plan? { state.withLockedValue { $0.plan(of: name) } }

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
        try await write([.target(name, target)])
    }

    /// A stopped connector has no tasks: the empty commit comes first.
    func stopConnector(_ name: String) async throws {
        try await write([.commit(name, taskCount: 0), .target(name, .stopped)])
    }

    func putRestart(_ request: RestartRequest) async throws {
        try await write([.restart(request)])
    }

    func putLoggerLevel(namespace: String, level: String) async throws {
        try await write([.loggerLevel(namespace: namespace, level: level)])
    }

    private func write(_ records: [ConfigRecord]) async throws {
        try await log.append(records.map(\.entry))
        state.withLockedValue { state in
            for record in records { state.apply(record) }
        }
    }
}
