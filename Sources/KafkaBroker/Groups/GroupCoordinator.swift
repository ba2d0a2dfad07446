import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore

/// Serves the groups of both protocols and their offsets.
///
/// All groups live on one event loop, so no lock is needed and requests of a group cannot overtake each other; `run`
/// gets there. Handlers talk to `Groups`, which is what the loop owns.
final class GroupCoordinator: Sendable {
    private let eventLoop: any EventLoop
    private let groups: NIOLoopBoundBox<Groups?>
    private let make: @Sendable () -> Groups

    init(
        configuration: BrokerConfiguration, topics: TopicRegistry, flusher: LogFlusher, eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.eventLoop = eventLoop
        groups = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
        make = {
            Groups(
                configuration: configuration,
                store: CoordinatorTopic(
                    .offsets, configuration: configuration, topics: topics, flusher: flusher, eventLoop: eventLoop),
                eventLoop: eventLoop, logger: logger)
        }
    }

    /// Runs something on the groups' event loop, at once if that is where we are.
    func run(_ body: @escaping @Sendable (Groups) -> Void) {
        if eventLoop.inEventLoop {
            body(onLoop)
        } else {
            eventLoop.execute { body(self.onLoop) }
        }
    }

    /// Ends the groups' timers.
    func stop() async {
        try? await eventLoop.submit { self.groups.value?.stop() }.get()
    }

    /// The groups, for who is on their event loop already.
    var onLoop: Groups {
        if let groups = groups.value { return groups }
        let made = make()
        groups.value = made
        return made
    }
}

/// The groups, on their event loop.
final class Groups {
    /// A group with what belongs to it outside the state machine.
    final class Entry {
        var group: ClassicGroup
        /// The group, if it is one of the consumer protocol; `group` has no members then.
        var consumer: ConsumerGroup?
        /// Whether the offsets topic lacks what a failed write has left out.
        var mustWriteAll = false
        var offsets: [OffsetKey: CommittedOffset] = [:]
        /// What open transactions have committed, by producer id: in force when they are.
        var pendingOffsets: [Int64: [OffsetKey: CommittedOffset]] = [:]
        /// When the group last became empty, by the wall clock.
        var emptySince: Int64
        var timer: Scheduled<Void>?
        var timerDeadline: Int64 = .max

        init(_ group: ClassicGroup, emptySince: Int64) {
            self.group = group
            self.emptySince = emptySince
        }
    }

    let configuration: BrokerConfiguration
    let store: CoordinatorTopic
    let eventLoop: any EventLoop
    let logger: Logger
    var entries: [String: Entry] = [:]
    private(set) var loaded: Set<Int32> = []
    private var isStopped = false
    private var nextToken: ClassicGroup.Token = 0
    private var joinAnswers: [ClassicGroup.Token: (ClassicGroup.JoinOutcome) -> Void] = [:]
    private var syncAnswers: [ClassicGroup.Token: (ClassicGroup.SyncOutcome) -> Void] = [:]

    init(configuration: BrokerConfiguration, store: CoordinatorTopic, eventLoop: any EventLoop, logger: Logger) {
        self.configuration = configuration
        self.store = store
        self.eventLoop = eventLoop
        self.logger = logger
    }

    // MARK: Finding groups

    /// The group, after what the offsets topic remembers of its partition has been read.
    func entry(_ id: String) throws(Refusal) -> Entry? {
        try load(store.partition(of: id))
        return entries[id]
    }

    func entryOrNew(_ id: String) throws(Refusal) -> Entry {
        if let entry = try entry(id) { return entry }
        let group = ClassicGroup(id: id, initialRebalanceDelay: configuration.groupInitialRebalanceDelay)
        let entry = Entry(group, emptySince: WallClock.now())
        entries[id] = entry
        return entry
    }

    /// Reads every partition of the offsets topic that exists.
    func loadAll() throws(Refusal) {
        for partition in try store.existingPartitions() { try load(partition) }
    }

