import DequeModule
import KafkaProtocol
import NIOCore

/// What is assigned, how far each partition has been read, and what waits to be handed out. Pure: plans fetches and
/// takes their answers, but sends nothing.
struct FetchState {
    /// Why a partition can't be fetched yet.
    enum Need: Equatable, Sendable {
        /// Its committed offset must be asked for.
        case committed
        /// It must be set to what ListOffsets answers.
        case lookup(OffsetSpec)
        /// It must be set as `auto.offset.reset` says.
        case reset
    }

    struct Partition {
        /// The next offset to hand out; nil until known.
        var position: Int64?
        var need: Need?
        /// Counts seeks and assignments, so that late answers are dropped.
        var epoch: UInt64
        var fetchOffset: Int64 = 0
        var leaderEpoch: Int32 = -1
        var highWatermark: Int64 = -1
        var chunks: Deque<FetchedChunk> = []
        var bufferedBytes = 0
        var isPaused = false
        var retryAt: NIODeadline = .uptimeNanoseconds(0)
    }

    /// One partition of a planned fetch.
    struct Target: Sendable {
        var partition: TopicPartition
        var topicID: KafkaUUID
        var epoch: UInt64
        var offset: Int64
        var leaderEpoch: Int32
    }

    /// One fetch to send.
    struct Plan: Sendable {
        var node: BrokerNode
        var targets: [Target]
        var usesTopicIDs: Bool
    }

    /// Limits that bound what is kept ahead.
    struct Limits {
        var partitionBytes: Int
        var totalBytes: Int
    }

    private(set) var partitions: [TopicPartition: Partition] = [:]
    /// In which order partitions are served; rotates.
    private(set) var order: Deque<TopicPartition> = []
    private var inFlight: Set<HostPort> = []
    private var bufferedBytes = 0
    private var epochs: UInt64 = 0

    /// What is assigned, sorted.
    var assignment: [TopicPartition] { partitions.keys.sorted() }

    // MARK: - Assignment and positions

    /// Takes a new assignment. Partitions that stay keep their state; new ones have `need`.
    mutating func assign(_ assigned: [TopicPartition], need: Need) {
        let wanted = Set(assigned)
        for (partition, state) in partitions where !wanted.contains(partition) {
            bufferedBytes -= state.bufferedBytes
            partitions[partition] = nil
        }
        order.removeAll { !wanted.contains($0) }
        for partition in assigned where partitions[partition] == nil {
            epochs += 1
            partitions[partition] = Partition(need: need, epoch: epochs)
            order.append(partition)
        }
    }

    /// Moves a partition; what was fetched for it is dropped.
    mutating func seek(_ partition: TopicPartition, to offset: Int64?, need: Need?) {
        guard var state = partitions[partition] else { return }
        epochs += 1
        state.epoch = epochs
        bufferedBytes -= state.bufferedBytes
        state.bufferedBytes = 0
        state.chunks = []
        state.position = offset
        state.fetchOffset = offset ?? 0
        state.leaderEpoch = -1
        state.need = need
        state.retryAt = .uptimeNanoseconds(0)
        partitions[partition] = state
    }

    /// Sets a position that was looked up, unless the partition was moved in the meantime.
    mutating func resolve(_ partition: TopicPartition, epoch: UInt64, offset: Int64) {
        guard partitions[partition]?.epoch == epoch else { return }
        seek(partition, to: offset, need: nil)
    }

    /// Changes what a partition needs, unless it was moved in the meantime.
    mutating func setNeed(_ partition: TopicPartition, epoch: UInt64, _ need: Need) {
        guard partitions[partition]?.epoch == epoch else { return }
        partitions[partition]?.need = need
    }

    mutating func setPaused(_ partition: TopicPartition, _ isPaused: Bool) {
        partitions[partition]?.isPaused = isPaused
    }

    mutating func delay(_ partition: TopicPartition, until deadline: NIODeadline) {
        partitions[partition]?.retryAt = deadline
    }

    /// Positions of all partitions that have one.
    func positions() -> [TopicPartition: OffsetAndMetadata] {
        var result: [TopicPartition: OffsetAndMetadata] = [:]
        for (partition, state) in partitions {
            guard let position = state.position else { continue }
            result[partition] = OffsetAndMetadata(offset: position, leaderEpoch: state.leaderEpoch)
        }
        return result
    }

