import KafkaProtocol
public import Logging
import NIOConcurrencyHelpers
public import NIOCore

/// Reads records, alone or as a member of a group.
///
/// Either ``subscribe(_:onRebalance:)`` to topics, whose partitions the group divides among its members, or
/// ``assign(_:)`` partitions. Then ``poll(timeout:)`` again and again, from one task. Fetches go on between polls.
/// Call ``close()`` in the end: it commits (if auto-commit is on) and leaves the group.
public final class KafkaConsumer: Sendable {
    /// Called from within `poll` and `close` when partitions come and go.
    public typealias RebalanceListener = @Sendable (RebalanceEvent) async -> Void

    enum Mode {
        case none
        case assigned
        case subscribed(ConsumerSubscription, listener: RebalanceListener?, membership: ConsumerMembership)
    }

    struct State {
        var mode: Mode = .none
        var fetch = FetchState()
        var isPolling = false
        /// A poll has returned records, and the next one has not come yet.
        var hasHandedOut = false
        /// Nothing more is handed out.
        var isEnding = false
        var endWaiters: [Waiter<Void>] = []
        var isClosed = false
        /// Thrown by the next poll.
        var failure: KafkaError?
        /// What auto-commit may commit: the positions at the start of the last poll.
        var committable: [TopicPartition: OffsetAndMetadata] = [:]
        var committed: [TopicPartition: OffsetAndMetadata] = [:]
        /// What the last round of the group gave, for the `sticky` assignor: given up before the next, and asked back.
        var lastAssigned = StickyUserData(partitions: [], generation: -1)
        /// Partition counts that the leader's last assignment was made with.
        var leaderCounts: [String: Int32]?
        var wantsMetadata = false
        var housekeeper: Task<Void, Never>?
        var retryTimer: NIODeadline?
        var positionWaiters: [(partition: TopicPartition, waiter: Waiter<Int64>)] = []
    }

    /// The configuration it was made with.
    public let configuration: ConsumerConfiguration
    let cluster: ClusterClient
    let ownsCluster: Bool
    let logger: Logger
    let eventLoop: any EventLoop
    let state = NIOLockedValueBox(State())
    /// Its own connections, for fetches.
    let connections: ClusterClient.Purpose
    /// Wakes `poll`.
    let signal: Signal
    /// Wakes the housekeeper.
    let chores: Signal
    let metrics: ConsumerMetrics

    /// Makes a consumer with connections of its own.
    public convenience init(
        configuration: ConsumerConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil, logger: Logger
    ) throws {
        _ = try configuration.client.bootstrapAddresses()
        let cluster = ClusterClient(
            configuration: configuration.client, eventLoopGroup: eventLoopGroup, logger: logger)
        try self.init(configuration: configuration, cluster: cluster, ownsCluster: true, logger: logger)
    }

    /// Makes a consumer on shared connections, which stay open when it is closed.
    public convenience init(
        configuration: ConsumerConfiguration, cluster: ClusterClient, logger: Logger
    ) throws {
        try self.init(configuration: configuration, cluster: cluster, ownsCluster: false, logger: logger)
    }

    private init(
        configuration: ConsumerConfiguration, cluster: ClusterClient, ownsCluster: Bool, logger: Logger
    ) throws {
        guard !configuration.assignors.isEmpty else {
            throw KafkaError(.invalidConfiguration, "partition.assignment.strategy is empty")
        }
        self.configuration = configuration
        self.cluster = cluster
        self.ownsCluster = ownsCluster
        self.logger = logger
        eventLoop = cluster.eventLoopGroup.next()
        connections = cluster.makeOwner()
        signal = Signal(eventLoop: eventLoop)
        chores = Signal(eventLoop: eventLoop)
        metrics = ConsumerMetrics(clientID: configuration.client.clientID, groupID: configuration.groupID)
    }

    // MARK: - What to read

    /// Joins the group and reads its share of these topics. May be called again with other topics.
    public func subscribe(_ topics: [String], onRebalance listener: RebalanceListener? = nil) async throws {
        try subscribe(ConsumerSubscription(topics: topics), listener)
    }

    /// Joins the group and reads its share of all topics that match, also of those that come to be later: the cluster is
    /// asked every `metadata.max.age.ms`. With `group.protocol=consumer` the coordinator matches regular expressions.
    public func subscribe(
        matching pattern: TopicPattern, onRebalance listener: RebalanceListener? = nil
    ) async throws {
        if configuration.groupProtocol == .consumer, let text = pattern.text {
            try subscribe(ConsumerSubscription(topics: [], serverPattern: text), listener)
        } else {
            let topics = try await cluster.retrying { try await matchingTopics(pattern) }
            try subscribe(ConsumerSubscription(topics: topics, pattern: pattern), listener)
        }
    }

