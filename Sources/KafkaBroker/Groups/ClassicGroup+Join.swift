import KafkaProtocol
import NIOCore
import OrderedCollections

/// Joining and the start of a generation.
extension ClassicGroup {
    /// A JoinGroup request. The answer may be owed until the other members have joined too.
    mutating func join(_ input: JoinInput, now: Int64) -> [Action] {
        if state == .dead { return [refusal(input, .coordinatorNotAvailable)] }
        guard accepts(protocolType: input.protocolType, protocols: input.protocols) else {
            return [refusal(input, .inconsistentGroupProtocol)]
        }
        return input.memberID.isEmpty ? joinAsUnknown(input, now: now) : joinAsKnown(input, now: now)
    }

    private func refusal(_ input: JoinInput, _ error: ErrorCode, memberID: String? = nil) -> Action {
        .answerJoin(input.token, JoinOutcome(error: error, memberID: memberID ?? input.memberID))
    }

    /// A protocol set fits if the kinds agree and all members share at least one protocol with it.
    private func accepts(protocolType: String, protocols: [MemberProtocol]) -> Bool {
        if members.isEmpty { return !protocolType.isEmpty && !protocols.isEmpty }
        guard protocolType == self.protocolType else { return false }
        return protocols.contains { offered in
            members.values.allSatisfy { member in member.protocols.contains { $0.name == offered.name } }
        }
    }

    private mutating func joinAsUnknown(_ input: JoinInput, now: Int64) -> [Action] {
        if let instanceID = input.instanceID {
            if let old = staticMembers[instanceID] { return replaceStatic(old, with: input, now: now) }
            return add(input, id: input.generatedMemberID, now: now)
        }
        if input.requiresMemberID {
            pendingMembers[input.generatedMemberID] = now + input.sessionTimeout
            return [refusal(input, .memberIdRequired, memberID: input.generatedMemberID)]
        }
        return add(input, id: input.generatedMemberID, now: now)
    }

    private mutating func joinAsKnown(_ input: JoinInput, now: Int64) -> [Action] {
        if input.instanceID == nil, pendingMembers.removeValue(forKey: input.memberID) != nil {
            return add(input, id: input.memberID, now: now)
        }
        let error = check(memberID: input.memberID, instanceID: input.instanceID, generation: nil)
        guard error == .none, let member = members[input.memberID] else { return [refusal(input, error)] }
        let unchanged = member.protocols == input.protocols
        switch state {
        case .preparingRebalance:
            return update(input, now: now)
        case .completingRebalance:
            // The member lost our answer: give it again.
            return unchanged ? [currentGeneration(for: input)] : update(input, now: now)
        case .stable:
            if leader == input.memberID || !unchanged { return update(input, now: now) }
            return [currentGeneration(for: input)]
        case .empty, .dead:
            return [refusal(input, .unknownMemberId)]
        }
    }

    private mutating func add(_ input: JoinInput, id: String, now: Int64) -> [Action] {
        if members.isEmpty { protocolType = input.protocolType }
        members[id] = Member(
            id: id, instanceID: input.instanceID, clientID: input.clientID, clientHost: input.clientHost,
            sessionTimeout: input.sessionTimeout, rebalanceTimeout: input.rebalanceTimeout,
            protocols: input.protocols, joinToken: input.token, deadline: now + Self.newMemberTimeout)
        if let instanceID = input.instanceID { staticMembers[instanceID] = id }
        if leader == nil { leader = id }
        memberJoinedDuringDelay = true
        return prepareRebalance(now: now)
    }

    private mutating func update(_ input: JoinInput, now: Int64) -> [Action] {
        var actions: [Action] = []
        if let superseded = members[input.memberID]?.joinToken {
            actions.append(.answerJoin(superseded, JoinOutcome(error: .rebalanceInProgress, memberID: input.memberID)))
        }
        members[input.memberID]?.protocols = input.protocols
        members[input.memberID]?.sessionTimeout = input.sessionTimeout
        members[input.memberID]?.rebalanceTimeout = input.rebalanceTimeout
        members[input.memberID]?.clientID = input.clientID
        members[input.memberID]?.clientHost = input.clientHost
        members[input.memberID]?.joinToken = input.token
        return actions + prepareRebalance(now: now)
    }

    /// A static member came back: its new process takes the old one's place, without a rebalance if the group is stable
    /// and would choose the same protocol (KIP-345).
    private mutating func replaceStatic(_ old: String, with input: JoinInput, now: Int64) -> [Action] {
        guard var member = members.removeValue(forKey: old) else { return [refusal(input, .unknownMemberId)] }
        var actions: [Action] = []
        if let token = member.joinToken {
            actions.append(.answerJoin(token, JoinOutcome(error: .fencedInstanceId, memberID: old)))
        }
        if let token = member.syncToken { actions.append(.answerSync(token, SyncOutcome(error: .fencedInstanceId))) }
        let id = input.generatedMemberID
        let wasLeader = leader == old
        member.id = id
        member.clientID = input.clientID
        member.clientHost = input.clientHost
        member.protocols = input.protocols
        member.sessionTimeout = input.sessionTimeout
        member.rebalanceTimeout = input.rebalanceTimeout
        member.joinToken = nil
        member.syncToken = nil
        member.deadline = now + input.sessionTimeout
        members[id] = member
        staticMembers[input.instanceID ?? ""] = id
        if wasLeader { leader = id }
        switch state {
        case .stable where protocolName == selectProtocol():
            // An old client that leads must not compute an assignment nobody would hear of: name the old leader.
            var outcome = generationOutcome(for: id, includesMembers: wasLeader && input.supportsSkippingAssignment)
            outcome.skipsAssignment = wasLeader && input.supportsSkippingAssignment
            if wasLeader && !input.supportsSkippingAssignment { outcome.leader = old }
            actions += [.persistInBackground, .answerJoin(input.token, outcome)]
        case .preparingRebalance, .completingRebalance, .stable:
            members[id]?.joinToken = input.token
            actions += prepareRebalance(now: now)
        case .empty, .dead:
            members[id] = nil
            actions.append(refusal(input, .unknownMemberId))
        }
        return actions
    }

