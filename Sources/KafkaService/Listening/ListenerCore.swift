import DequeModule
import KafkaClient
import KafkaProtocol
import NIOConcurrencyHelpers

/// A partition that the listener has, from its assignment to its revocation. Guarded by ``ListenerCore``'s lock.
final class AssignedPartition: @unchecked Sendable {
    let topicPartition: TopicPartition
    /// 0 for the topic itself, else the number of the retry topic.
    let stage: Int
    /// Tells lanes of different partitions apart.
    let lane: Int
    var tracker = CommitTracker()
    /// Records of a retry topic that are not due yet, with their times in ms since 1970.
    var delayed: Deque<(record: Record, due: Int64)> = []
    var highWatermark: Int64 = -1
    var running = 0
    var isPaused = false
    /// Set once others may have the partition: what is under way no longer counts.
    var isRevoked = false

    init(_ topicPartition: TopicPartition, stage: Int, lane: Int) {
        self.topicPartition = topicPartition
        self.stage = stage
        self.lane = lane
    }
}

/// Records of one partition for one call of a handler.
struct ListenerWork: Sendable {
    var partition: AssignedPartition
    var records: ArraySlice<Record>
}

/// What a listener knows: its partitions, the work that waits, the workers that wait. One lock guards all of it; the
/// listener does the waiting and the IO.
final class ListenerCore: Sendable {
    struct State: Sendable {
        var dispatcher = KeyedDispatcher<ListenerWork>()
        var partitions: [TopicPartition: AssignedPartition] = [:]
        var assignments = 0
        var idle: Deque<CheckedContinuation<Void, Never>> = []
        var drained: [(partitions: [AssignedPartition], waiter: CheckedContinuation<Void, Never>)] = []
        var pending = 0
        var isStopping = false
        var isPaused = false
        var health = ListenerHealth.State.starting
        var lastError: String?
    }

    let state = NIOLockedValueBox(State())
    /// How records are put on lanes.
    let ordering: ListenerOrdering
    let isConcurrent: Bool
    let isBatch: Bool
    let maximumBatch: Int
    /// The stage of each topic that is subscribed to.
    let stages: [String: Int]

    init(_ configuration: ListenerConfiguration, isBatch: Bool, stages: [String: Int]) {
        ordering = isBatch ? .partition : configuration.ordering
        isConcurrent = configuration.concurrency > 1
        maximumBatch = configuration.maximumBatch
        self.isBatch = isBatch
        self.stages = stages
    }

    // MARK: - Partitions

    func assign(_ added: [TopicPartition]) {
        state.withLockedValue { state in
            for partition in added {
                state.assignments += 1
                state.partitions[partition] = AssignedPartition(
                    partition, stage: stages[partition.topic] ?? 0, lane: state.assignments)
            }
        }
    }

    /// Takes partitions out of work: what waits is dropped. Their handlers that run may still be waited for.
    func beginRevocation(_ revoked: [TopicPartition]) -> [AssignedPartition] {
        state.withLockedValue { state in
            let gone = revoked.compactMap { state.partitions[$0] }
            let ids = Set(gone.map { ObjectIdentifier($0) })
            state.dispatcher.drop { ids.contains(ObjectIdentifier($0.partition)) }
            for partition in gone { partition.delayed.removeAll() }
            return gone
        }
    }