    private func load(_ partition: Int32) throws(Refusal) {
        guard !loaded.contains(partition) else { return }
        var replay = GroupReplay()
        try store.replay(partition) { entry throws(WireError) in try replay.take(entry) }
        loaded.insert(partition)
        let now = SteadyClock.now()
        for id in replay.groups {
            let value = replay.metadata[id] ?? GroupMetadataValue()
            let group = ClassicGroup(
                id: id, restoring: value, initialRebalanceDelay: configuration.groupInitialRebalanceDelay, now: now)
            let since = value.currentStateTimestamp
            let entry = Entry(group, emptySince: max(0, since))
            entry.offsets = replay.offsets[id] ?? [:]
            entry.consumer = replay.consumers[id]
            entry.consumer?.restart(
                now: now, limits: store.topics.groupConfigs.limits(of: id, configuration.consumerGroupLimits))
            for (producer, offsets) in replay.pending { entry.pendingOffsets[producer] = offsets[id] }
            entries[id] = entry
            schedule(entry)
        }
    }

    // MARK: Carrying out actions

    func awaitJoin(_ answer: @escaping (ClassicGroup.JoinOutcome) -> Void) -> ClassicGroup.Token {
        nextToken += 1
        joinAnswers[nextToken] = answer
        return nextToken
    }

    func awaitSync(_ answer: @escaping (ClassicGroup.SyncOutcome) -> Void) -> ClassicGroup.Token {
        nextToken += 1
        syncAnswers[nextToken] = answer
        return nextToken
    }

    func perform(_ actions: [ClassicGroup.Action], _ entry: Entry) {
        for action in actions {
            switch action {
            case .answerJoin(let token, let outcome):
                joinAnswers.removeValue(forKey: token)?(outcome)
            case .answerSync(let token, let outcome):
                syncAnswers.removeValue(forKey: token)?(outcome)
            case .persist(let generation, let assignments):
                persist(entry, assignments: assignments) { error in
                    let now = SteadyClock.now()
                    self.perform(entry.group.persisted(generation: generation, error: error, now: now), entry)
                }
            case .persistInBackground:
                if entry.group.state == .empty { entry.emptySince = WallClock.now() }
                persist(entry, assignments: nil) { error in
                    guard error != .none else { return }
                    self.logger.warning(
                        "a group could not be written", metadata: ["group": "\(entry.group.id)", "error": "\(error)"])
                }
            }
        }
        schedule(entry)
    }

    private func persist(
        _ entry: Entry, assignments: [String: ByteBuffer]?, _ done: @escaping (ErrorCode) -> Void
    ) {
        do {
            let record = try GroupRecords.group(entry.group, assignments: assignments, now: WallClock.now())
            store.append([record], group: entry.group.id, done)
        } catch {
            logger.error("a group cannot be encoded", metadata: ["group": "\(entry.group.id)", "error": "\(error)"])
            done(.unknownServerError)
        }
    }

    /// Sets the timer to the group's next deadline. A deadline that moved later is noticed when the old one rings.
    func schedule(_ entry: Entry) {
        let deadlines = [entry.group.nextDeadline, entry.consumer?.nextDeadline].compactMap(\.self)
        guard !isStopped, let deadline = deadlines.min() else {
            entry.timer?.cancel()
            entry.timer = nil
            entry.timerDeadline = .max
            return
        }
        if entry.timer != nil && entry.timerDeadline <= deadline { return }
        entry.timer?.cancel()
        entry.timerDeadline = deadline
        let delay = max(1, deadline - SteadyClock.now())
        entry.timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
            entry.timer = nil
            entry.timerDeadline = .max
            let now = SteadyClock.now()
            if entry.consumer != nil { self.expireConsumers(entry, now: now) }
            self.perform(entry.group.expire(now: now), entry)
        }
    }

    /// Ends all timers; nothing is expired any more.
    func stop() {
        isStopped = true
        for entry in entries.values {
            entry.timer?.cancel()
            entry.timer = nil
        }
    }

    /// Drops a group and its timer.
    func forget(_ id: String) {
        entries.removeValue(forKey: id)?.timer?.cancel()
    }
}
