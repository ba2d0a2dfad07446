import DequeModule
import KafkaProtocol
import NIOCore

/// What a producer has taken and not yet delivered: batches per partition, in order, with sequence numbers. Pure: says
/// what to send and what has ended, but sends and tells nothing.
///
/// Order within a partition is kept through retries: when a batch has to be repeated, nothing more is sent for the
/// partition until all that is in flight has come back; then all go out again in their order.
struct RecordAccumulator {
    struct Limits {
        var batchSize: Int
        var linger: TimeAmount
        var maxInFlight: Int
        var maxRequestSize: Int
        var deliveryTimeout: TimeAmount
        var retries: Int
        var compression: CompressionType
        var isIdempotent: Bool
        var isTransactional = false
        var isAdaptive = true
        var ignoresKeys = false
    }

    /// A batch that has ended, one way or the other.
    struct Ended {
        var batch: ProducerBatch
        var result: BatchDelivery.Outcome
    }

    /// One Produce request.
    struct Request {
        var node: BrokerNode
        var batches: [ProducerBatch]
        var usesTopicIDs: Bool
    }

    /// What to do now.
    struct Plan {
        var requests: [Request] = []
        var ended: [Ended] = []
        /// Topics without a known leader.
        var staleTopics: Set<String> = []
        var needsIdentity = false
        /// Partitions that the transaction's coordinator must be told of first.
        var unregistered: [TopicPartition] = []
        /// When to look again, if nothing happens before.
        var nextCheck: NIODeadline?
    }

    struct Queue {
        let partition: TopicPartition
        var waiting: Deque<ProducerBatch> = []
        var inFlight: [UInt64: ProducerBatch] = [:]
        /// The broker that has them.
        var destination: HostPort?
        var isRecovering = false
        var retryAt: NIODeadline = .uptimeNanoseconds(0)
        var identity: ProducerIdentity?
        var nextSequence: Int32 = 0
    }

    /// The partitions of one topic: where their queues are, -1 for those without.
    private struct TopicQueues {
        var places: [Int] = []
        var sticky: StickyPartitioner
    }

    var queues: [Queue] = []
    private var topics: [String: Int] = [:]
    private var topicQueues: [TopicQueues] = []
    var inFlight: [HostPort: Int] = [:]
    private var nextID: UInt64 = 1
    /// Room for the parts of a batch that the broker wants smaller: it may be halved so many times.
    private static let idSpan: UInt64 = 1 << 20
    let limits: Limits
    /// The identity that partitions take when they first need one; nil while there is none.
    var identity: ProducerIdentity?
    /// The partitions of the transaction that its coordinator knows; nil when it need not be told.
    var registered: Set<TopicPartition>?
    /// While a transaction is given up: nothing is sent, and what fails ends.
    private(set) var abandonment: KafkaError?
    /// Bytes of all batches that have not ended.
    var bufferedBytes = 0
    /// Batches that have not ended.
    var openBatches = 0
    /// Batches up to this one don't linger.
    private(set) var flushedUpTo: UInt64 = 0

    init(limits: Limits) {
        self.limits = limits
    }

    // MARK: - Taking records

    /// Which partition a record goes to: its own, its key's, or without either the one whose turn it is (KIP-794).
    /// `number` is the topic's, from ``number(of:)``.
    mutating func choosePartition(
        _ record: ProducerRecord, _ topic: ClusterMetadata.Topic, number: Int, size: Int
    ) throws(KafkaError) -> Int32 {
        if let partition = record.partition {
            guard topic.partition(partition) != nil else {
                throw KafkaError(
                    .unknownTopic,
                    "topic \(topic.name) has no partition \(partition): it has \(topic.partitions.count), from 0",
                    isRetriable: false)
            }
            return partition
        }
        if let key = record.key, !limits.ignoresKeys {
            return Murmur2.partition(forKey: key, count: Int32(topic.partitions.count))
        }
        var sticky = topicQueues[number].sticky
        let chosen = sticky.partition(
            forBytes: size, isUsable: { topic.partition($0) != nil },
            candidates: {
                let led = topic.partitions.filter { $0.leader >= 0 }
                return (led.isEmpty ? topic.partitions : led).map { ($0.id, queued(number, $0.id)) }
            })
        topicQueues[number].sticky = sticky
        guard let chosen else { throw KafkaError.broker(.leaderNotAvailable, "topic \(topic.name)") }
        return chosen
    }

    private func queued(_ number: Int, _ partition: Int32) -> Int {
        let places = topicQueues[number].places
        guard Int(partition) < places.count, places[Int(partition)] >= 0 else { return 0 }
        return queues[places[Int(partition)]].waiting.count
    }

    /// The number of a topic's queues, which are made if need be.
    mutating func number(of topic: String) -> Int {
        if let known = topics[topic] { return known }
        let number = topicQueues.count
        topicQueues.append(
            TopicQueues(
                sticky: StickyPartitioner(stretch: min(limits.batchSize, 65_536), isAdaptive: limits.isAdaptive)))
        topics[topic] = number
        return number
    }

    /// Where a partition's queue is, which is made if need be.
    private mutating func place(of topic: String, _ number: Int, _ partition: Int32) -> Int {
        let index = Int(partition)
        while topicQueues[number].places.count <= index { topicQueues[number].places.append(-1) }
        if topicQueues[number].places[index] < 0 {
            topicQueues[number].places[index] = queues.count
            queues.append(Queue(partition: TopicPartition(topic: topic, partition: partition)))
        }
        return topicQueues[number].places[index]
    }