    /// Waits until no handler of these partitions runs, or the partitions are given up by ``endRevocation(_:)``.
    func waitUntilDrained(_ partitions: [AssignedPartition]) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isDrained = state.withLockedValue { state in
                if partitions.allSatisfy({ $0.running == 0 || $0.isRevoked }) { return true }
                state.drained.append((partitions, continuation))
                return false
            }
            if isDrained { continuation.resume() }
        }
    }

    /// Others have these partitions from now on.
    func endRevocation(_ gone: [AssignedPartition]) {
        let waiters = state.withLockedValue { state in
            for partition in gone where !partition.isRevoked {
                partition.isRevoked = true
                state.pending -= partition.tracker.pending
                if state.partitions[partition.topicPartition] === partition {
                    state.partitions[partition.topicPartition] = nil
                }
            }
            return Self.takeDrained(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Those who wait for handlers wait no longer.
    func abandonWaits() {
        let waiters = state.withLockedValue { state in
            defer { state.drained = [] }
            return state.drained.map(\.waiter)
        }
        for waiter in waiters { waiter.resume() }
    }

    private static func takeDrained(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        guard !state.drained.isEmpty else { return [] }
        var waiters: [CheckedContinuation<Void, Never>] = []
        state.drained.removeAll { entry in
            guard entry.partitions.allSatisfy({ $0.running == 0 || $0.isRevoked }) else { return false }
            waiters.append(entry.waiter)
            return true
        }
        return waiters
    }

    // MARK: - Work

    /// Takes polled records: puts them on their lanes, or aside until they are due.
    func accept(_ batches: [ConsumerBatch], now: Int64) {
        let partitions = state.withLockedValue { $0.partitions }
        for batch in batches {
            guard let partition = partitions[batch.topicPartition] else { continue }
            // Cut and hashed before the lock is taken, for which all workers wait.
            let work = partition.stage == 0 ? pieces(of: batch, partition) : []
            let waiters = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
                guard state.partitions[batch.topicPartition] === partition else { return [] }
                partition.highWatermark = batch.highWatermark
                state.pending -= partition.tracker.pending
                for record in batch.records { partition.tracker.begin(record.offset) }
                state.pending += partition.tracker.pending
                for piece in work { state.dispatcher.enqueue(piece.work, lane: piece.lane) }
                if partition.stage > 0 { acceptRetries(batch, partition, now: now, &state) }
                return wakeWorkers(&state)
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    /// One record each, or for batch handlers as many as they take.
    private func pieces(of batch: ConsumerBatch, _ partition: AssignedPartition) -> [(work: ListenerWork, lane: Int)] {
        var pieces: [(work: ListenerWork, lane: Int)] = []
        let size = isBatch ? maximumBatch : 1
        pieces.reserveCapacity(batch.records.count / size + 1)
        for start in stride(from: batch.records.startIndex, to: batch.records.endIndex, by: size) {
            let end = min(start + size, batch.records.endIndex)
            let work = ListenerWork(partition: partition, records: batch.records[start..<end])
            pieces.append((work, lane(of: work)))
        }
        return pieces
    }

    /// Records of a retry topic wait until they are due, each behind those before it.
    private func acceptRetries(_ batch: ConsumerBatch, _ partition: AssignedPartition, now: Int64, _ state: inout State)
    {
        for record in batch.records {
            let due = RetryHeaders.integer(record.headers, RetryHeaders.due) ?? 0
            if due > now || !partition.delayed.isEmpty {
                partition.delayed.append((record, due))
            } else {
                enqueue(ListenerWork(partition: partition, records: [record]), &state)
            }
        }
    }

    /// Puts what has become due on its lane. Returns when the next record is due, if one waits.
    func releaseDue(now: Int64) -> Int64? {
        let (next, waiters) = state.withLockedValue { state -> (Int64?, [CheckedContinuation<Void, Never>]) in
            var next: Int64?
            for partition in state.partitions.values {
                while let first = partition.delayed.first {
                    guard first.due <= now else {
                        next = min(next ?? first.due, first.due)
                        break
                    }
                    partition.delayed.removeFirst()
                    enqueue(ListenerWork(partition: partition, records: [first.record]), &state)
                }
            }
            return (next, wakeWorkers(&state))
        }
        for waiter in waiters { waiter.resume() }
        return next
    }

    private func enqueue(_ work: ListenerWork, _ state: inout State) {
        state.dispatcher.enqueue(work, lane: lane(of: work))
    }

    private func lane(of work: ListenerWork) -> Int {
        guard isConcurrent else { return 0 }
        switch ordering {
        case .partition: return work.partition.lane
        case .key:
            // The hash stands for the key: two keys that share one merely wait for each other.
            var hasher = Hasher()
            hasher.combine(work.partition.lane)
            hasher.combine(work.records.first?.key)
            return hasher.finalize()
        case .none:
            var hasher = Hasher()
            hasher.combine(work.partition.lane)
            hasher.combine(work.records.first?.offset)
            return hasher.finalize()
        }
    }

    private func wakeWorkers(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        var waiters: [CheckedContinuation<Void, Never>] = []
        while waiters.count < state.dispatcher.readyLanes, let waiter = state.idle.popFirst() { waiters.append(waiter) }
        return waiters
    }

    /// Ends a piece of work and takes the next; nil when there is none at the moment.
    ///
    /// - Parameter done: The offset of the piece's record if that is done now: told here, it costs no lock of its own.
    func next(
        after finished: (work: ListenerWork, lane: Int)? = nil, done: Int64? = nil
    ) -> (work: ListenerWork, lane: Int)? {
        let (next, waiters) = state.withLockedValue { state in
            var waiters: [CheckedContinuation<Void, Never>] = []
            if let finished {
                if let done { Self.finish(CollectionOfOne(done), of: finished.work.partition, &state) }
                state.dispatcher.finish(lane: finished.lane)
                finished.work.partition.running -= 1
                waiters = Self.takeDrained(&state)
            }
            guard !state.isStopping, let next = state.dispatcher.next() else {
                return ((work: ListenerWork, lane: Int)?.none, waiters)
            }
            next.work.partition.running += 1
            return (next, waiters)
        }
        for waiter in waiters { waiter.resume() }
        return next
    }

    /// Waits for work. Returns false when the listener stops.
    func waitForWork() async -> Bool {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isOver = state.withLockedValue { state in
                if state.isStopping || state.dispatcher.hasReady { return true }
                state.idle.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
        return state.withLockedValue { !$0.isStopping }
    }

    /// The records at these offsets are done.
    func finish(_ offsets: some Sequence<Int64>, of partition: AssignedPartition) {
        state.withLockedValue { Self.finish(offsets, of: partition, &$0) }
    }

    private static func finish(
        _ offsets: some Sequence<Int64>, of partition: AssignedPartition, _ state: inout State
    ) {
        guard !partition.isRevoked else { return }
        let before = partition.tracker.pending
        for offset in offsets { partition.tracker.finish(offset) }
        state.pending -= before - partition.tracker.pending
    }

    /// Whether this work is pointless: its partition is another member's, or the listener stops.
    func isAbandoned(_ work: ListenerWork) -> Bool {
        state.withLockedValue { $0.isStopping || work.partition.isRevoked }
    }

    /// No more work is handed out; workers that wait end.
    func stop() {
        let waiters = state.withLockedValue { state in
            state.isStopping = true
            defer { state.idle = [] }
            return state.idle
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Offsets

    /// What can be committed of these partitions, or of all.
    func committable(_ partitions: [AssignedPartition]? = nil) -> [TopicPartition: OffsetAndMetadata] {
        state.withLockedValue { state in
            var offsets: [TopicPartition: OffsetAndMetadata] = [:]
            for partition in partitions ?? Array(state.partitions.values) where partition.tracker.needsCommit {
                guard let offset = partition.tracker.committable else { continue }
                offsets[partition.topicPartition] = OffsetAndMetadata(offset: offset)
            }
            return offsets
        }
    }

    func didCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) {
        state.withLockedValue { state in
            for (partition, offset) in offsets { state.partitions[partition]?.tracker.didCommit(offset.offset) }
        }
    }

    // MARK: - Health

    /// Messages that are read and not done.
    var pending: Int { state.withLockedValue { $0.pending } }

    /// Keeps an error for the health check.
    func note(_ error: any Error) {
        let text = RetryHeaders.reason(error)
        state.withLockedValue { $0.lastError = text }
    }

    // MARK: - Pausing

    /// Which partitions the consumer must pause and resume so that it reads what is wanted.
    func pauses(hasRoom: Bool) -> (pause: [TopicPartition], resume: [TopicPartition]) {
        state.withLockedValue { state in
            var (pause, resume): ([TopicPartition], [TopicPartition]) = ([], [])
            for partition in state.partitions.values {
                let isPaused = state.isPaused || !hasRoom || !partition.delayed.isEmpty
                guard isPaused != partition.isPaused else { continue }
                partition.isPaused = isPaused
                if isPaused { pause.append(partition.topicPartition) } else { resume.append(partition.topicPartition) }
            }
            return (pause, resume)
        }
    }
}
