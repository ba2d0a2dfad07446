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
    }

    /// A batch that has ended, one way or the other.
    struct Ended {
        var batch: ProducerBatch
        var result: Result<(baseOffset: Int64, logAppendTime: Int64), KafkaError>
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
        /// When to look again, if nothing happens before.
        var nextCheck: NIODeadline?
    }

    private struct Queue {
        var waiting: Deque<ProducerBatch> = []
        var inFlight: [UInt64: ProducerBatch] = [:]
        var isRecovering = false
        var retryAt: NIODeadline = .uptimeNanoseconds(0)
        var identity: ProducerIdentity?
        var nextSequence: Int32 = 0
    }

    private var queues: [TopicPartition: Queue] = [:]
    private var inFlight: [HostPort: Int] = [:]
    private var sticky: [String: (partition: Int32, bytes: Int)] = [:]
    private var nextID: UInt64 = 1
    /// Room for the parts of a batch that the broker wants smaller: it may be halved so many times.
    private static let idSpan: UInt64 = 1 << 20
    private let limits: Limits
    /// The identity that partitions take when they first need one; nil while there is none.
    var identity: ProducerIdentity?
    /// Bytes of all batches that have not ended.
    private(set) var bufferedBytes = 0
    /// Batches that have not ended.
    private(set) var openBatches = 0
    /// Batches up to this one don't linger.
    private(set) var flushedUpTo: UInt64 = 0

    init(limits: Limits) {
        self.limits = limits
    }

    // MARK: - Taking records

    /// Which partition a record goes to. Without a key, records stick to one partition for a while (KIP-480, KIP-794).
    mutating func choosePartition(
        _ record: ProducerRecord, _ topic: ClusterMetadata.Topic, size: Int
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
        if let key = record.key { return Murmur2.partition(forKey: key, count: Int32(topic.partitions.count)) }
        if var current = sticky[topic.name], current.bytes < min(limits.batchSize, 65_536),
            topic.partition(current.partition) != nil
        {
            current.bytes += size
            sticky[topic.name] = current
            return current.partition
        }
        let led = topic.partitions.filter { $0.leader >= 0 }
        let old = sticky[topic.name]?.partition
        let choices = led.count > 1 ? led.filter { $0.id != old } : led
        guard let chosen = choices.randomElement() ?? topic.partitions.randomElement() else {
            throw KafkaError.broker(.leaderNotAvailable, "topic \(topic.name)")
        }
        sticky[topic.name] = (chosen.id, size)
        return chosen.id
    }

    /// Puts a record into the open batch of its partition, or into a new one.
    mutating func append(
        _ record: ProducerRecord, to partition: TopicPartition, size: Int, timestamp: Int64, call: SendCall,
        index: Int32, now: NIODeadline
    ) {
        var queue = queues[partition] ?? Queue()
        queues[partition] = nil  // so that the queue is changed in place
        if var last = queue.waiting.popLast() {
            if !last.isClosed, last.attempts == 0, last.size + size <= limits.batchSize {
                let before = last.size
                last.append(record, timestamp: timestamp, call: call, index: index)
                bufferedBytes += last.size - before
                queue.waiting.append(last)
                queues[partition] = queue
                return
            }
            last.isClosed = true
            queue.waiting.append(last)
        }
        var batch = ProducerBatch(
            id: nextID, idSpan: Self.idSpan, partition: partition, created: now, compression: limits.compression)
        nextID += Self.idSpan
        batch.append(record, timestamp: timestamp, call: call, index: index)
        if batch.size >= limits.batchSize { batch.isClosed = true }
        bufferedBytes += batch.size
        openBatches += 1
        queue.waiting.append(batch)
        queues[partition] = queue
    }

    /// All batches that exist now are to be sent without lingering. Returns the last of them.
    mutating func flush() -> UInt64 {
        flushedUpTo = nextID - 1
        return flushedUpTo
    }

    /// Whether a batch up to `id` has not ended.
    func hasOpenBatches(upTo id: UInt64) -> Bool {
        queues.values.contains { queue in
            queue.waiting.contains { $0.id <= id } || queue.inFlight.values.contains { $0.id <= id }
        }
    }

    // MARK: - Sending

    /// Takes out what can be sent now. Every request must end in ``returned(_:_:now:)`` for each of its batches and in
    /// ``finished(_:)``.
    mutating func plan(_ metadata: ClusterMetadata, now: NIODeadline) -> Plan {
        var plan = Plan()
        expire(now: now, &plan)
        var requests: [BrokerNode: Request] = [:]
        var sizes: [BrokerNode: Int] = [:]
        for partition in queues.keys.shuffled() {
            guard var queue = queues[partition], let first = queue.waiting.first else { continue }
            plan.note(first.created + limits.deliveryTimeout)
            if queue.isRecovering {
                guard queue.inFlight.isEmpty else { continue }
                queue.isRecovering = false
                queues[partition] = queue
            }
            guard queue.retryAt <= now else {
                plan.note(queue.retryAt)
                continue
            }
            let lingersUntil = first.created + limits.linger
            let isReady =
                first.isClosed || first.attempts > 0 || queue.waiting.count > 1 || first.id <= flushedUpTo
                || lingersUntil <= now
            guard isReady else {
                plan.note(lingersUntil)
                continue
            }
            guard let topic = metadata.topics[partition.topic], let leader = metadata.leader(of: partition) else {
                plan.staleTopics.insert(partition.topic)
                continue
            }
            let size = sizes[leader] ?? 0
            guard inFlight[leader.address, default: 0] < limits.maxInFlight,
                size == 0 || size + first.size <= limits.maxRequestSize
            else { continue }
            if limits.isIdempotent, queue.identity == nil {
                guard let identity else {
                    plan.needsIdentity = true
                    continue
                }
                queue.identity = identity
                queue.nextSequence = 0
            }
            queues[partition] = nil
            let batch = Self.take(from: &queue)
            queues[partition] = queue
            sizes[leader] = size + batch.size
            var request = requests[leader] ?? Request(node: leader, batches: [], usesTopicIDs: true)
            request.batches.append(batch)
            request.usesTopicIDs = request.usesTopicIDs && topic.id != .zero
            requests[leader] = request
        }
        for (node, _) in requests { inFlight[node.address, default: 0] += 1 }
        plan.requests = Array(requests.values)
        return plan
    }

    private static func take(from queue: inout Queue) -> ProducerBatch {
        var batch = queue.waiting.removeFirst()
        if let identity = queue.identity, batch.identity != identity {
            batch.identity = identity
            batch.baseSequence = queue.nextSequence
            queue.nextSequence = Self.advance(queue.nextSequence, by: batch.count)
        }
        batch.attempts += 1
        batch.isClosed = true
        queue.inFlight[batch.id] = batch
        return batch
    }

    /// Sequence numbers wrap from Int32.max to 0.
    static func advance(_ sequence: Int32, by count: Int32) -> Int32 {
        Int32((Int64(sequence) + Int64(count)) % (Int64(Int32.max) + 1))
    }

    /// Keeps the built bytes of a batch in flight, for repeating it.
    mutating func keep(_ buffer: ByteBuffer, of batch: ProducerBatch) {
        queues[batch.partition]?.inFlight[batch.id]?.buffer = buffer
    }

    private mutating func expire(now: NIODeadline, _ plan: inout Plan) {
        for partition in Array(queues.keys) {
            guard let first = queues[partition]?.waiting.first, first.created + limits.deliveryTimeout <= now else {
                continue
            }
            while let batch = queues[partition]?.waiting.first, batch.created + limits.deliveryTimeout <= now {
                queues[partition]?.waiting.removeFirst()
                plan.ended.append(end(batch, .failure(Self.timedOut(batch)), resetsIdentity: batch.attempts > 0))
            }
        }
    }

    private static func timedOut(_ batch: ProducerBatch) -> KafkaError {
        let reason = batch.lastError.map { ": \($0.message)" } ?? ": the partition's leader could not be reached"
        return KafkaError(
            .timedOut,
            "\(batch.count) record(s) for \(batch.partition) were not delivered within delivery.timeout.ms"
                + reason, isRetriable: false, cause: batch.lastError)
    }

    // MARK: - Answers

    /// A request is over, whatever came of its batches.
    mutating func finished(_ request: Request) {
        inFlight[request.node.address, default: 1] -= 1
        if inFlight[request.node.address] == 0 { inFlight[request.node.address] = nil }
    }

    /// The broker has answered for a batch, or the connection was lost. Returns the batch if that was its end.
    mutating func returned(
        _ sent: ProducerBatch, _ result: Result<(baseOffset: Int64, logAppendTime: Int64), KafkaError>,
        now: NIODeadline, backoff: TimeAmount
    ) -> Ended? {
        guard var batch = queues[sent.partition]?.inFlight.removeValue(forKey: sent.id) else { return nil }
        guard case .failure(let error) = result else { return end(batch, result, resetsIdentity: false) }
        batch.lastError = error
        switch verdict(error, batch) {
        case .end(let resetsIdentity):
            return end(batch, .failure(error), resetsIdentity: resetsIdentity)
        case .duplicate:
            return end(batch, .success((-1, -1)), resetsIdentity: false)
        case .split:
            return split(batch, error)
        case .retry(let resetsIdentity):
            guard batch.attempts <= limits.retries, batch.created + limits.deliveryTimeout > now else {
                let failure = batch.attempts > limits.retries ? error : Self.timedOut(batch)
                return end(batch, .failure(failure), resetsIdentity: true)
            }
            if resetsIdentity { resetIdentity(batch.partition) }
            requeue(batch)
            queues[batch.partition]?.isRecovering = true
            queues[batch.partition]?.retryAt = now + backoff
            return nil
        }
    }

    private enum Verdict {
        case retry(resetsIdentity: Bool)
        case duplicate
        case split
        case end(resetsIdentity: Bool)
    }

    private func verdict(_ error: KafkaError, _ batch: ProducerBatch) -> Verdict {
        switch error.errorCode {
        case .duplicateSequenceNumber?: return .duplicate
        case .messageTooLarge? where batch.count > 1: return .split
        case .outOfOrderSequenceNumber? where limits.isIdempotent:
            // Normal behind a batch that is being repeated. Otherwise the broker has lost what came before, and nothing
            // may be put in its place silently.
            let isBehind =
                queues[batch.partition].map { queue in
                    queue.isRecovering || queue.waiting.contains { $0.id < batch.id && $0.attempts > 0 }
                        || queue.inFlight.keys.contains { $0 < batch.id }
                } ?? false
            return isBehind ? .retry(resetsIdentity: false) : .end(resetsIdentity: true)
        case .unknownProducerId? where limits.isIdempotent, .invalidProducerEpoch? where limits.isIdempotent:
            return .retry(resetsIdentity: true)
        default:
            return error.isRetriable ? .retry(resetsIdentity: false) : .end(resetsIdentity: batch.identity != nil)
        }
    }

    private mutating func split(_ batch: ProducerBatch, _ error: KafkaError) -> Ended? {
        guard let halves = try? batch.split(compression: limits.compression) else {
            return end(batch, .failure(error), resetsIdentity: true)
        }
        resetIdentity(batch.partition)
        bufferedBytes += halves.0.size + halves.1.size - batch.size
        openBatches += 1
        requeue(halves.1)
        requeue(halves.0)
        queues[batch.partition]?.isRecovering = true
        return nil
    }

    private mutating func requeue(_ batch: ProducerBatch) {
        guard var queue = queues[batch.partition] else { return }
        queues[batch.partition] = nil
        let place = queue.waiting.firstIndex { $0.id >= batch.id } ?? queue.waiting.endIndex
        queue.waiting.insert(batch, at: place)
        queues[batch.partition] = queue
    }

    /// The partition goes on under another identity, with sequence numbers from 0. The others keep theirs.
    private mutating func resetIdentity(_ partition: TopicPartition) {
        guard limits.isIdempotent, let old = queues[partition]?.identity else { return }
        queues[partition]?.identity = nil
        queues[partition]?.isRecovering = true
        if identity == old { identity = nil }
    }

    private mutating func end(
        _ batch: ProducerBatch, _ result: Result<(baseOffset: Int64, logAppendTime: Int64), KafkaError>,
        resetsIdentity: Bool
    ) -> Ended {
        if resetsIdentity { resetIdentity(batch.partition) }
        bufferedBytes -= batch.size
        openBatches -= 1
        return Ended(batch: batch, result: result)
    }

    /// Ends everything that waits; what is in flight ends with its answer.
    mutating func failAll(_ error: KafkaError) -> [Ended] {
        var ended: [Ended] = []
        for partition in Array(queues.keys) {
            while let batch = queues[partition]?.waiting.popFirst() {
                ended.append(end(batch, .failure(error), resetsIdentity: false))
            }
        }
        return ended
    }
}

extension RecordAccumulator.Plan {
    mutating func note(_ deadline: NIODeadline) {
        nextCheck = min(nextCheck ?? deadline, deadline)
    }
}