    private func currentGeneration(for input: JoinInput) -> Action {
        .answerJoin(
            input.token, generationOutcome(for: input.memberID, includesMembers: leader == input.memberID))
    }

    func generationOutcome(for memberID: String, includesMembers: Bool) -> JoinOutcome {
        var outcome = JoinOutcome(
            generation: generation, protocolType: protocolType, protocolName: protocolName, leader: leader ?? "",
            memberID: memberID)
        if includesMembers, let protocolName {
            outcome.members = members.values.map { ($0.id, $0.instanceID, $0.metadata(for: protocolName)) }
        }
        return outcome
    }

    // MARK: The rebalance

    /// Calls all members to join again, and goes on at once when they have.
    mutating func prepareRebalance(now: Int64) -> [Action] {
        if state == .preparingRebalance { return completeJoinIfReady(now: now) }
        var actions: [Action] = []
        if state == .completingRebalance { actions = abandonSync(.rebalanceInProgress) }
        let wasEmpty = state == .empty
        state = .preparingRebalance
        syncDeadline = .max
        let longest = longestRebalanceTimeout
        if wasEmpty && initialRebalanceDelay > 0 {
            let delay = min(initialRebalanceDelay, longest)
            joinDeadline = now + delay
            initialDelayLeft = longest - delay
            memberJoinedDuringDelay = false
            return actions
        }
        joinDeadline = now + longest
        return actions + completeJoinIfReady(now: now)
    }

    private var longestRebalanceTimeout: Int64 { members.values.map(\.rebalanceTimeout).max() ?? 0 }

    /// Answers everyone who waits for an assignment with an error and forgets the assignments.
    mutating func abandonSync(_ error: ErrorCode) -> [Action] {
        persisting = nil
        var actions: [Action] = []
        for id in members.keys {
            members[id]?.assignment = ByteBuffer()
            guard let token = members[id]?.syncToken else { continue }
            members[id]?.syncToken = nil
            actions.append(.answerSync(token, SyncOutcome(error: error)))
        }
        return actions
    }

    mutating func completeJoinIfReady(now: Int64) -> [Action] {
        guard state == .preparingRebalance, initialDelayLeft == nil, pendingMembers.isEmpty,
            members.values.allSatisfy({ $0.joinToken != nil })
        else { return [] }
        return completeJoin(now: now)
    }

    mutating func joinDeadlinePassed(now: Int64) -> [Action] {
        if let left = initialDelayLeft, left > 0, memberJoinedDuringDelay {
            let delay = min(initialRebalanceDelay, left)
            joinDeadline = now + delay
            initialDelayLeft = left - delay
            memberJoinedDuringDelay = false
            return []
        }
        return completeJoin(now: now)
    }

    /// Begins the next generation with those who have joined; static members that are away stay.
    private mutating func completeJoin(now: Int64) -> [Action] {
        initialDelayLeft = nil
        for member in Array(members.values) where member.joinToken == nil && member.instanceID == nil {
            members[member.id] = nil
            if leader == member.id { leader = nil }
        }
        if leader.flatMap({ members[$0]?.joinToken }) == nil {
            if let joined = members.values.first(where: { $0.joinToken != nil }) {
                leader = joined.id
            } else if !members.isEmpty {
                // Only static members, none of them back: wait on.
                joinDeadline = now + longestRebalanceTimeout
                return []
            }
        }
        joinDeadline = .max
        generation = generation == .max ? 1 : generation + 1
        guard !members.isEmpty else {
            state = .empty
            leader = nil
            protocolName = nil
            return [.persistInBackground]
        }
        protocolName = selectProtocol()
        state = .completingRebalance
        syncDeadline = now + longestRebalanceTimeout
        var actions: [Action] = []
        for id in members.keys {
            members[id]?.isNew = false
            touch(id, now: now)
            guard let token = members[id]?.joinToken else { continue }
            members[id]?.joinToken = nil
            actions.append(.answerJoin(token, generationOutcome(for: id, includesMembers: id == leader)))
        }
        return actions
    }

    /// The protocol with the most votes among those that every member offers; a member votes for its first one.
    func selectProtocol() -> String? {
        guard let first = members.values.first else { return nil }
        let shared = first.protocols.map(\.name).filter { name in
            members.values.allSatisfy { member in member.protocols.contains { $0.name == name } }
        }
        var votes: [String: Int] = [:]
        for member in members.values {
            if let vote = member.protocols.first(where: { shared.contains($0.name) }) {
                votes[vote.name, default: 0] += 1
            }
        }
        return shared.max { votes[$0, default: 0] < votes[$1, default: 0] }
    }
}
