import ArgumentParser
import KafkaClient
import KafkaProtocol
import Logging

/// `sluice topics`
struct TopicsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topics",
        abstract: "Create, list, describe, alter and delete topics.",
        discussion: """
            Examples:
              sluice topics --create --topic quickstart-events --partitions 1
              sluice topics --list
              sluice topics --describe --topic quickstart-events
              sluice topics --alter --topic quickstart-events --partitions 3
              sluice topics --delete --topic quickstart-events
            """
    )

    /// What is to be done.
    enum Action: String, EnumerableFlag {
        case create, list, describe, alter, delete

        static func help(for value: Action) -> ArgumentHelp? {
            switch value {
            case .create: "Create the topic."
            case .list: "Print the names of topics."
            case .describe: "Print partitions and settings."
            case .alter: "Raise the number of partitions."
            case .delete: "Delete topics with their messages."
            }
        }
    }

    @Flag(exclusivity: .exclusive)
    var action: Action

    @OptionGroup var client: ClientOptions

    @Option(help: ArgumentHelp("The topic; except with --create a regular expression.", valueName: "name"))
    var topic: String?

    @Option(help: ArgumentHelp("Partitions (default: the broker's num.partitions).", valueName: "count"))
    var partitions: Int32?

    @Option(help: ArgumentHelp("Replicas of each partition (default: the broker's).", valueName: "count"))
    var replicationFactor: Int16?

    @Option(help: ArgumentHelp("A topic setting, such as retention.ms=3600000.", valueName: "name=value"))
    var config: [String] = []

    @Flag(help: "No error when the topic is there already.")
    var ifNotExists = false

    @Flag(help: "No error when no topic matches.")
    var ifExists = false

    @Flag(help: "Leave out topics such as __consumer_offsets.")
    var excludeInternal = false

    @Flag(help: "With --describe: only partitions with a replica that lags behind.")
    var underReplicatedPartitions = false

    @Flag(help: "With --describe: only partitions without a leader.")
    var unavailablePartitions = false

    @Flag(help: "With --describe: only topics with settings of their own.")
    var topicsWithOverrides = false

    @OptionGroup var log: LogOptions

    func validate() throws {
        if topic == nil, action != .list, action != .describe {
            throw ValidationError("--\(action.rawValue) needs --topic")
        }
        if action == .alter, partitions == nil {
            throw ValidationError("--alter needs --partitions, the new total; settings are not changed here")
        }
        if let partitions, partitions < 1 { throw ValidationError("--partitions must be at least 1") }
        if let replicationFactor, replicationFactor < 1 {
            throw ValidationError("--replication-factor must be at least 1")
        }
        for text in config where PropertiesFile.pair(text) == nil {
            throw ValidationError("--config \(text) is not of the form name=value")
        }
    }

    func run() async throws {
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            switch action {
            case .create: try await create(admin)
            case .list: for name in try await names(admin) { Terminal.print(name) }
            case .describe: try await describe(admin)
            case .alter: try await alter(admin)
            case .delete: try await delete(admin)
            }
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }

    /// The topics that are meant, by name.
    private func names(_ admin: KafkaAdminClient) async throws -> [String] {
        let all = try await admin.listTopics(includeInternal: !excludeInternal).map(\.name)
        guard let topic else { return all }
        // A name that is there is meant literally, whatever its dots say to a regular expression.
        if all.contains(topic) { return [topic] }
        let pattern = try TopicPattern(option: topic)
        let matching = all.filter(pattern.matches)
        if matching.isEmpty, !ifExists, action != .list {
            throw CommandFailure("topic '\(topic)' does not exist; 'sluice topics --list' shows those that do")
        }
        return matching
    }

    private func create(_ admin: KafkaAdminClient) async throws {
        guard let topic else { return }
        let settings = config.compactMap(PropertiesFile.pair)
        let wanted = TopicToCreate(
            name: topic, partitions: partitions ?? -1, replicationFactor: replicationFactor ?? -1,
            configs: Dictionary(settings.map { ($0.key, $0.value) }) { _, newer in newer })
        let result = try await admin.createTopics([wanted])[topic]
        if case .failure(let error)? = result {
            if error.errorCode == .topicAlreadyExists, ifNotExists { return }
            throw error
        }
        if topic.contains("."), topic.contains("_") {
            Terminal.printError(
                "sluice: warning: '\(topic)' has both '.' and '_'; names that differ only there collide in metrics")
        }
        Terminal.print("Created topic \(topic).")
    }

    private func describe(_ admin: KafkaAdminClient) async throws {
        let names = try await names(admin)
        guard !names.isEmpty else { return }
        let descriptions = try await admin.describeTopics(names)
        let configs = try await admin.describeConfigs(names.map { ConfigResource(.topic, $0) })
        for name in names {
            guard let description = try descriptions[name]?.get() else { continue }
            let entries = (try configs[ConfigResource(.topic, name)]?.get() ?? []).filter { !$0.isDefault }
            let report = TopicReport(description: description, settings: entries)
            if topicsWithOverrides {
                if entries.contains(where: { $0.source == .topic }) { Terminal.print(report.summary) }
            } else if underReplicatedPartitions || unavailablePartitions {
                for partition in description.partitions where isWanted(partition) {
                    Terminal.print(report.line(for: partition))
                }
            } else {
                for line in report.lines { Terminal.print(line) }
            }
        }
    }

    private func isWanted(_ partition: TopicDescription.Partition) -> Bool {
        (underReplicatedPartitions && partition.inSyncReplicas.count < partition.replicas.count)
            || (unavailablePartitions && partition.leader < 0)
    }

    private func alter(_ admin: KafkaAdminClient) async throws {
        guard let partitions else { return }
        let names = try await names(admin)
        let totals = Dictionary(names.map { ($0, partitions) }) { first, _ in first }
        for (_, result) in try await admin.createPartitions(totals) { try result.get() }
    }

    private func delete(_ admin: KafkaAdminClient) async throws {
        for (_, result) in try await admin.deleteTopics(names(admin)) { try result.get() }
    }
}

/// What `--describe` prints, as Kafka's tool does.
struct TopicReport {
    var description: TopicDescription
    /// What is not the broker's default.
    var settings: [ConfigEntry]

    /// The topic's line.
    var summary: String {
        let settings = settings.map { "\($0.name)=\($0.value ?? "")" }.joined(separator: ",")
        let replicas = description.partitions.first?.replicas.count ?? 0
        return "Topic: \(description.name)\tTopicId: \(description.id)\tPartitionCount: \(description.partitions.count)"
            + "\tReplicationFactor: \(replicas)\tConfigs: \(settings)"
    }

    /// The topic's line and those of its partitions.
    var lines: [String] { [summary] + description.partitions.map(line) }

    /// A partition's line.
    func line(for partition: TopicDescription.Partition) -> String {
        func list(_ ids: [Int32]) -> String { ids.map(String.init).joined(separator: ",") }
        let leader = partition.leader < 0 ? "none" : String(partition.leader)
        return "\tTopic: \(description.name)\tPartition: \(partition.id)\tLeader: \(leader)"
            + "\tReplicas: \(list(partition.replicas))\tIsr: \(list(partition.inSyncReplicas))"
    }
}
