import KafkaProtocol
import KafkaStorage
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// All topics, and the log that remembers them.
///
/// Changes are written to `__cluster_metadata-0` and take effect at once; the answer to the client waits for
/// `whenDurable`. At the start the log is replayed.
final class TopicRegistry: Sendable {
    private struct State {
        var byName: [String: Topic] = [:]
        var byID: [KafkaUUID: Topic] = [:]
        var collisions: [String: String] = [:]
        var nextProducerID: Int64 = 0
        var producerIDsReserved: Int64 = 0
        var version: UInt64 = 0
    }

    static let metadataTopic = "__cluster_metadata"
    /// Producer ids are reserved by the thousand, as Kafka does, so that few need a write.
    private static let producerIDBlock: Int64 = 1000

    /// The broker's settings as they are now.
    let brokerConfigs: BrokerConfigs
    private let directory: LogDirectory
    private let logger: Logger
    private let metadataLog: PartitionLog
    /// The users of SCRAM.
    let scramUsers = ScramUsers()
    /// Who may do what.
    let acls = AclStore()
    /// The limits of clients.
    let quotas: QuotaManager
    /// The settings of groups.
    let groupConfigs = GroupConfigs()
    private let state = NIOLockedValueBox(State())

    /// Opens the metadata log and replays it.
    init(configuration: BrokerConfiguration, directory: LogDirectory, logger: Logger) throws(StorageError) {
        brokerConfigs = BrokerConfigs(configuration)
        self.directory = directory
        self.logger = logger
        quotas = QuotaManager(windows: configuration.quotaWindows)
        var logConfiguration = LogConfiguration()
        logConfiguration.retentionMs = -1
        logConfiguration.cleanupPolicy = .compact
        metadataLog = try directory.openLog(topic: Self.metadataTopic, partition: 0, configuration: logConfiguration)
        try replay()
    }

    // MARK: Looking up

    func topic(named name: String) -> Topic? { state.withLockedValue { $0.byName[name] } }
    func topic(id: KafkaUUID) -> Topic? { state.withLockedValue { $0.byID[id] } }
    /// All topics, sorted by name.
    var all: [Topic] { state.withLockedValue { Array($0.byName.values) }.sorted { $0.name < $1.name } }

    /// Changes whenever a topic comes, goes or grows.
    var version: UInt64 { state.withLockedValue { $0.version } }

    // MARK: Changing

    /// Checks what CreateTopics asks for without doing it.
    func checkCreation(name: String, partitions: Int32, configs: [String: String]) throws(Refusal) {
        if let fault = TopicName.fault(in: name) { throw Refusal(.invalidTopicException, fault) }
        if name == Self.metadataTopic {
            throw Refusal(.invalidTopicException, "Topic name '\(name)' is reserved for the broker's own log.")
        }
        if topic(named: name) != nil { throw Refusal(.topicAlreadyExists, "Topic '\(name)' already exists.") }
        if let other = state.withLockedValue({ $0.collisions[TopicName.collisionKey(name)] }) {
            throw Refusal(.invalidTopicException, "Topic '\(name)' collides with existing topic: \(other)")
        }
        guard (1...MetadataRecord.largestPartitionCount).contains(partitions) else {
            throw Refusal(
                .invalidPartitions,
                "Number of partitions must be larger than 0 and at most "
                    + "\(MetadataRecord.largestPartitionCount), not \(partitions).")
        }
        for (key, value) in configs.sorted(by: { $0.key < $1.key }) {
            if let fault = TopicConfigKeys.fault(name: key, value: value) { throw Refusal(.invalidConfig, fault) }
        }
    }

    /// Creates a topic. It exists at once; answer the client after `whenDurable`.
    func create(name: String, partitions: Int32, configs: [String: String]) throws(Refusal) -> Topic {
        try checkCreation(name: name, partitions: partitions, configs: configs)
        let record = MetadataRecord.TopicState(name: name, id: .random(), partitions: partitions, configs: configs)
        try write(.topic(record))
        return install(record)
    }

