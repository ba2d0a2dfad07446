import KafkaProtocol
import NIOCore
import OrderedCollections

/// The assignment of a generation.
extension ClassicGroup {
    /// A SyncGroup request: the leader's carries the assignment, the others wait for theirs.
    mutating func sync(_ input: SyncInput, now: Int64) -> [Action] {
        if state == .dead { return [refusal(input, .coordinatorNotAvailable)] }
        let error = check(memberID: input.memberID, instanceID: input.instanceID, generation: input.generation)
        if error != .none { return [refusal(input, error)] }
        if let type = input.protocolType, type != protocolType { return [refusal(input, .inconsistentGroupProtocol)] }
        if let name = input.protocolName, name != protocolName { return [refusal(input, .inconsistentGroupProtocol)] }
        switch state {
        case .empty, .dead:
            return [refusal(input, .unknownMemberId)]
        case .preparingRebalance:
            return [refusal(input, .rebalanceInProgress)]
        case .completingRebalance:
            return awaitAssignment(input)
        case .stable:
            touch(input.memberID, now: now)
            return [assignmentAnswer(for: input.memberID, token: input.token)]
        }
    }

    private func refusal(_ input: SyncInput, _ error: ErrorCode) -> Action {
        .answerSync(input.token, SyncOutcome(error: error))
    }

    private mutating func awaitAssignment(_ input: SyncInput) -> [Action] {
        var actions: [Action] = []
        if let superseded = members[input.memberID]?.syncToken {
            actions.append(.answerSync(superseded, SyncOutcome(error: .rebalanceInProgress)))
        }
        members[input.memberID]?.syncToken = input.token
        guard input.memberID == leader, persisting == nil else { return actions }
        var assignments: [String: ByteBuffer] = [:]
        for id in members.keys { assignments[id] = input.assignments[id] ?? ByteBuffer() }
        persisting = (generation, assignments)
        actions.append(.persist(generation: generation, assignments: assignments))
        return actions
    }

    /// The coordinator has written the assignment, or failed to.
    mutating func persisted(generation: Int32, error: ErrorCode, now: Int64) -> [Action] {
        // A rebalance that began meanwhile has made this assignment worthless.
        guard state == .completingRebalance, let written = persisting, written.generation == generation else {
            return []
        }
        persisting = nil
        guard error == .none else {
            return abandonSync(error) + prepareRebalance(now: now)
        }
        state = .stable
        syncDeadline = .max
        var actions: [Action] = []
        for id in members.keys {
            members[id]?.assignment = written.assignments[id] ?? ByteBuffer()
            // A member that has not asked yet must still do so within its session.
            touch(id, now: now)
            guard let token = members[id]?.syncToken else { continue }
            members[id]?.syncToken = nil
            actions.append(assignmentAnswer(for: id, token: token))
        }
        return actions
    }

    private func assignmentAnswer(for memberID: String, token: Token) -> Action {
        .answerSync(
            token,
            SyncOutcome(
                protocolType: protocolType, protocolName: protocolName,
                assignment: members[memberID]?.assignment ?? ByteBuffer()))
    }
}
