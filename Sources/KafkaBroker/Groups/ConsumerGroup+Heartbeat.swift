import KafkaProtocol

/// Joining, heartbeats and leaving.
extension ConsumerGroup {
    static let leavingEpoch: Int32 = -1
    static let staticLeavingEpoch: Int32 = -2

    /// A member joins (epoch 0) or shows that it lives, and is led on towards its target assignment.
    mutating func heartbeat(
        _ input: Heartbeat, limits: ConsumerGroupLimits, topics: any TopicDirectory, now: Int64
    ) throws(Refusal) -> (outcome: Outcome, changes: Changes) {
        if let pattern = input.pattern, !pattern.isEmpty { try Self.check(pattern) }
        var changes = Changes()
        let (before, arrival) = try identify(input, limits, &changes)
        let isNew = arrival != .known
        var member = before
        member.rackID = input.rackID ?? member.rackID
        member.instanceID = input.instanceID ?? member.instanceID
        member.clientID = input.clientID
        member.clientHost = input.clientHost
        if input.rebalanceTimeout != -1 { member.rebalanceTimeout = input.rebalanceTimeout }
        if let topics = input.topics { member.topics = Set(topics).sorted() }
        if let pattern = input.pattern { member.pattern = pattern.isEmpty ? nil : pattern }
        member.assignor = input.assignor ?? member.assignor
        member.classic = input.classic
        let isSubscriptionNew = arrival == .new || !member.isSubscribed(as: before)
        if isNew || member != before { changes.members.insert(member.id) }
        set(member)
        if isSubscriptionNew || subscribed.version != topics.version {
            let found = try subscriptions(topics)
            // After a start the targets tell which topics the group knew.
            let isKnown =
                subscribed.version == .max
                ? targets.values.flatMap(\.values).reduce(0) { $0 + $1.count }
                    == found.partitionCounts.values.reduce(0) { $0 + Int($1) }
                : found.partitionCounts == subscribed.partitionCounts && found.byMember == subscribed.byMember
            if isSubscriptionNew || !isKnown {
                epoch += 1
                changes.group = true
            }
            subscribed = found
        }
        assignIfNeeded(&changes)
        let next = reconciled(member, owned: input.owned)
        if next != member {
            set(next)
            changes.assignments.insert(next.id)
        }
        if isNew { changes.assignments.insert(next.id) }
        sessionDeadlines[next.id] = now + (next.classic.map { Int64($0.sessionTimeout) } ?? limits.sessionTimeout)
        updateRevocationDeadline(next, was: member, now: now)
        let mustTell = input.isFull || input.epoch == 0 || next.assigned != before.assigned
        let outcome = Outcome(
            memberID: next.id, epoch: next.epoch, assignment: mustTell ? next.assigned : nil)
        return (outcome, changes)
    }

    /// How a member comes: as one nobody knows, as a static one that takes up what it left, or as a member.
    private enum Arrival { case new, back, known }

    /// The member that a heartbeat is of, or a new one; the checks of its epoch.
    private mutating func identify(
        _ input: Heartbeat, _ limits: ConsumerGroupLimits, _ changes: inout Changes
    ) throws(Refusal) -> (member: Member, arrival: Arrival) {
        if let instanceID = input.instanceID, let owner = staticMembers[instanceID], owner != input.memberID {
            guard input.epoch == 0 || input.classic != nil else {
                throw Refusal(.fencedInstanceId, "Static member \(input.memberID) was replaced by \(owner).")
            }
            return (try replaceStatic(owner, with: input, &changes), .back)
        }
        if let known = members[input.memberID] {
            if input.epoch == 0, known.instanceID != nil, known.epoch == Self.staticLeavingEpoch {
                return (try replaceStatic(known.id, with: input, &changes), .back)
            }
            try checkEpoch(input, known)
            return (known, .known)
        }
        guard input.epoch == 0 else {
            throw Refusal(.unknownMemberId, "Member \(input.memberID) is not a member of group \(id).")
        }
        guard members.count < limits.maxSize else {
            throw Refusal(
                .groupMaxSizeReached, "The consumer group has reached its maximum capacity of \(limits.maxSize).")
        }
        return (Member(id: input.memberID, instanceID: input.instanceID), .new)
    }

    private func checkEpoch(_ input: Heartbeat, _ known: Member) throws(Refusal) {
        // A member that begins again with its id is led to its target from nothing.
        if input.epoch == known.epoch || input.epoch == 0 { return }
        // The answer that bumped the epoch was lost: the member may still have what it had, and no more.
        let isRepeat =
            input.epoch == known.previousEpoch
            && (input.owned ?? [:]).allSatisfy { topic, partitions in
                partitions.isSubset(of: known.assigned[topic] ?? [])
            }
        guard isRepeat else {
            throw Refusal(
                .fencedMemberEpoch,
                "The consumer group member has epoch \(input.epoch), the coordinator knows \(known.epoch). The member must "
                    + "abandon all its partitions and rejoin.")
        }
    }

