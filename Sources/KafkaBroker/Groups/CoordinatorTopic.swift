import KafkaProtocol
import KafkaStorage
import NIOCore

/// A topic that keeps a coordinator's state: `__consumer_offsets` or `__transaction_state`. Made at first use, its
/// partitions' folders when somebody first needs them. Lives on the coordinators' event loop.
final class CoordinatorTopic {
    /// What differs between the two.
    struct Definition: Sendable {
        var name: String
        /// The topic's settings, as Kafka makes it.
        var configs: [String: String]
        /// How many partitions it gets.
        var partitionCount: @Sendable (BrokerConfiguration) -> Int32

        static let offsets = Definition(
            name: TopicName.consumerOffsets,
            configs: ["cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"],
            partitionCount: \.offsetsTopicPartitions)
        static let transactions = Definition(
            name: TopicName.transactionState,
            configs: ["cleanup.policy": "compact", "compression.type": "uncompressed", "segment.bytes": "104857600"],
            partitionCount: \.transactionTopicPartitions)

        /// The definition of the topic of this name.
        static func named(_ name: String) -> Definition? { [offsets, transactions].first { $0.name == name } }
    }

    let definition: Definition
    private let configuration: BrokerConfiguration
    let topics: TopicRegistry
    private let flusher: LogFlusher
    private let eventLoop: any EventLoop
    /// Appends that are not on disk yet, by partition.
    private var appending: [Int32: Int] = [:]

    init(
        _ definition: Definition, configuration: BrokerConfiguration, topics: TopicRegistry, flusher: LogFlusher,
        eventLoop: any EventLoop
    ) {
        self.definition = definition
        self.configuration = configuration
        self.topics = topics
        self.flusher = flusher
        self.eventLoop = eventLoop
    }

    /// How many partitions the topic has, or will have.
    var partitionCount: Int32 {
        topics.topic(named: definition.name).map { Int32($0.partitions.count) }
            ?? definition.partitionCount(configuration)
    }

    /// The partition that a group or a transactional id lives in.
    func partition(of id: String) -> Int32 { GroupRecords.partition(of: id, count: partitionCount) }

    /// The partition of this topic that a group or a transactional id lives in.
    func key(of id: String) -> OffsetKey { OffsetKey(topic: definition.name, partition: partition(of: id)) }

    /// The partitions that have a folder.
    func existingPartitions() throws(Refusal) -> [Int32] {
        guard topics.topic(named: definition.name) != nil else { return [] }
        return try topics.existingPartitions(of: definition.name)
    }

    /// Reads a partition from its beginning; one without a folder has nothing to say.
    func replay(
        _ partition: Int32, _ body: (LogReplay.Entry) throws(WireError) -> Void
    ) throws(Refusal) {
        guard try existingPartitions().contains(partition),
            let partition = topics.topic(named: definition.name)?.partition(partition)
        else { return }
        do throws(StorageError) {
            try LogReplay.forEachEntry(in: try partition.log(), body)
        } catch {
            throw Refusal(error)
        }
    }

    /// The log of a partition, if it has been used.
    func openedLog(_ partition: Int32) -> PartitionLog? {
        topics.topic(named: definition.name)?.partition(partition)?.openedLog
    }

    /// Whether an append to the partition has not been answered.
    func isAppending(to partition: Int32) -> Bool { appending[partition, default: 0] > 0 }

    /// Appends records of a group or transactional id and calls back on the event loop when they are on disk.
    func append(_ records: [GroupRecords.Encoded], group: String, _ done: @escaping (ErrorCode) -> Void) {
        append(records, to: partition(of: group), done)
    }

    /// Appends records to a partition and calls back on the event loop when they are on disk.
    /// - Parameter producer: whose transaction the records belong to; the coordinator knows of it.
    func append(
        _ records: [GroupRecords.Encoded], to index: Int32, in producer: Transaction.Producer? = nil,
        _ done: @escaping (ErrorCode) -> Void
    ) {
        let log: PartitionLog
        let info: LogAppendInfo
        do {
            let partition = try partition(index)
            log = try partition.log()
            let now = WallClock.now()
            // Without a sequence number: one batch after the other, as the coordinator writes them.
            var builder = RecordBatchBuilder(
                compression: .none, producerId: producer?.id ?? -1, producerEpoch: producer?.epoch ?? -1,
                isTransactional: producer != nil)
            for record in records { builder.append(timestamp: now, key: record.key, value: record.value) }
            let batch = try builder.build()
            info = try log.append(batch, validated: try RecordBatchHeader(parsing: batch), isVerified: true)
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

    /// Writes what is known of a partition anew at its end, and once that is on disk, cuts off what came before.
    func rewrite(
        _ log: PartitionLog, _ partition: Int32, _ records: [GroupRecords.Encoded],
        _ failed: @escaping (any Error) -> Void
    ) {
        let end = log.logEndOffset
        var rest = records[...]
        var failure = ErrorCode.none
        // A batch has to stay below max.message.bytes.
        repeat {
            var bytes = 0
            let part = rest.prefix { record in
                bytes += record.key.readableBytes + (record.value?.readableBytes ?? 0) + 32
                return bytes < 512 * 1024
            }
            let batch = rest.prefix(max(1, part.count))
            rest = rest.dropFirst(batch.count)
            let isLast = rest.isEmpty
            append(Array(batch), to: partition) { error in
                if error != .none { failure = error }
                guard isLast else { return }
                do throws(StorageError) {
                    if failure == .none { try log.deleteRecords(before: end) }
                } catch {
                    failed(error)
                }
            }
        } while !rest.isEmpty && failure == .none
    }

    private func partition(_ index: Int32) throws(Refusal) -> Partition {
        let topic: Topic
        if let existing = topics.topic(named: definition.name) {
            topic = existing
        } else {
            topic = try topics.create(
                name: definition.name, partitions: definition.partitionCount(configuration),
                configs: definition.configs)
            // What was acknowledged must not outlive the record that says its topic exists.
            try topics.flush()
        }
        guard let partition = topic.partition(index) else {
            throw Refusal(.coordinatorNotAvailable, "\(definition.name) has no partition \(index)")
        }
        return partition
    }
}

extension ErrorCode {
    /// What a client of the coordinator is told when the coordinator's topic cannot take its records.
    var forCoordinator: ErrorCode {
        switch self {
        case .unknownTopicOrPartition, .notEnoughReplicas: .coordinatorNotAvailable
        case .notLeaderOrFollower: .notCoordinator
        case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .invalidCommitOffsetSize
        default: self
        }
    }
}
