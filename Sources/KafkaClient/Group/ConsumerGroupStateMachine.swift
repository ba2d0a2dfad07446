import KafkaProtocol

/// A member's side of the group protocol of KIP-848: one heartbeat does everything, and the coordinator assigns. Pure.
///
/// Fields that have not changed since the last answered heartbeat are left out; after a failure all are sent again.
struct ConsumerGroupStateMachine {
    /// What goes into a heartbeat.
    struct Heartbeat: Equatable {
        var memberID: String
        /// 0 joins.
        var epoch: Int32
        /// Subscription, rack, time-outs and assignor are to be sent too.
        var isFull: Bool
        /// What the member holds, when the coordinator must learn of it.
        var owned: [KafkaUUID: [Int32]]?
    }

    /// What follows from an answer.
    enum Action: Equatable {
        case none
        /// Give up what is not in the target, take up what is new, then call ``holds(_:)``.
        case reconcile([KafkaUUID: [Int32]])
        /// The group went on without the member, which joins anew.
        case lost(String)
        case findCoordinator
        case fail(ErrorCode)
    }

    private enum Phase {
        case joining
        case stable
        case left
    }

    let memberID: String
    /// The member's epoch; 0 before it has joined.
    private(set) var epoch: Int32 = 0
    private(set) var target: [KafkaUUID: [Int32]] = [:]
    private var owned: [KafkaUUID: [Int32]] = [:]
    private var phase: Phase = .joining
    private var isFull = true
    private var tellsOwned = true

    init(memberID: String) {
        self.memberID = memberID
    }

    /// Member and epoch to commit under, while the member is in the group.
    var credentials: (memberID: String, generation: Int32)? {
        phase == .stable ? (memberID, epoch) : nil
    }

    /// The member holds what the group wants it to.
    var isReconciled: Bool { phase == .stable && owned == target }

    /// There is news for the coordinator: the next heartbeat need not wait.
    var isUrgent: Bool { phase == .joining || isFull || tellsOwned }

    /// What to send now; nil when the member has left.
    func heartbeat() -> Heartbeat? {
        guard phase != .left else { return nil }
        return Heartbeat(
            memberID: memberID, epoch: epoch, isFull: isFull || phase == .joining,
            owned: tellsOwned || phase == .joining ? owned : nil)
    }

    /// The heartbeat `sent` was answered.
    mutating func received(_ response: ConsumerGroupHeartbeatResponse, to sent: Heartbeat) -> Action {
        guard phase != .left, sent.epoch == epoch else { return .none }
        switch response.errorCode {
        case .none:
            epoch = response.memberEpoch
            phase = .stable
            isFull = false
            if sent.owned == owned { tellsOwned = false }
            guard let assignment = response.assignment else { return .none }
            target = [:]
            for topic in assignment.topicPartitions where !topic.partitions.isEmpty {
                target[topic.topicId] = topic.partitions.sorted()
            }
            return .reconcile(target)
        case .coordinatorLoadInProgress: return .none
        case .coordinatorNotAvailable, .notCoordinator:
            isFull = true
            return .findCoordinator
        case .unknownMemberId, .fencedMemberEpoch:
            return .lost(reset("the coordinator answered \(response.errorCode.name) to a heartbeat"))
        default: return response.errorCode.isRetriable ? .none : .fail(response.errorCode)
        }
    }

    /// A heartbeat was lost: what was in it may not have arrived.
    mutating func heartbeatFailed() {
        isFull = true
        tellsOwned = true
    }

    /// The subscription has changed.
    mutating func subscriptionChanged() {
        isFull = true
    }

    /// The owner has done what a target asked for.
    mutating func holds(_ partitions: [KafkaUUID: [Int32]]) {
        guard phase == .stable else { return }
        owned = partitions.mapValues { $0.sorted() }.filter { !$0.value.isEmpty }
        tellsOwned = true
    }

    /// The group dropped the member, as a commit or the clock has shown.
    mutating func expelled(_ reason: String) {
        if phase != .left { _ = reset(reason) }
    }

    /// The member goes; false if it was not in the group.
    mutating func leave() -> Bool {
        defer { phase = .left }
        return phase == .stable
    }

    private mutating func reset(_ reason: String) -> String {
        phase = .joining
        epoch = 0
        owned = [:]
        target = [:]
        heartbeatFailed()
        return reason
    }
}
