import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaClient

/// The member's side of the classic group protocol, as a transcript of answers and actions.
struct ClassicGroupStateMachineTests {
    private func join(
        _ code: ErrorCode = .none, member: String = "m1", leader: String = "m1", generation: Int32 = 1
    ) -> JoinGroupResponse {
        var response = JoinGroupResponse()
        response.errorCode = code
        response.memberId = member
        response.leader = leader
        response.generationId = generation
        response.protocolName = "range"
        if leader == member {
            var entry = JoinGroupResponse.JoinGroupResponseMember()
            entry.memberId = member
            entry.metadata = ByteBuffer(string: "meta")
            response.members = [entry]
        }
        return response
    }

    private func sync(_ code: ErrorCode = .none, _ bytes: String = "part") -> SyncGroupResponse {
        var response = SyncGroupResponse()
        response.errorCode = code
        response.assignment = ByteBuffer(string: bytes)
        return response
    }

    private func stable(generation: Int32 = 1) -> ClassicGroupStateMachine {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        _ = machine.beginJoin()
        _ = machine.joined(join(generation: generation))
        _ = machine.synced(sync())
        return machine
    }

    @Test func `the first join gets a member id, then a part`() {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        #expect(machine.needsJoin)
        #expect(machine.beginJoin() == "first join")
        #expect(!machine.needsJoin)
        guard case .retryNow = machine.joined(join(.memberIdRequired)) else {
            Issue.record("KIP-394: the id must be taken and the join repeated at once")
            return
        }
        #expect(machine.memberID == "m1")
        guard case .sync(let members?) = machine.joined(join()) else {
            Issue.record("the leader must divide")
            return
        }
        #expect(members.map(\.id) == ["m1"])
        guard case .assigned(let assignment) = machine.synced(sync()) else {
            Issue.record("no assignment")
            return
        }
        #expect(String(buffer: assignment.bytes) == "part")
        #expect(assignment.isLeader)
        #expect(machine.phase == .stable)
        #expect(machine.credentials?.generation == 1)
    }

    @Test func `a follower syncs without dividing`() {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        _ = machine.beginJoin()
        guard case .sync(leaderOf: nil) = machine.joined(join(leader: "other")) else {
            Issue.record("only the leader divides")
            return
        }
    }

    @Test(arguments: [
        (ErrorCode.coordinatorLoadInProgress, false), (.rebalanceInProgress, false), (.notCoordinator, true),
        (.coordinatorNotAvailable, true),
    ])
    func `a join is repeated where it is only too early or in the wrong place`(_ code: ErrorCode, _ finds: Bool) {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        _ = machine.beginJoin()
        guard case .retryLater(finds) = machine.joined(join(code)) else {
            Issue.record("\(code)")
            return
        }
        #expect(machine.phase == .joining)
    }

    @Test(arguments: [
        ErrorCode.inconsistentGroupProtocol, .groupAuthorizationFailed, .fencedInstanceId, .groupMaxSizeReached,
        .invalidSessionTimeout,
    ])
    func `a join that can't succeed fails with the broker's code`(_ code: ErrorCode) {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        _ = machine.beginJoin()
        guard case .fail(let error) = machine.joined(join(code)) else {
            Issue.record("\(code)")
            return
        }
        #expect(error.errorCode == code)
        #expect(error.message.contains("'g'"))
    }

    @Test func `a heartbeat tells of a rebalance once`() {
        var machine = stable()
        #expect(machine.heartbeat(.none, generation: 1) == .none)
        #expect(machine.heartbeat(.rebalanceInProgress, generation: 1) == .rejoin)
        #expect(machine.heartbeat(.rebalanceInProgress, generation: 1) == .none)
        #expect(machine.needsJoin)
        // Credentials stay valid until the next round: what is revoked may still be committed.
        #expect(machine.credentials?.memberID == "m1")
        #expect(machine.beginJoin() == "the group is rebalancing")
        // An answer to a heartbeat from before the join no longer counts.
        #expect(machine.heartbeat(.unknownMemberId, generation: 1) == .none)
    }

    @Test(arguments: [ErrorCode.unknownMemberId, .illegalGeneration])
    func `a member that the group has dropped loses everything and joins without id`(_ code: ErrorCode) {
        var machine = stable()
        guard case .lost = machine.heartbeat(code, generation: 1) else {
            Issue.record("\(code)")
            return
        }
        #expect(machine.memberID == "")
        #expect(machine.credentials == nil)
        #expect(machine.needsJoin)
    }

    @Test func `a rebalance during sync starts the round again, with the same id`() {
        var machine = ClassicGroupStateMachine(groupID: "g", protocolType: "consumer")
        _ = machine.beginJoin()
        _ = machine.joined(join())
        guard case .rejoin(false) = machine.synced(sync(.rebalanceInProgress)) else {
            Issue.record("must join again")
            return
        }
        #expect(machine.memberID == "m1")
        guard case .sync = machine.joined(join(generation: 2)) else {
            Issue.record("must sync again")
            return
        }
        #expect(machine.generation == 2)
    }

    @Test func `leaving names the member once and ends everything`() {
        var machine = stable()
        #expect(machine.leave() == "m1")
        #expect(machine.leave() == nil)
        #expect(machine.beginJoin() == nil)
        machine.requestRejoin("late")
        #expect(!machine.needsJoin)
        #expect(machine.heartbeat(.unknownMemberId, generation: 1) == .none)
    }
}