    /// Deletes a topic and its files.
    func delete(_ topic: Topic) throws(Refusal) {
        try write(.topicDeleted(name: topic.name))
        state.withLockedValue { state in
            state.version += 1
            state.byName[topic.name] = nil
            state.byID[topic.id] = nil
            state.collisions[TopicName.collisionKey(topic.name)] = nil
        }
        for partition in topic.partitions {
            do throws(StorageError) {
                try partition.delete()
            } catch {
                // The record says that the topic is gone: the next start removes what is left.
                logger.warning("files of a deleted topic remain", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Adds partitions to a topic until it has `count`.
    func grow(_ topic: Topic, to count: Int32) throws(Refusal) {
        let existing = Int32(topic.partitions.count)
        let configs = topic.configs
        try write(.topic(.init(name: topic.name, id: topic.id, partitions: count, configs: configs)))
        topic.append(makePartitions(existing..<count, of: topic.name, configs: configs))
        state.withLockedValue { $0.version += 1 }
    }

    /// Replaces a topic's own settings.
    func setConfigs(_ configs: [String: String], of topic: Topic) throws(Refusal) {
        let count = Int32(topic.partitions.count)
        try write(.topic(.init(name: topic.name, id: topic.id, partitions: count, configs: configs)))
        topic.setConfigs(configs, log: logConfiguration(configs))
    }

    /// Replaces what was changed of a broker's settings, or with "" of the cluster's defaults.
    func setBrokerConfigs(_ configs: [String: String], of resource: String) throws(Refusal) {
        try write(.brokerConfigs(resource: resource, configs))
        brokerConfigs.set(configs, of: resource)
        for topic in all { topic.refresh(logConfiguration) }
    }

    /// Replaces what was set of a group.
    func setGroupConfigs(_ configs: [String: String], of group: String) throws(Refusal) {
        try write(.groupConfigs(group: group, configs))
        groupConfigs.set(configs, of: group)
    }

    /// A producer id that no producer has had. Ids are reserved in blocks; answer the client after `whenDurable`.
    func nextProducerID() throws(Refusal) -> Int64 {
        let taken = state.withLockedValue { state -> (id: Int64, reserve: Int64?) in
            let id = state.nextProducerID
            state.nextProducerID += 1
            guard id >= state.producerIDsReserved else { return (id, nil) }
            state.producerIDsReserved = id + Self.producerIDBlock
            return (id, state.producerIDsReserved)
        }
        if let reserve = taken.reserve { try write(.producerIDs(next: reserve)) }
        return taken.id
    }

    /// Replaces the limits of an entity; none removes it.
    func setQuotas(_ limits: [String: Double], of entity: ClientQuotas.Entity) throws(Refusal) {
        try write(.quotas(entity, limits))
        quotas.set(limits, of: entity)
    }

    /// Where the metadata log ends.
    var metadataEndOffset: Int64 { metadataLog.logEndOffset }

    /// Sets a user's credential, or removes it; answer the client after `whenDurable`.
    func setScramCredential(
        _ credential: ScramCredential?, of user: String, _ mechanism: ScramMechanism
    ) throws(Refusal) {
        let record = ScramRecord(user: user, mechanism: mechanism, credential: credential)
        try write(key: record.key, value: record.value)
        scramUsers.apply(record)
    }

    /// Adds an ACL, or takes it away; answer the client after `whenDurable`.
    func setAcl(_ binding: AclBinding, isPresent: Bool) throws(Refusal) {
        let record = AclRecord(binding, isPresent: isPresent)
        try write(key: record.key, value: record.value)
        acls.apply(record)
    }

    /// Calls back, on some thread, when all changes made so far are on disk, or could not be put there.
    func whenDurable(_ done: @escaping @Sendable (Refusal?) -> Void) {
        directory.flusher.flush(metadataLog, upTo: metadataLog.logEndOffset) { result in
            switch result {
            case .success: done(nil)
            case .failure(let error): done(Refusal(error))
            }
        }
    }

    /// Puts all changes made so far on disk before it returns; for the rare change that nobody can wait for.
    func flush() throws(Refusal) {
        do throws(StorageError) {
            try metadataLog.flush()
        } catch {
            throw Refusal(error)
        }
    }

    /// The partitions of a topic that have a folder.
    func existingPartitions(of topic: String) throws(Refusal) -> [Int32] {
        do throws(StorageError) {
            return try directory.existingLogs().filter { $0.topic == topic }.map(\.partition)
        } catch {
            throw Refusal(error)
        }
    }

    // MARK: The log

    private func write(_ record: MetadataRecord) throws(Refusal) { try write(key: record.key, value: record.value) }

    private func write(key: ByteBuffer, value: ByteBuffer?) throws(Refusal) {
        do {
            var builder = RecordBatchBuilder(compression: .none)
            builder.append(timestamp: WallClock.now(), key: key, value: value)
            _ = try metadataLog.append(try builder.build())
        } catch let error as StorageError {
            throw Refusal(error)
        } catch {
            throw Refusal(.unknownServerError, "\(error)")
        }
    }

    private func replay() throws(StorageError) {
        var deleted: Set<String> = []
        var topics: [String: MetadataRecord.TopicState] = [:]
        var nextProducerID: Int64 = 0
        try LogReplay.forEachRecord(in: metadataLog) { key, value throws(WireError) in
            if let key, let user = try ScramRecord(key: key, value: value) { return scramUsers.apply(user) }
            if let key, let acl = try AclRecord(key: key, value: value) { return acls.apply(acl) }
            guard let key, let record = try MetadataRecord(key: key, value: value) else { return }
            switch record {
            case .topic(let state):
                topics[state.name] = state
                deleted.remove(state.name)
            case .topicDeleted(let name):
                topics[name] = nil
                deleted.insert(name)
            case .producerIDs(let next):
                nextProducerID = max(nextProducerID, next)
            case .quotas(let entity, let limits):
                quotas.set(limits, of: entity)
            case .brokerConfigs(let resource, let configs):
                brokerConfigs.set(configs, of: resource)
            case .groupConfigs(let group, let configs):
                groupConfigs.set(configs, of: group)
            }
        }
        for topic in topics.values { _ = install(topic) }
        state.withLockedValue {
            $0.nextProducerID = nextProducerID
            $0.producerIDsReserved = nextProducerID
        }
        guard !deleted.isEmpty else { return }
        for existing in try directory.existingLogs() where deleted.contains(existing.topic) {
            try directory.deleteLog(topic: existing.topic, partition: existing.partition)
        }
    }

    private func install(_ record: MetadataRecord.TopicState) -> Topic {
        let topic = Topic(
            name: record.name, id: record.id,
            partitions: makePartitions(0..<record.partitions, of: record.name, configs: record.configs),
            configs: record.configs)
        state.withLockedValue { state in
            state.version += 1
            state.byName[topic.name] = topic
            state.byID[topic.id] = topic
            state.collisions[TopicName.collisionKey(topic.name)] = topic.name
        }
        return topic
    }

    private func makePartitions(
        _ range: Range<Int32>, of topic: String, configs: [String: String]
    ) -> [Partition] {
        let log = logConfiguration(configs)
        return range.map { Partition(topic: topic, index: $0, configuration: log, directory: directory) }
    }

    private func logConfiguration(_ configs: [String: String]) -> LogConfiguration {
        do throws(StorageError) {
            return try LogConfiguration(topicConfig: brokerConfigs.current.effectiveTopicConfiguration(configs))
        } catch {
            // Values are checked before they are stored; one that slipped through must not keep the topic shut.
            logger.error("a topic setting cannot be used, defaults apply", metadata: ["error": "\(error)"])
            return LogConfiguration()
        }
    }
}