    func place(of partition: TopicPartition) -> Int? {
        guard let number = topics[partition.topic] else { return nil }
        let places = topicQueues[number].places
        guard partition.partition >= 0, Int(partition.partition) < places.count else { return nil }
        let place = places[Int(partition.partition)]
        return place < 0 ? nil : place
    }

    /// Where an appended record is.
    struct Appended {
        var delivery: BatchDelivery
        var place: Int32
        /// The record began a batch or filled one: time to ask for a plan.
        var isNews: Bool
    }

    /// Puts a record into the open batch of its partition, or into a new one. `number` is the topic's.
    mutating func append(
        _ record: ProducerRecord, to partition: Int32, number: Int, size: Int, timestamp: Int64, now: NIODeadline
    ) -> Appended {
        let index = place(of: record.topic, number, partition)
        if let last = queues[index].waiting.indices.last,
            let (delivery, place, growth) = queues[index].waiting[last].appendIfOpen(
                record, size: size, timestamp: timestamp, limit: limits.batchSize)
        {
            bufferedBytes += growth
            return Appended(delivery: delivery, place: place, isNews: false)
        }
        var batch = ProducerBatch(
            id: nextID, idSpan: Self.idSpan, partition: queues[index].partition, created: now,
            compression: limits.compression, isTransactional: limits.isTransactional)
        nextID += Self.idSpan
        let place = batch.append(record, timestamp: timestamp)
        if batch.size >= limits.batchSize { batch.isClosed = true }
        bufferedBytes += batch.size
        openBatches += 1
        let delivery = batch.delivery
        queues[index].waiting.append(batch)
        return Appended(delivery: delivery, place: place, isNews: true)
    }

    /// How many records a run has taken, and where they are.
    struct AppendedRun {
        var delivery: BatchDelivery
        var partition: TopicPartition
        var place: Int32
        var count: Int
        var isNews: Bool
    }

    /// Puts records of one topic that go wherever the current batch goes (they have neither a partition nor a key that
    /// counts) into the open batch of the partition whose turn it is: as many of them as it takes. The first one has its
    /// partition chosen, and begins a batch if it must.
    mutating func appendRun(
        of records: some RandomAccessCollection<ProducerRecord>, _ topic: ClusterMetadata.Topic, number: Int,
        sizeLimit: Int, timestamp: Int64, now: NIODeadline
    ) throws(KafkaError) -> AppendedRun? {
        guard let first = records.first, first.isForAnyPartition(limits) else { return nil }
        let size = first.estimatedSize
        guard size <= sizeLimit else { return nil }
        let partition = try choosePartition(first, topic, number: number, size: size)
        let begun = append(
            first, to: partition, number: number, size: size, timestamp: first.timestamp ?? timestamp, now: now)
        let index = place(of: topic.name, number, partition)
        var run = AppendedRun(
            delivery: begun.delivery, partition: queues[index].partition, place: begun.place, count: 1,
            isNews: begun.isNews)
        let isOnly = topic.partitions.count == 1
        // Taken out and put back: a batch that is held twice would be copied.
        guard first.timestamp == nil, var batch = queues[index].waiting.popLast() else { return run }
        let before = batch.size
        for record in records.dropFirst() {
            let size = record.estimatedSize
            guard record.timestamp == nil, record.isForAnyPartition(limits), record.topic == first.topic,
                size <= sizeLimit, !batch.isClosed, batch.size + size <= limits.batchSize,
                isOnly || topicQueues[number].sticky.takes(size)
            else { break }
            batch.append(record, timestamp: timestamp)
            run.count += 1
        }
        bufferedBytes += batch.size - before
        queues[index].waiting.append(batch)
        return run
    }

    /// All batches that exist now are to be sent without lingering. Returns the last of them.
    mutating func flush() -> UInt64 {
        flushedUpTo = nextID - 1
        return flushedUpTo
    }

    /// Whether a batch up to `id` has not ended.
    func hasOpenBatches(upTo id: UInt64) -> Bool {
        queues.contains { queue in
            queue.waiting.contains { $0.id <= id } || queue.inFlight.values.contains { $0.id <= id }
        }
    }

    // MARK: - Transactions

    /// A transaction is given up: what waits ends with `error`, and so will what comes back with a failure.
    mutating func abandon(_ error: KafkaError) -> [Ended] {
        abandonment = error
        return failAll(error)
    }

    /// A transaction has ended and all of its batches with it. Under a new identity, sequence numbers begin at 0.
    mutating func transactionEnded(identity new: ProducerIdentity) {
        abandonment = nil
        if registered != nil { registered = [] }
        guard new != identity else { return }
        identity = new
        for index in queues.indices {
            queues[index].identity = nil
            queues[index].isRecovering = false
        }
    }
}

extension ProducerRecord {
    /// Whether it goes wherever the current batch goes.
    fileprivate func isForAnyPartition(_ limits: RecordAccumulator.Limits) -> Bool {
        partition == nil && (key == nil || limits.ignoresKeys)
    }

    /// An upper bound of what it takes in a batch.
    var estimatedSize: Int { RecordBatchBuilder.estimatedSize(key: key, value: value, headers: headers) }
}
