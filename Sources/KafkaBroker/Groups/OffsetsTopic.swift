import KafkaProtocol
import KafkaStorage
import NIOCore

/// `__consumer_offsets`: made at first use, its partitions' folders when a group first needs them. Lives on the groups'
/// event loop.
final class OffsetsTopic {
    /// The topic's settings, as Kafka makes it.
    static let topicConfigs = [
        "cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600",
    ]

    private let configuration: BrokerConfiguration
    private let topics: TopicRegistry
    private let flusher: LogFlusher
    private let eventLoop: any EventLoop
    /// Appends that are not on disk yet, by partition.
    private var appending: [Int32: Int] = [:]

    init(configuration: BrokerConfiguration, topics: TopicRegistry, flusher: LogFlusher, eventLoop: any EventLoop) {
        self.configuration = configuration
        self.topics = topics
        self.flusher = flusher
        self.eventLoop = eventLoop
    }

    /// How many partitions the topic has, or will have.
    var partitionCount: Int32 {
        topics.topic(named: TopicName.consumerOffsets).map { Int32($0.partitions.count) }
            ?? configuration.offsetsTopicPartitions
    }

    /// The partitions that have a folder.
    func existingPartitions() throws(Refusal) -> [Int32] {
        guard topics.topic(named: TopicName.consumerOffsets) != nil else { return [] }
        return try topics.existingPartitions(of: TopicName.consumerOffsets)
    }

    /// Reads a partition from its beginning; one without a folder has nothing to say.
    func replay(_ partition: Int32, _ body: (GroupRecords.Decoded) -> Void) throws(Refusal) {
        guard try existingPartitions().contains(partition),
            let partition = topics.topic(named: TopicName.consumerOffsets)?.partition(partition)
        else { return }
        do throws(StorageError) {
            try LogReplay.forEachRecord(in: try partition.log()) { key, value throws(WireError) in
                guard let key, let record = try GroupRecords.decode(key: key, value: value) else { return }
                body(record)
            }
        } catch {
            throw Refusal(error)
        }
    }

    /// The log of a partition, if it has been used.
    func openedLog(_ partition: Int32) -> PartitionLog? {
        topics.topic(named: TopicName.consumerOffsets)?.partition(partition)?.openedLog
    }

    /// Whether an append to the partition has not been answered.
    func isAppending(to partition: Int32) -> Bool { appending[partition, default: 0] > 0 }

    /// Appends records of a group and calls back on the event loop when they are on disk.
    func append(_ records: [GroupRecords.Encoded], group: String, _ done: @escaping (ErrorCode) -> Void) {
        append(records, to: GroupRecords.partition(of: group, count: partitionCount), done)
    }

    /// Appends records to a partition and calls back on the event loop when they are on disk.
    func append(_ records: [GroupRecords.Encoded], to index: Int32, _ done: @escaping (ErrorCode) -> Void) {
        let log: PartitionLog
        let info: LogAppendInfo
        do {
            let partition = try partition(index)
            log = try partition.log()
            let now = WallClock.now()
            var builder = RecordBatchBuilder(compression: .none)
            for record in records { builder.append(timestamp: now, key: record.key, value: record.value) }
            let batch = try builder.build()
            info = try log.append(batch)
            partition.announce(bytes: batch.readableBytes)
        } catch let error as StorageError {
            return done(error.errorCode.forCoordinator)
        } catch let refusal as Refusal {
            return done(refusal.code.forCoordinator)
        } catch {
            return done(.unknownServerError)
        }
        appending[index, default: 0] += 1
        let finish: (ErrorCode) -> Void = { error in
            self.appending[index, default: 1] -= 1
            done(error)
        }
        let done = NIOLoopBound(finish, eventLoop: eventLoop)
        flusher.flush(log, upTo: info.lastOffset + 1) { [eventLoop] result in
            eventLoop.execute {
                switch result {
                case .success: done.value(.none)
                case .failure(let error): done.value(error.errorCode.forCoordinator)
                }
            }
        }
    }

    private func partition(_ index: Int32) throws(Refusal) -> Partition {
        let topic: Topic
        if let existing = topics.topic(named: TopicName.consumerOffsets) {
            topic = existing
        } else {
            topic = try topics.create(
                name: TopicName.consumerOffsets, partitions: configuration.offsetsTopicPartitions,
                configs: Self.topicConfigs)
            // An acknowledged offset must not outlive the record that says its topic exists.
            try topics.flush()
        }
        guard let partition = topic.partition(index) else {
            throw Refusal(.coordinatorNotAvailable, "the offsets topic has no partition \(index)")
        }
        return partition
    }
}

extension ErrorCode {
    /// What a client of the coordinator is told when the offsets topic cannot take its records.
    var forCoordinator: ErrorCode {
        switch self {
        case .unknownTopicOrPartition, .notEnoughReplicas: .coordinatorNotAvailable
        case .notLeaderOrFollower: .notCoordinator
        case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .invalidCommitOffsetSize
        default: self
        }
    }
}
