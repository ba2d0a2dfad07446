import KafkaProtocol
public import Logging
import NIOConcurrencyHelpers
public import NIOCore

/// Membership in a classic group, for consumers and, with another protocol type, for Connect workers.
///
/// The owner asks for events and acts on them in its own time; joining and heartbeats go on behind its back.
public final class GroupMembership: Sendable {
    /// Computes every member's part. Runs on the leader only.
    public typealias Assign =
        @Sendable (_ protocolName: String, _ members: [GroupMember]) async throws -> [String: ByteBuffer]

    struct State {
        var machine: ClassicGroupStateMachine
        var events: [GroupEvent] = []
        var failure: KafkaError?
        var joinTask: Task<Void, Never>?
        var heartbeatTask: Task<Void, Never>?
        var announcedJoin = false
        var lastPoll: NIODeadline = .now()
        var isExpelledByPollInterval = false
        var lastContact: NIODeadline?
    }

    /// How this member behaves.
    public let configuration: GroupConfiguration
    let cluster: ClusterClient
    let logger: Logger
    let state: NIOLockedValueBox<State>
    /// Its own connections: a join may wait for minutes.
    let connections: ClusterClient.Purpose
    private let signal: Signal
    private let onEvent: (@Sendable () -> Void)?

    /// Makes a member that has not joined yet. `onEvent` is called whenever ``takeEvent()`` may have something new.
    public init(
        cluster: ClusterClient, configuration: GroupConfiguration, logger: Logger,
        onEvent: (@Sendable () -> Void)? = nil
    ) {
        self.cluster = cluster
        self.configuration = configuration
        self.logger = logger
        self.onEvent = onEvent
        connections = cluster.makeOwner()
        signal = Signal(eventLoop: cluster.eventLoopGroup.next())
        state = NIOLockedValueBox(
            State(
                machine: ClassicGroupStateMachine(
                    groupID: configuration.groupID, protocolType: configuration.protocolType)))
    }

    /// Member id and generation while in the group.
    public var credentials: (memberID: String, generation: Int32)? {
        state.withLockedValue { $0.machine.credentials }
    }

    /// Whether the member is in the group and no rebalance is under way.
    public var isStable: Bool {
        state.withLockedValue { $0.machine.phase == .stable && !$0.machine.needsJoin }
    }

    /// How long ago a request was sent that the coordinator has answered as to a member of the group; nil before there
    /// was one. An owner that must not act once it has been replaced compares it with the session time-out.
    public var timeSinceContact: Duration? {
        state.withLockedValue { $0.lastContact }.map { .nanoseconds((NIODeadline.now() - $0).nanoseconds) }
    }

    /// The next event, if there is one. Throws what makes membership impossible (authorisation, fencing, …).
    public func takeEvent() throws -> GroupEvent? {
        let outcome: Result<GroupEvent?, KafkaError> = state.withLockedValue { state in
            state.lastPoll = .now()
            if let failure = state.failure {
                state.failure = nil
                state.announcedJoin = false
                return .failure(failure)
            }
            if !state.events.isEmpty { return .success(state.events.removeFirst()) }
            if state.machine.needsJoin, !state.announcedJoin, let reason = state.machine.rejoinReason {
                state.announcedJoin = true
                return .success(.joinNeeded(reason: reason))
            }
            return .success(nil)
        }
        return try outcome.get()
    }

    /// Waits for the next event; nil when `timeout` has passed.
    public func nextEvent(timeout: Duration) async throws -> GroupEvent? {
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        while true {
            if let event = try takeEvent() { return event }
            guard try await signal.wait(until: deadline) else { return try takeEvent() }
        }
    }

    /// Ends a wait in ``nextEvent(timeout:)`` early, though there may be no event.
    public func wakeUp() { announce() }

    /// Begins a round, as answer to ``GroupEvent/joinNeeded(reason:)``. Ends in another event.
    public func join(protocols: [GroupProtocol], assign: @escaping Assign) {
        state.withLockedValue { state in
            state.announcedJoin = false
            guard let reason = state.machine.beginJoin() else { return }
            logger.debug(
                "joining group", metadata: ["group": "\(configuration.groupID)", "reason": "\(reason)"])
            state.joinTask = Task { await self.runJoin(protocols: protocols, reason: reason, assign: assign) }
        }
    }

    /// Asks for another round, because this member's metadata or the topics have changed.
    public func requestRejoin(reason: String) {
        state.withLockedValue { $0.machine.requestRejoin(reason) }
        announce()
    }

    /// The coordinator refused this member elsewhere (a commit): join anew.
    func expelled(reason: String) {
        state.withLockedValue { state in
            state.machine.expelled(reason)
            state.events.append(.lost(reason: reason))
        }
        announce()
    }

    /// Leaves the group and stops all background work. A static member only stops. Never throws: the session time-out
    /// does what an unreachable coordinator can't.
    ///
    /// - Parameter evenIfStatic: a static member leaves too, so that others take its part at once (KIP-1092).
    public func leave(reason: String = "the member is closing", evenIfStatic: Bool = false) async {
        let (memberID, join, heartbeat) = state.withLockedValue { state in
            let id = state.machine.leave()
            defer {
                state.joinTask = nil
                state.heartbeatTask = nil
                state.events = []
            }
            return (id, state.joinTask, state.heartbeatTask)
        }
        join?.cancel()
        heartbeat?.cancel()
        // A join in flight would hold up what comes after it on its connection.
        cluster.release(connections)
        if let memberID, evenIfStatic || configuration.instanceID == nil {
            await sendLeave(memberID: memberID, reason: reason)
        }
    }

    // MARK: - Internal

    func announce() {
        signal.notify()
        onEvent?()
    }

    func sendLeave(memberID: String, reason: String) async {
        let (groupID, instanceID) = (configuration.groupID, configuration.instanceID)
        do {
            let response: LeaveGroupResponse = try await cluster.callCoordinator(
                group: groupID, timeout: .seconds(5)
            ) { version in
                var request = LeaveGroupRequest()
                request.groupId = groupID
                if version < 3 {
                    request.memberId = memberID
                } else {
                    var member = LeaveGroupRequest.MemberIdentity()
                    member.memberId = memberID
                    member.groupInstanceId = instanceID
                    member.reason = reason
                    request.members = [member]
                }
                return request
            }
            logger.debug("left group", metadata: ["group": "\(groupID)", "answer": "\(response.errorCode)"])
        } catch {
            logger.info(
                "could not leave the group; its session time-out will",
                metadata: [
                    "group": "\(groupID)", "error": "\(error)",
                ])
        }
    }
}