    private func subscribe(_ subscription: ConsumerSubscription, _ listener: RebalanceListener?) throws {
        guard let groupID = configuration.groupID else {
            throw KafkaError(.invalidConfiguration, "subscribe needs group.id; use assign to read without a group")
        }
        try state.withLockedValue { state in
            guard !state.isClosed else { throw KafkaError.closed("the consumer") }
            switch state.mode {
            case .assigned:
                throw KafkaError(.invalidState, "the consumer has assigned partitions; unsubscribe before subscribing")
            case .subscribed(_, let old, let membership):
                state.mode = .subscribed(subscription, listener: listener ?? old, membership: membership)
                membership.subscriptionChanged(subscription, reason: "the subscription changed")
            case .none:
                state.mode = .subscribed(
                    subscription, listener: listener, membership: makeMembership(groupID, subscription))
            }
            state.wantsMetadata = true
            startHousekeeper(&state)
        }
        chores.notify()
        signal.notify()
    }

    /// Reads these partitions, outside of any group. May be called again; partitions that stay keep their positions.
    public func assign(_ partitions: [TopicPartition]) async throws {
        let hasGroup = configuration.groupID != nil
        try state.withLockedValue { state in
            guard !state.isClosed else { throw KafkaError.closed("the consumer") }
            if case .subscribed = state.mode {
                throw KafkaError(.invalidState, "the consumer has subscribed; unsubscribe before assigning")
            }
            state.mode = .assigned
            state.fetch.assign(partitions, need: hasGroup ? .committed : .reset)
            state.wantsMetadata = true
            startHousekeeper(&state)
        }
        chores.notify()
        signal.notify()
    }

    /// Leaves the group or drops the assigned partitions.
    public func unsubscribe() async {
        await leaveGroup(commit: configuration.enableAutoCommit)
        state.withLockedValue { state in
            state.mode = .none
            state.fetch.assign([], need: .reset)
            state.leaderCounts = nil
        }
    }

    /// The partitions it reads now.
    public var assignment: [TopicPartition] { state.withLockedValue { $0.fetch.assignment } }

    /// Who this consumer is in its group, for ``KafkaProducer/sendOffsets(_:group:)``; nil without `group.id`.
    public var groupMetadata: ConsumerGroupMetadata? {
        guard let groupID = configuration.groupID else { return nil }
        var credentials: (memberID: String, generation: Int32)?
        if case .subscribed(_, _, let membership) = state.withLockedValue({ $0.mode }) {
            credentials = membership.credentials
        }
        return ConsumerGroupMetadata(
            groupID: groupID, generation: credentials?.generation ?? -1, memberID: credentials?.memberID ?? "",
            instanceID: configuration.groupInstanceID)
    }

    // MARK: - Closing

    /// No poll hands out anything more, and the sequences end.
    package func endReading() {
        state.withLockedValue { $0.isEnding = true }
        signal.notify()
    }

    /// Lets the reader come to its end in good order, before ``close(leavesGroup:)``: ``endReading()``, then a wait until
    /// what was handed out before is done with, which the next poll shows, or until `timeout` has passed or the task is
    /// cancelled.
    package func finishReading(timeout: Duration = .seconds(30)) async {
        endReading()
        let waiter = Waiter<Void>()
        let isOver = state.withLockedValue { state in
            guard state.isPolling || state.hasHandedOut else { return true }
            state.endWaiters.append(waiter)
            return false
        }
        guard !isOver else { return }
        let alarm = eventLoop.scheduleTask(in: TimeAmount(timeout)) { waiter.finish(.success(())) }
        defer { alarm.cancel() }
        try? await waiter.value()
    }

    /// Commits if auto-commit is on, leaves the group, closes the connections. Also works in a cancelled task.
    ///
    /// - Parameter leavesGroup: a static member leaves its group too, which it otherwise does not (KIP-1092).
    public func close(leavesGroup: Bool = false) async {
        let wasOpen = state.withLockedValue { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard wasOpen else { return }
        signal.notify()
        // Not a child of this task: a cancelled caller still leaves the group in good order.
        await Task { await self.shutDown(leavesGroup: leavesGroup) }.value
    }

    private func shutDown(leavesGroup: Bool) async {
        let housekeeper = state.withLockedValue { $0.housekeeper }
        housekeeper?.cancel()
        await housekeeper?.value
        await leaveGroup(commit: configuration.enableAutoCommit, evenIfStatic: leavesGroup)
        state.withLockedValue { $0.fetch.assign([], need: .reset) }
        settlePositionWaiters(.closed("the consumer"))
        cluster.release(connections)
        if ownsCluster { cluster.close() }
    }

    private func leaveGroup(commit: Bool, evenIfStatic: Bool = false) async {
        let mode = state.withLockedValue { $0.mode }
        if commit, configuration.groupID != nil {
            do {
                try await commitPositions(timeout: .seconds(5))
            } catch {
                logger.warning("the last commit failed; records may be read again", metadata: ["error": "\(error)"])
            }
        }
        guard case .subscribed(_, let listener, let membership) = mode else { return }
        let held = assignment
        if !held.isEmpty { await listener?(.revoked(held)) }
        await membership.leave(reason: "the consumer is being closed", evenIfStatic: evenIfStatic)
    }
}
