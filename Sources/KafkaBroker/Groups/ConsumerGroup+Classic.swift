import KafkaProtocol
import NIOCore
import OrderedCollections

/// Members of the classic protocol in a group of the consumer protocol: what lets a running group go over from one to the
/// other, member by member (KIP-848, "online migration").
///
/// Such a member joins, syncs and sends heartbeats as always, and is never its group's leader: the broker assigns. When its
/// share is to change, its next heartbeat says so and it joins again. Its generation is its member epoch.
extension ConsumerGroup {
    /// What is kept of a member that speaks the classic protocol.
    struct ClassicSession: Equatable {
        var sessionTimeout: Int32
        /// The assignors it offers, with its subscription for each.
        var protocols: [ClassicGroup.MemberProtocol]

        /// The version in which it reads assignments: that of its subscription.
        fileprivate var assignmentVersion: Int16 {
            let metadata = protocols.first?.metadata ?? ByteBuffer()
            let version = metadata.getInteger(at: metadata.readerIndex, as: Int16.self) ?? 0
            let known = ConsumerProtocolAssignment.validVersions
            return min(max(version, known.lowerBound), known.upperBound)
        }
    }

    /// Whether every member speaks the classic protocol, so that the group can be one of it.
    var isClassicOnly: Bool { !members.isEmpty && members.values.allSatisfy { $0.classic != nil } }

    /// The group that a classic one becomes when a member of the consumer protocol joins; nil if its members have
    /// subscriptions that the broker cannot read.
    init?(upgrading group: ClassicGroup, topics: any TopicDirectory, now: Int64) {
        guard group.protocolType == "consumer" else { return nil }
        self.init(id: group.id)
        epoch = group.generation
        targetEpoch = group.generation
        for old in group.members.values {
            let protocols = old.protocols.sorted { first, _ in first.name == group.protocolName }
            guard let chosen = protocols.first,
                let subscription = try? ConsumerProtocolSubscription.decodeVersioned(chosen.metadata)
            else { return nil }
            var member = Member(id: old.id, instanceID: old.instanceID)
            member.rackID = subscription.rackId
            member.clientID = old.clientID
            member.clientHost = old.clientHost
            member.rebalanceTimeout = Int32(clamping: old.rebalanceTimeout)
            member.topics = Set(subscription.topics).sorted()
            member.epoch = group.generation
            member.previousEpoch = group.generation
            member.assigned = Self.partitions(of: old.assignment, topics)
            member.classic = ClassicSession(sessionTimeout: Int32(clamping: old.sessionTimeout), protocols: protocols)
            targets[member.id] = member.assigned
            set(member)
            sessionDeadlines[member.id] = now + old.sessionTimeout
        }
    }

    private static func partitions(of assignment: ByteBuffer, _ topics: any TopicDirectory) -> TopicAssignment {
        guard assignment.readableBytes > 0,
            let decoded = try? ConsumerProtocolAssignment.decodeVersioned(assignment)
        else { return [:] }
        return decoded.assignedPartitions.reduce(into: [:]) { result, entry in
            guard let topic = topics.topic(named: entry.topic) else { return }
            result[topic.id, default: []].formUnion(entry.partitions)
        }
    }

    /// The classic group that this one becomes when no member of the consumer protocol is left.
    func downgraded(initialRebalanceDelay: Int64, names: (KafkaUUID) -> String?, now: Int64) -> ClassicGroup {
        var group = ClassicGroup(id: id, initialRebalanceDelay: initialRebalanceDelay)
        group.generation = epoch
        group.protocolType = "consumer"
        group.state = .stable
        for member in members.values.sorted(by: { $0.id < $1.id }) {
            guard let classic = member.classic else { continue }
            var copy = ClassicGroup.Member(
                id: member.id, instanceID: member.instanceID, clientID: member.clientID,
                clientHost: member.clientHost, sessionTimeout: Int64(classic.sessionTimeout),
                rebalanceTimeout: Int64(member.rebalanceTimeout), protocols: classic.protocols,
                deadline: now + Int64(classic.sessionTimeout))
            copy.isNew = false
            copy.assignment = Self.encode(member.assigned, classic, names)
            group.members[member.id] = copy
            if let instanceID = member.instanceID { group.staticMembers[instanceID] = member.id }
        }
        group.leader = group.members.keys.first
        group.protocolName = group.selectProtocol()
        return group
    }

    private static func encode(
        _ assignment: TopicAssignment, _ classic: ClassicSession, _ names: (KafkaUUID) -> String?
    ) -> ByteBuffer {
        var message = ConsumerProtocolAssignment()
        for (topic, partitions) in assignment {
            guard let name = names(topic) else { continue }
            var entry = ConsumerProtocolAssignment.TopicPartition()
            entry.topic = name
            entry.partitions = partitions.sorted()
            message.assignedPartitions.append(entry)
        }
        message.assignedPartitions.sort { $0.topic < $1.topic }
        return (try? message.encodeVersioned(version: classic.assignmentVersion)) ?? ByteBuffer()
    }

    // MARK: Requests of classic members

