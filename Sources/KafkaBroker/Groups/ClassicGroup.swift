import KafkaProtocol
import NIOCore
import OrderedCollections

/// One group of the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) as a pure state machine.
///
/// Events are the mutating methods; each returns the actions that the coordinator carries out. Nothing here does IO
/// or knows a clock: `now` is handed in as milliseconds of a clock that never runs backwards. The rules are those of
/// Kafka's `GroupMetadata` and `GroupCoordinator` (KIP-62, KIP-345 static members, KIP-394 member id required,
/// KIP-814).
struct ClassicGroup {
    /// Stands for a request whose answer is still owed; the coordinator maps it to the connection.
    typealias Token = UInt64

    /// Kafka's group states; the raw values are what ListGroups and DescribeGroups show.
    enum State: String {
        case empty = "Empty"
        case preparingRebalance = "PreparingRebalance"
        case completingRebalance = "CompletingRebalance"
        case stable = "Stable"
        case dead = "Dead"
    }

    /// An assignor a member offers, with that member's subscription for it.
    struct MemberProtocol: Equatable {
        var name: String
        var metadata: ByteBuffer
    }

    struct Member {
        var id: String
        var instanceID: String?
        var clientID: String
        var clientHost: String
        var sessionTimeout: Int64
        var rebalanceTimeout: Int64
        var protocols: [MemberProtocol]
        var assignment = ByteBuffer()
        var joinToken: Token?
        var syncToken: Token?
        /// When the member is removed unless it is heard of before.
        var deadline: Int64
        /// True until the member has received its first JoinGroup answer.
        var isNew = true

        func metadata(for name: String) -> ByteBuffer {
            protocols.first { $0.name == name }?.metadata ?? ByteBuffer()
        }
    }

    struct JoinInput {
        var memberID: String
        /// The id to give to a member that comes without one.
        var generatedMemberID: String
        var instanceID: String?
        var clientID: String
        var clientHost: String
        var sessionTimeout: Int64
        var rebalanceTimeout: Int64
        var protocolType: String
        var protocols: [MemberProtocol]
        /// JoinGroup v4+: a dynamic member first receives its id and joins again with it (KIP-394).
        var requiresMemberID: Bool
        /// JoinGroup v9+: a leader can be told to skip the assignment (KIP-814).
        var supportsSkippingAssignment: Bool
        var token: Token
    }

    struct JoinOutcome {
        var error: ErrorCode = .none
        var generation: Int32 = -1
        var protocolType: String?
        var protocolName: String?
        var leader = ""
        var memberID = ""
        var skipsAssignment = false
        var members: [(id: String, instanceID: String?, metadata: ByteBuffer)] = []
    }

    struct SyncInput {
        var memberID: String
        var instanceID: String?
        var generation: Int32
        var protocolType: String?
        var protocolName: String?
        var assignments: [String: ByteBuffer]
        var token: Token
    }

    struct SyncOutcome {
        var error: ErrorCode = .none
        var protocolType: String?
        var protocolName: String?
        var assignment = ByteBuffer()
    }

    enum Action {
        case answerJoin(Token, JoinOutcome)
        case answerSync(Token, SyncOutcome)
        /// Write the group, with these assignments by member id, to the offsets topic; then call `persisted`.
        case persist(generation: Int32, assignments: [String: ByteBuffer])
        /// Write the group as it is, nobody waits.
        case persistInBackground
    }

    /// How long a member may take between asking to join and being part of a generation (Kafka's
    /// `NewMemberJoinTimeoutMs`).
    static let newMemberTimeout: Int64 = 5 * 60 * 1000

    let id: String
    let initialRebalanceDelay: Int64
    var state: State = .empty
    var generation: Int32 = 0
    var protocolType: String?
    var protocolName: String?
    var leader: String?
    var members: OrderedDictionary<String, Member> = [:]
    /// Member ids by group instance id.
    var staticMembers: [String: String] = [:]
    /// Ids given out by MEMBER_ID_REQUIRED and not used yet, with the time they lapse.
    var pendingMembers: [String: Int64] = [:]
    /// While preparing: when the rebalance goes on without those who have not joined.
    var joinDeadline: Int64 = .max
    /// While an empty group waits for more members: what is left of the longest wait.
    var initialDelayLeft: Int64?
    var memberJoinedDuringDelay = false
    /// While completing: when members that have not asked for their assignment are removed.
    var syncDeadline: Int64 = .max
    /// The generation whose assignment is being written.
    var persisting: (generation: Int32, assignments: [String: ByteBuffer])?

    init(id: String, initialRebalanceDelay: Int64) {
        self.id = id
        self.initialRebalanceDelay = initialRebalanceDelay
    }

    /// The earliest time at which `expire` has something to do.
    var nextDeadline: Int64? {
        var next = persisting == nil ? min(joinDeadline, syncDeadline) : joinDeadline
        for member in members.values where !isKeptAlive(member) { next = min(next, member.deadline) }
        for deadline in pendingMembers.values { next = min(next, deadline) }
        return next == .max ? nil : next
    }

