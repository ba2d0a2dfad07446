import KafkaProtocol
import NIOCore

/// A member's side of Kafka's classic group protocol. Pure: events go in, actions come out.
///
/// unjoined → joining → syncing → stable, and back to unjoined whenever the coordinator says so. The owner decides when
/// to begin a join, for it must first give up what the rebalance protocol demands.
struct ClassicGroupStateMachine {
    /// Where the member stands.
    enum Phase: Equatable {
        case unjoined
        case joining
        case syncing
        case stable
        case left
    }

    /// What to do after JoinGroup was answered.
    enum JoinAction {
        /// Send SyncGroup; the leader computes the assignment of these members first.
        case sync(leaderOf: [GroupMember]?)
        /// Send JoinGroup again at once, now with the id the coordinator gave.
        case retryNow
        /// Send it again after the back-off.
        case retryLater(findCoordinator: Bool)
        /// The membership is gone; the owner must drop what it holds and join anew.
        case lost(String)
        /// Nothing will help.
        case fail(KafkaError)
    }

    /// What to do after SyncGroup was answered.
    enum SyncAction {
        case assigned(GroupAssignment)
        /// Join again after the back-off.
        case rejoin(findCoordinator: Bool)
        case lost(String)
        case fail(KafkaError)
    }

    /// What to do after Heartbeat was answered.
    enum HeartbeatAction: Equatable {
        case none
        /// The group rebalances: tell the owner.
        case rejoin
        case lost(String)
        case findCoordinator
        case fail(ErrorCode)
    }

    private(set) var phase: Phase = .unjoined
    private(set) var memberID = ""
    private(set) var generation: Int32 = -1
    private(set) var leaderID = ""
    private(set) var protocolName = ""
    /// Why the member must join (again); nil when it need not.
    private(set) var rejoinReason: String? = "first join"
    private let protocolType: String
    private let groupID: String

    init(groupID: String, protocolType: String) {
        self.groupID = groupID
        self.protocolType = protocolType
    }

    /// Whether the owner should begin a join.
    var needsJoin: Bool { rejoinReason != nil && (phase == .unjoined || phase == .stable) }

    /// Member and generation to commit under, while the member is in the group.
    var credentials: (memberID: String, generation: Int32)? {
        generation >= 0 && phase != .left ? (memberID, generation) : nil
    }

    /// The owner wants another round, for its metadata changed.
    mutating func requestRejoin(_ reason: String) {
        if phase != .left, rejoinReason == nil { rejoinReason = reason }
    }

    /// The owner has prepared itself. Returns the reason to tell the coordinator, or nil when there is no need.
    mutating func beginJoin() -> String? {
        guard needsJoin, let reason = rejoinReason else { return nil }
        rejoinReason = nil
        phase = .joining
        return reason
    }

    /// The join was broken off, by the network or by cancellation: it must be begun again.
    mutating func joinInterrupted(_ reason: String) {
        guard phase == .joining || phase == .syncing else { return }
        phase = .unjoined
        rejoinReason = reason
    }

    /// A request of the round was lost: the round starts over with JoinGroup.
    mutating func restartJoin() {
        if phase == .syncing { phase = .joining }
    }

    mutating func joined(_ response: JoinGroupResponse) -> JoinAction {
        guard phase == .joining else { return .lost("the join was given up") }
        switch response.errorCode {
        case .none:
            if let type = response.protocolType, type != protocolType {
                return .fail(
                    KafkaError(
                        .broker, "group '\(groupID)' is of type '\(type)', not '\(protocolType)'",
                        errorCode: .inconsistentGroupProtocol, isRetriable: false))
            }
            memberID = response.memberId
            generation = response.generationId
            leaderID = response.leader
            protocolName = response.protocolName ?? ""
            phase = .syncing
            guard leaderID == memberID, !response.skipAssignment else { return .sync(leaderOf: nil) }
            return .sync(
                leaderOf: response.members.map {
                    GroupMember(id: $0.memberId, instanceID: $0.groupInstanceId, metadata: $0.metadata)
                })
        case .memberIdRequired:
            memberID = response.memberId
            return .retryNow
        case .unknownMemberId, .illegalGeneration:
            return .lost(reset("the coordinator answered \(response.errorCode.name) to the join"))
        case .coordinatorLoadInProgress, .rebalanceInProgress:
            return .retryLater(findCoordinator: false)
        case .coordinatorNotAvailable, .notCoordinator:
            return .retryLater(findCoordinator: true)
        default:
            return failed(response.errorCode, "joining group '\(groupID)'")
        }
    }

    mutating func synced(_ response: SyncGroupResponse) -> SyncAction {
        guard phase == .syncing else { return .lost("the join was given up") }
        switch response.errorCode {
        case .none:
            phase = .stable
            return .assigned(
                GroupAssignment(
                    generation: generation, memberID: memberID, leaderID: leaderID, protocolName: protocolName,
                    bytes: response.assignment))
        case .rebalanceInProgress, .invalidRequest:
            // librdkafka's mock answers INVALID_REQUEST to a sync that comes when the group has moved on.
            phase = .joining
            return .rejoin(findCoordinator: false)
        case .coordinatorNotAvailable, .notCoordinator, .coordinatorLoadInProgress:
            phase = .joining
            return .rejoin(findCoordinator: true)
        case .unknownMemberId, .illegalGeneration:
            return .lost(reset("the coordinator answered \(response.errorCode.name) to the sync"))
        default:
            if case .fail(let error) = failed(response.errorCode, "syncing group '\(groupID)'") { return .fail(error) }
            return .rejoin(findCoordinator: false)
        }
    }

    /// A heartbeat sent under `generation` was answered.
    mutating func heartbeat(_ code: ErrorCode, generation sentUnder: Int32) -> HeartbeatAction {
        guard phase == .stable, sentUnder == generation else { return .none }
        switch code {
        case .none: return .none
        case .rebalanceInProgress:
            let isNews = rejoinReason == nil
            if isNews { rejoinReason = "the group is rebalancing" }
            return isNews ? .rejoin : .none
        case .coordinatorNotAvailable, .notCoordinator: return .findCoordinator
        case .coordinatorLoadInProgress: return .none
        case .unknownMemberId, .illegalGeneration:
            return .lost(reset("the coordinator answered \(code.name) to a heartbeat"))
        default: return code.isRetriable ? .none : .fail(code)
        }
    }

    /// The group dropped the member, as a commit or the clock has shown.
    mutating func expelled(_ reason: String) {
        if phase != .left { _ = reset(reason) }
    }

    /// The member goes. Returns the id to leave with, if there is one.
    mutating func leave() -> String? {
        defer {
            phase = .left
            generation = -1
            rejoinReason = nil
        }
        return phase == .left || memberID.isEmpty ? nil : memberID
    }

    private mutating func reset(_ reason: String) -> String {
        memberID = ""
        generation = -1
        phase = .unjoined
        rejoinReason = reason
        return reason
    }

    private mutating func failed(_ code: ErrorCode, _ what: String) -> JoinAction {
        if code.isRetriable { return .retryLater(findCoordinator: false) }
        phase = .unjoined
        rejoinReason = "the last attempt failed: \(code.name)"
        return .fail(KafkaError.broker(code, what))
    }
}
