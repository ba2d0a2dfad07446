import KafkaProtocol
import Testing

@testable import KafkaClient

/// A member of a KIP-848 group, as transcripts.
struct ConsumerGroupStateMachineTests {
    private let topic = KafkaUUID(high: 1, low: 2)

    private func answer(
        _ code: ErrorCode = .none, epoch: Int32 = 1, partitions: [Int32]? = nil
    ) -> ConsumerGroupHeartbeatResponse {
        var response = ConsumerGroupHeartbeatResponse()
        response.errorCode = code
        response.memberEpoch = epoch
        guard let partitions else { return response }
        var entry = ConsumerGroupHeartbeatResponse.TopicPartitions()
        entry.topicId = topic
        entry.partitions = partitions
        var assignment = ConsumerGroupHeartbeatResponse.Assignment()
        assignment.topicPartitions = [entry]
        response.assignment = assignment
        return response
    }

    private func joined(_ partitions: [Int32] = [0, 1]) throws -> ConsumerGroupStateMachine {
        var machine = ConsumerGroupStateMachine(memberID: "m")
        let first = try #require(machine.heartbeat())
        #expect(first == .init(memberID: "m", epoch: 0, isFull: true, owned: [:]))
        #expect(machine.received(answer(partitions: partitions), to: first) == .reconcile([topic: partitions]))
        machine.holds([topic: partitions])
        let second = try #require(machine.heartbeat())
        #expect(second == .init(memberID: "m", epoch: 1, isFull: false, owned: [topic: partitions]))
        #expect(machine.received(answer(), to: second) == .none)
        #expect(machine.isReconciled)
        #expect(!machine.isUrgent)
        return machine
    }

    @Test func `joining, acknowledging, and heartbeats that carry only the epoch`() throws {
        let machine = try joined()
        #expect(machine.heartbeat() == .init(memberID: "m", epoch: 1, isFull: false, owned: nil))
        #expect(machine.credentials?.generation == 1)
    }

    @Test func `a partition is given up before the coordinator hears of it`() throws {
        var machine = try joined()
        let heartbeat = try #require(machine.heartbeat())
        #expect(machine.received(answer(partitions: [0]), to: heartbeat) == .reconcile([topic: [0]]))
        // The owner still works on it: the coordinator is not told yet.
        #expect(machine.heartbeat()?.owned == nil)
        #expect(!machine.isReconciled)
        machine.holds([topic: [0]])
        #expect(machine.isUrgent)
        #expect(machine.heartbeat()?.owned == [topic: [0]])
    }

    @Test(arguments: [ErrorCode.unknownMemberId, .fencedMemberEpoch])
    func `a member that is fenced joins anew`(_ code: ErrorCode) throws {
        var machine = try joined()
        let heartbeat = try #require(machine.heartbeat())
        guard case .lost = machine.received(answer(code), to: heartbeat) else {
            Issue.record("it must be lost")
            return
        }
        #expect(machine.credentials == nil)
        #expect(machine.heartbeat() == .init(memberID: "m", epoch: 0, isFull: true, owned: [:]))
    }

    @Test func `after a lost heartbeat everything is told again`() throws {
        var machine = try joined()
        machine.heartbeatFailed()
        #expect(machine.heartbeat() == .init(memberID: "m", epoch: 1, isFull: true, owned: [topic: [0, 1]]))
        let heartbeat = try #require(machine.heartbeat())
        #expect(machine.received(answer(.notCoordinator), to: heartbeat) == .findCoordinator)
        #expect(machine.received(answer(.groupMaxSizeReached), to: heartbeat) == .fail(.groupMaxSizeReached))
    }

    @Test func `who has left says nothing more`() throws {
        var machine = try joined()
        let wasMember = machine.leave()
        #expect(wasMember)
        #expect(machine.heartbeat() == nil)
        let isStillMember = machine.leave()
        #expect(!isStillMember)
    }
}