    /// A member with an open request is alive, unless it has never been part of a generation (its client may be gone).
    func isKeptAlive(_ member: Member) -> Bool {
        member.isNew ? member.syncToken != nil : member.joinToken != nil || member.syncToken != nil
    }

    // MARK: Heartbeat and membership checks

    /// A heartbeat of a member.
    mutating func heartbeat(memberID: String, instanceID: String?, generation: Int32, now: Int64) -> ErrorCode {
        if state == .dead { return .coordinatorNotAvailable }
        let error = check(memberID: memberID, instanceID: instanceID, generation: generation)
        if error != .none { return error }
        switch state {
        case .empty, .dead:
            return .unknownMemberId
        case .preparingRebalance:
            touch(memberID, now: now)
            return .rebalanceInProgress
        case .completingRebalance, .stable:
            touch(memberID, now: now)
            return .none
        }
    }

    /// Whether offsets may be committed under this identity; a member's commit also counts as a sign of life.
    mutating func checkCommit(memberID: String, instanceID: String?, generation: Int32, now: Int64) -> ErrorCode {
        if state == .dead { return .coordinatorNotAvailable }
        if generation < 0 && state == .empty { return .none }
        if generation < 0 && memberID.isEmpty && instanceID == nil { return .unknownMemberId }
        let error = check(memberID: memberID, instanceID: instanceID, generation: generation)
        if error != .none { return error }
        switch state {
        case .empty, .dead:
            return .unknownMemberId
        case .completingRebalance:
            return .rebalanceInProgress
        case .preparingRebalance, .stable:
            touch(memberID, now: now)
            return .none
        }
    }

    /// The checks that every request of a member passes first: fenced instance, unknown member, old generation.
    func check(memberID: String, instanceID: String?, generation: Int32?) -> ErrorCode {
        if let instanceID {
            guard let owner = staticMembers[instanceID] else { return .unknownMemberId }
            if owner != memberID { return .fencedInstanceId }
        }
        guard members[memberID] != nil else { return .unknownMemberId }
        if let generation, generation != self.generation { return .illegalGeneration }
        return .none
    }

    mutating func touch(_ memberID: String, now: Int64) {
        guard let timeout = members[memberID]?.sessionTimeout else { return }
        members[memberID]?.deadline = now + timeout
    }

    // MARK: Leaving and time

    /// A member leaves; an empty member id with an instance id removes whoever owns the instance.
    mutating func leave(memberID: String, instanceID: String?, now: Int64) -> (error: ErrorCode, actions: [Action]) {
        if state == .dead { return (.coordinatorNotAvailable, []) }
        var target = memberID
        if let instanceID {
            guard let owner = staticMembers[instanceID] else { return (.unknownMemberId, []) }
            if !memberID.isEmpty && owner != memberID { return (.fencedInstanceId, []) }
            target = owner
        } else if pendingMembers.removeValue(forKey: memberID) != nil {
            return (.none, completeJoinIfReady(now: now))
        }
        guard members[target] != nil else { return (.unknownMemberId, []) }
        return (.none, remove(target, now: now))
    }

    /// Lets time pass: drops members that were not heard of and ends rebalances that have waited long enough.
    mutating func expire(now: Int64) -> [Action] {
        var actions: [Action] = []
        for (id, deadline) in pendingMembers where deadline <= now {
            pendingMembers[id] = nil
            actions += completeJoinIfReady(now: now)
        }
        for member in Array(members.values) where !isKeptAlive(member) && member.deadline <= now {
            if members[member.id] != nil { actions += remove(member.id, now: now) }
        }
        if state == .completingRebalance && syncDeadline <= now && persisting == nil {
            for member in Array(members.values) where member.syncToken == nil && members[member.id] != nil {
                actions += remove(member.id, now: now)
            }
        }
        if state == .preparingRebalance && joinDeadline <= now { actions += joinDeadlinePassed(now: now) }
        return actions
    }

    /// Takes a member out and lets the others share its work.
    mutating func remove(_ memberID: String, now: Int64) -> [Action] {
        guard let member = members.removeValue(forKey: memberID) else { return [] }
        if let instanceID = member.instanceID, staticMembers[instanceID] == memberID { staticMembers[instanceID] = nil }
        if leader == memberID { leader = members.keys.first }
        var actions: [Action] = []
        if let token = member.joinToken {
            actions.append(.answerJoin(token, JoinOutcome(error: .unknownMemberId, memberID: memberID)))
        }
        if let token = member.syncToken { actions.append(.answerSync(token, SyncOutcome(error: .unknownMemberId))) }
        switch state {
        case .stable, .completingRebalance:
            actions += prepareRebalance(now: now)
        case .preparingRebalance:
            actions += completeJoinIfReady(now: now)
        case .empty, .dead:
            break
        }
        return actions
    }
}