    /// A static member comes back with a new id: it takes over what the one before had.
    private mutating func replaceStatic(
        _ owner: String, with input: Heartbeat, _ changes: inout Changes
    ) throws(Refusal) -> Member {
        guard let old = members[owner] else { throw Refusal(.unknownMemberId, "No member \(owner).") }
        // A classic member does not say that it will be back; its new process takes its place.
        guard old.epoch == Self.staticLeavingEpoch || old.classic != nil else {
            throw Refusal(
                .unreleasedInstanceId,
                "Instance id \(old.instanceID ?? "") is still in use by member \(owner) of group \(id).")
        }
        let target = targets[owner]
        remove(owner)
        subscribed.byMember[input.memberID] = subscribed.byMember.removeValue(forKey: owner)
        if owner != input.memberID { changes.removed.insert(owner) }
        var member = old
        member.id = input.memberID
        member.epoch = 0
        member.previousEpoch = 0
        member.state = .stable
        member.revoking = [:]
        targets[member.id] = target
        if target != nil { changes.targets.insert(member.id) }
        // The new process owns nothing yet: it is given the same again.
        member.assigned = [:]
        return member
    }

    /// A member leaves: for good (−1), or a static one for a while (−2).
    mutating func leave(_ memberID: String, instanceID: String?, epoch leaving: Int32) throws(Refusal) -> Changes {
        var changes = Changes()
        guard var member = members[memberID] else {
            throw Refusal(.unknownMemberId, "Member \(memberID) is not a member of group \(id).")
        }
        if let instanceID, staticMembers[instanceID] != memberID {
            throw Refusal(.fencedInstanceId, "Static member \(memberID) was replaced by another.")
        }
        if leaving == Self.staticLeavingEpoch, member.instanceID != nil {
            // Its partitions stay its own until the session is over.
            member.epoch = Self.staticLeavingEpoch
            member.revoking = [:]
            member.state = .stable
            set(member)
            revocationDeadlines[memberID] = nil
            changes.assignments.insert(memberID)
            return changes
        }
        drop(memberID, &changes)
        return changes
    }

    mutating func drop(_ memberID: String, _ changes: inout Changes) {
        remove(memberID)
        subscribed.byMember[memberID] = nil
        changes.removed.insert(memberID)
        epoch += 1
        changes.group = true
        // A topic that nobody else is subscribed to is none of the group's.
        let left = subscribed.byMember.values.reduce(into: Set<KafkaUUID>()) { $0.formUnion($1) }
        subscribed.partitionCounts = subscribed.partitionCounts.filter { left.contains($0.key) }
    }

    /// Lets time pass: removes members that were not heard of, or have not given up in time what they were asked for.
    mutating func expire(now: Int64) -> Changes {
        var changes = Changes()
        let late = sessionDeadlines.filter { $0.value <= now }.keys
        let stubborn = revocationDeadlines.filter { $0.value <= now }.keys
        let absent = joinDeadlines.filter { $0.value <= now }.keys
        for memberID in Set(late).union(stubborn).union(absent) { drop(memberID, &changes) }
        return changes
    }

    private mutating func updateRevocationDeadline(_ member: Member, was: Member, now: Int64) {
        // A classic member is given time to join instead.
        guard member.state == .unrevokedPartitions, member.classic == nil else {
            revocationDeadlines[member.id] = nil
            return
        }
        if revocationDeadlines[member.id] == nil || member.epoch != was.epoch || member.revoking != was.revoking {
            revocationDeadlines[member.id] = now + Int64(max(1, member.rebalanceTimeout))
        }
    }

    // MARK: Offsets

    /// Whether a member of this epoch may commit or read offsets; without member id, only an empty group's may be.
    func checkCommit(memberID: String, epoch: Int32) -> ErrorCode {
        if memberID.isEmpty, epoch < 0, members.isEmpty { return .none }
        guard let member = members[memberID] else { return .unknownMemberId }
        guard member.epoch != epoch else { return .none }
        return member.classic == nil ? .staleMemberEpoch : .illegalGeneration
    }

    func checkFetch(memberID: String?, epoch: Int32) -> ErrorCode {
        guard let memberID, !memberID.isEmpty || epoch >= 0 else { return .none }
        guard let member = members[memberID] else { return .unknownMemberId }
        return member.epoch == epoch ? .none : .staleMemberEpoch
    }
}

/// What bounds groups of the consumer protocol.
struct ConsumerGroupLimits: Sendable {
    /// Milliseconds after which a member that is not heard of is removed (`group.consumer.session.timeout.ms`).
    var sessionTimeout: Int64 = 45_000
    /// Milliseconds between heartbeats that members are told (`group.consumer.heartbeat.interval.ms`).
    var heartbeatInterval: Int32 = 5_000
    /// Most members (`group.consumer.max.size`).
    var maxSize = Int(Int32.max)
    /// Whether groups with members go over between the protocols (`group.consumer.migration.policy`).
    var migration = GroupMigrationPolicy.bidirectional
}

/// Kafka's `group.consumer.migration.policy`.
enum GroupMigrationPolicy: String, CaseIterable {
    case disabled, upgrade, downgrade, bidirectional

    var allowsUpgrade: Bool { self == .upgrade || self == .bidirectional }
    var allowsDowngrade: Bool { self == .downgrade || self == .bidirectional }
}