    /// A JoinGroup request, answered at once.
    mutating func classicJoin(
        _ input: ClassicGroup.JoinInput, limits: ConsumerGroupLimits, topics: any TopicDirectory, now: Int64
    ) throws(Refusal) -> (outcome: ClassicGroup.JoinOutcome, changes: Changes) {
        guard input.protocolType == "consumer", let chosen = input.protocols.first, sharesProtocol(input),
            let subscription = try? ConsumerProtocolSubscription.decodeVersioned(chosen.metadata)
        else { throw Refusal(.inconsistentGroupProtocol, "Group \(id) cannot read the member's subscription.") }
        if input.memberID.isEmpty, input.instanceID == nil, input.requiresMemberID {
            return (.init(error: .memberIdRequired, memberID: input.generatedMemberID), Changes())
        }
        var owned: TopicAssignment = [:]
        for entry in subscription.ownedPartitions {
            guard let topic = topics.topic(named: entry.topic) else { continue }
            owned[topic.id, default: []].formUnion(entry.partitions)
        }
        let memberID = input.memberID.isEmpty ? input.generatedMemberID : input.memberID
        let heartbeat = Heartbeat(
            memberID: memberID, epoch: members[memberID]?.epoch ?? 0, instanceID: input.instanceID,
            rackID: subscription.rackId, clientID: input.clientID, clientHost: input.clientHost,
            rebalanceTimeout: Int32(clamping: input.rebalanceTimeout), topics: subscription.topics, pattern: nil,
            assignor: nil, owned: owned,
            classic: ClassicSession(
                sessionTimeout: Int32(clamping: input.sessionTimeout), protocols: input.protocols))
        let (outcome, changes) = try self.heartbeat(heartbeat, limits: limits, topics: topics, now: now)
        // It must fetch its share as quickly as it must join.
        joinDeadlines[memberID] = now + max(1, input.rebalanceTimeout)
        return (
            ClassicGroup.JoinOutcome(
                generation: outcome.epoch, protocolType: "consumer", protocolName: chosen.name, memberID: memberID),
            changes
        )
    }

    /// Whether all other classic members offer one of the same assignors: the group may become theirs again.
    private func sharesProtocol(_ input: ClassicGroup.JoinInput) -> Bool {
        let others = members.values.filter { $0.id != input.memberID }.compactMap(\.classic)
        return input.protocols.contains { offered in
            others.allSatisfy { other in other.protocols.contains { $0.name == offered.name } }
        }
    }

    /// A SyncGroup request: the member's share.
    mutating func classicSync(
        _ input: ClassicGroup.SyncInput, names: (KafkaUUID) -> String?, now: Int64
    ) -> ClassicGroup.SyncOutcome {
        let (error, found) = classicMember(input.memberID, input.instanceID, generation: input.generation)
        guard error == .none, let member = found, let classic = member.classic else { return .init(error: error) }
        let name = classic.protocols.first?.name
        if let type = input.protocolType, type != "consumer" { return .init(error: .inconsistentGroupProtocol) }
        if let offered = input.protocolName, offered != name { return .init(error: .inconsistentGroupProtocol) }
        if member.epoch < epoch, member.state != .unrevokedPartitions {
            askToRejoin(member, now: now)
            return .init(error: .rebalanceInProgress)
        }
        joinDeadlines[member.id] = nil
        sessionDeadlines[member.id] = now + Int64(classic.sessionTimeout)
        return .init(
            protocolType: "consumer", protocolName: name, assignment: Self.encode(member.assigned, classic, names))
    }

    /// A Heartbeat request: tells the member to join again when there is something for it to give up or to get.
    mutating func classicHeartbeat(
        memberID: String, instanceID: String?, generation: Int32, now: Int64
    ) -> ErrorCode {
        let (error, found) = classicMember(memberID, instanceID, generation: generation)
        guard error == .none, let member = found, let classic = member.classic else { return error }
        sessionDeadlines[memberID] = now + Int64(classic.sessionTimeout)
        let hasNews =
            member.epoch < epoch || member.state == .unrevokedPartitions
            || (member.state == .unreleasedPartitions && !isWaiting(member))
        guard hasNews else { return .none }
        askToRejoin(member, now: now)
        return .rebalanceInProgress
    }

    /// A LeaveGroup request.
    mutating func classicLeave(memberID: String, instanceID: String?) -> (error: ErrorCode, changes: Changes) {
        var id = memberID
        if let instanceID {
            guard let owner = staticMembers[instanceID] else { return (.unknownMemberId, Changes()) }
            if !memberID.isEmpty, owner != memberID { return (.fencedInstanceId, Changes()) }
            id = owner
        }
        let (error, _) = classicMember(id, instanceID, generation: nil)
        guard error == .none else { return (error, Changes()) }
        var changes = Changes()
        drop(id, &changes)
        return (.none, changes)
    }

    private func classicMember(
        _ memberID: String, _ instanceID: String?, generation: Int32?
    ) -> (ErrorCode, Member?) {
        if let instanceID {
            guard let owner = staticMembers[instanceID] else { return (.unknownMemberId, nil) }
            if owner != memberID { return (.fencedInstanceId, nil) }
        }
        guard let member = members[memberID], member.classic != nil else { return (.unknownMemberId, nil) }
        if let generation, generation != member.epoch { return (.illegalGeneration, nil) }
        return (.none, member)
    }

    private mutating func askToRejoin(_ member: Member, now: Int64) {
        guard joinDeadlines[member.id] == nil else { return }
        joinDeadlines[member.id] = now + Int64(max(1, member.rebalanceTimeout))
    }

    /// Whether something that the member is to get is still another's.
    private func isWaiting(_ member: Member) -> Bool {
        (targets[member.id] ?? [:]).contains { topic, partitions in
            partitions.subtracting(member.assigned[topic] ?? []).contains { partition in
                owners[topic]?[partition].map { $0 != member.id } ?? false
            }
        }
    }
}
