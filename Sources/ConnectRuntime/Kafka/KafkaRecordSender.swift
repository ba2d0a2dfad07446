import KafkaClient
import KafkaProtocol
import Logging
import OrderedCollections

/// A task's producer.
struct KafkaRecordSender: RecordSender {
    let producer: KafkaProducer

    func send(_ records: [ProducerRecord]) async throws {
        try await producer.enqueue(contentsOf: records).wait()
    }

    func close() async { await producer.close(timeout: .seconds(5)) }
}

/// Leaves it to the broker to make topics (`auto.create.topics.enable`), as Connect does without `topic.creation.*`.
struct BrokerTopicCreation: TopicCreator {
    func create(_ topic: String) async throws {}
}

/// Makes topics as `topic.creation.*` says (KIP-158).
struct ConfiguredTopicCreation: TopicCreator {
    /// A group of topics and how to make them.
    struct Group: Sendable {
        var include: [String]
        var exclude: [String]
        var partitions: Int32
        var replicationFactor: Int16
        var settings: [String: String]
    }

    let groups: [Group]
    let admin: KafkaAdminClient

    /// nil if the configuration does not ask for it.
    init?(_ config: ConnectorProperties, admin: KafkaAdminClient) {
        let prefix = "topic.creation."
        guard config.keys.contains(where: { $0.hasPrefix(prefix + "default.") }) else { return nil }
        let names = config["topic.creation.groups"]?.list ?? []
        var groups: [Group] = []
        for name in names + ["default"] {
            var group = Group(
                include: name == "default" ? [".*"] : [], exclude: [], partitions: -1, replicationFactor: -1,
                settings: [:])
            func read(_ scope: String) {
                for (key, value) in config {
                    guard let option = key.suffix(after: prefix + scope + ".") else { continue }
                    switch option {
                    case "include": group.include = value.list
                    case "exclude": group.exclude = value.list
                    case "partitions": group.partitions = Int32(value.trimmed) ?? -1
                    case "replication.factor": group.replicationFactor = Int16(value.trimmed) ?? -1
                    default: group.settings[option] = value
                    }
                }
            }
            if name != "default" {
                group.partitions = Int32(config["topic.creation.default.partitions"]?.trimmed ?? "") ?? -1
                group.replicationFactor =
                    Int16(config["topic.creation.default.replication.factor"]?.trimmed ?? "") ?? -1
            }
            read(name)
            groups.append(group)
        }
        self.groups = groups
        self.admin = admin
    }

    func create(_ topic: String) async throws {
        if case .success? = try await admin.describeTopics([topic])[topic] { return }
        guard let group = try groups.first(where: { try Self.matches($0, topic) }) else { return }
        do {
            try await admin.createTopics([
                TopicToCreate(
                    name: topic, partitions: group.partitions, replicationFactor: group.replicationFactor,
                    configs: group.settings)
            ])[topic]?.get()
        } catch let error as KafkaError where error.errorCode == .topicAlreadyExists {
            return
        }
    }

    private static func matches(_ group: Group, _ topic: String) throws -> Bool {
        func any(_ patterns: [String]) throws -> Bool {
            try patterns.contains { try Regex($0).wholeMatch(in: topic) != nil }
        }
        return try any(group.include) && !any(group.exclude)
    }
}

/// Makes one topic with one partition if it is absent: the dead letter topic.
struct DeadLetterTopicCreation: TopicCreator {
    let replicationFactor: Int16
    let admin: KafkaAdminClient

    func create(_ topic: String) async throws {
        if case .success? = try await admin.describeTopics([topic])[topic] { return }
        let brokers = try await admin.describeCluster().brokers.count
        let replicas = min(replicationFactor, Int16(clamping: max(1, brokers)))
        do {
            try await admin.createTopics([
                TopicToCreate(name: topic, partitions: 1, replicationFactor: replicas)
            ])[topic]?.get()
        } catch let error as KafkaError where error.errorCode == .topicAlreadyExists {
            return
        }
    }
}

extension String {
    /// The parts of a comma separated list.
    var list: [String] { split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty } }
}