    // MARK: - Fetching

    /// The fetches to send now: one per leader that has none in flight. A leader is left alone while any of its
    /// partitions has enough buffered: a long poll without that partition would hold it up once it is drained.
    mutating func plan(
        _ metadata: ClusterMetadata, limits: Limits, now: NIODeadline
    ) -> (plans: [Plan], lacksLeader: Bool, nextRetry: NIODeadline?) {
        var lacksLeader = false
        var nextRetry: NIODeadline?
        var full: Set<HostPort> = []
        var targets: [BrokerNode: [Target]] = [:]
        guard bufferedBytes < limits.totalBytes else { return ([], false, nil) }
        for partition in order {
            guard let state = partitions[partition], state.position != nil, state.need == nil, !state.isPaused else {
                continue
            }
            if state.retryAt > now {
                nextRetry = min(nextRetry ?? state.retryAt, state.retryAt)
                continue
            }
            guard let topic = metadata.topics[partition.topic], let leader = metadata.leader(of: partition) else {
                lacksLeader = true
                continue
            }
            if state.bufferedBytes >= limits.partitionBytes { full.insert(leader.address) }
            targets[leader, default: []].append(
                Target(
                    partition: partition, topicID: topic.id, epoch: state.epoch, offset: state.fetchOffset,
                    leaderEpoch: topic.partition(partition.partition)?.leaderEpoch ?? -1))
        }
        var plans: [Plan] = []
        for (node, targets) in targets where !full.contains(node.address) && !inFlight.contains(node.address) {
            inFlight.insert(node.address)
            plans.append(
                Plan(node: node, targets: targets, usesTopicIDs: targets.allSatisfy { $0.topicID != .zero }))
        }
        return (plans, lacksLeader, nextRetry)
    }

    /// The fetch of a plan has ended, one way or the other.
    mutating func finished(_ plan: Plan) {
        inFlight.remove(plan.node.address)
    }

    /// Whether an answer for this target still counts.
    func isCurrent(_ target: Target) -> Bool { partitions[target.partition]?.epoch == target.epoch }

    /// Takes in what came for a partition.
    mutating func received(_ target: Target, chunk: FetchedChunk, nextOffset: Int64) {
        guard var state = partitions[target.partition], state.epoch == target.epoch else { return }
        state.fetchOffset = nextOffset
        state.highWatermark = chunk.highWatermark
        state.bufferedBytes += chunk.size
        bufferedBytes += chunk.size
        state.chunks.append(chunk)
        partitions[target.partition] = state
    }

    mutating func setHighWatermark(_ target: Target, _ value: Int64) {
        guard partitions[target.partition]?.epoch == target.epoch else { return }
        partitions[target.partition]?.highWatermark = value
    }

    // MARK: - Handing out

    /// The next chunk to decode, of the partition whose turn it is; it must be given back or dropped.
    mutating func takeChunk() -> (partition: TopicPartition, epoch: UInt64, position: Int64, chunk: FetchedChunk)? {
        for _ in 0..<order.count {
            guard let partition = order.first else { return nil }
            if var state = partitions[partition], !state.isPaused, let position = state.position,
                let chunk = state.chunks.popFirst()
            {
                partitions[partition] = state
                return (partition, state.epoch, position, chunk)
            }
            order.append(order.removeFirst())
        }
        return nil
    }

    /// A chunk was decoded up to `nextOffset`; what is left of it comes first next time. False if the partition was
    /// moved meanwhile: then the records must not be handed out.
    mutating func advance(
        _ partition: TopicPartition, epoch: UInt64, to nextOffset: Int64, leaderEpoch: Int32, rest: FetchedChunk?,
        size: Int
    ) -> Bool {
        guard var state = partitions[partition], state.epoch == epoch else { return false }
        state.position = max(nextOffset, state.position ?? nextOffset)
        if leaderEpoch >= 0 { state.leaderEpoch = leaderEpoch }
        if let rest {
            state.chunks.prepend(rest)
        } else {
            state.bufferedBytes -= size
            bufferedBytes -= size
        }
        partitions[partition] = state
        return true
    }

    /// The partition was served: others come first next time.
    mutating func rotate() {
        if !order.isEmpty { order.append(order.removeFirst()) }
    }
}
