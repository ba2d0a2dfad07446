import KafkaProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import KafkaBroker

/// What a group does, as a transcript of events and actions.
@Suite("Classic groups")
struct ClassicGroupTests {
    private func transcript(initialDelay: Int64 = 0) -> GroupTranscript { GroupTranscript(initialDelay: initialDelay) }

    @Test("A first member is given its id, joins with it, leads, and receives what it assigned itself")
    func firstMember() {
        let group = transcript()
        #expect(group.join("", new: "a", token: 1) == ["join 1 MEMBER_ID_REQUIRED a"])
        #expect(group.group.state == .empty)
        #expect(group.join("a", token: 2) == ["join 2 generation 1 range leader a of a"])
        #expect(group.group.state == .completingRebalance)
        #expect(group.sync("a", 1, ["a": "all"], token: 3) == ["persist 1 a=all"])
        #expect(group.group.state == .completingRebalance)
        #expect(group.persisted(1) == ["sync 3 all"])
        #expect(group.group.state == .stable)
        #expect(group.heartbeat("a", 1) == .none)
    }

    @Test("An old client without MEMBER_ID_REQUIRED joins at once")
    func oldClient() {
        let group = transcript()
        #expect(group.join("", new: "a", requiresID: false, token: 1) == ["join 1 generation 1 range leader a of a"])
    }

    @Test("A second member makes the first join again; the leader sees both")
    func secondMember() {
        let group = transcript().stable("a")
        #expect(group.join("", new: "b", requiresID: false, token: 10) == [])
        #expect(group.group.state == .preparingRebalance)
        #expect(group.heartbeat("a", 1) == .rebalanceInProgress)
        #expect(
            group.join("a", token: 11) == [
                "join 11 generation 2 range leader a of a b", "join 10 generation 2 range leader a",
            ])
        #expect(group.sync("b", 2, [:], token: 12) == [])
        #expect(group.sync("a", 2, ["a": "0-2", "b": "3-5"], token: 13) == ["persist 2 a=0-2 b=3-5"])
        #expect(group.persisted(2) == ["sync 13 0-2", "sync 12 3-5"])
        #expect(group.heartbeat("b", 2) == .none)
        #expect(group.heartbeat("b", 1) == .illegalGeneration)
        #expect(group.heartbeat("c", 2) == .unknownMemberId)
    }

    @Test("A member that is silent for its session is removed and the others share its work")
    func sessionExpires() {
        let group = transcript().stable("a", "b")
        group.now += 5000
        #expect(group.heartbeat("a", group.group.generation) == .none)
        group.now += 5000
        #expect(group.expire() == [])
        #expect(group.memberIDs == ["a"])
        #expect(group.group.state == .preparingRebalance)
        #expect(group.join("a", token: 20) == ["join 20 generation 3 range leader a of a"])
    }

    @Test("A rebalance goes on without those who do not join in time")
    func rebalanceTimesOut() {
        let group = transcript().stable("a", "b")
        #expect(group.join("", new: "c", requiresID: false, token: 30) == [])
        #expect(group.join("b", token: 31) == [])
        for _ in 0..<5 {
            group.now += 9000
            _ = group.heartbeat("a", 2)
            #expect(group.expire() == [])
        }
        group.now += 15_001
        #expect(
            group.expire() == [
                "join 31 generation 3 range leader b of b c", "join 30 generation 3 range leader b",
            ])
    }

    @Test("A member that leaves while others wait lets the rebalance go on")
    func leaving() {
        let group = transcript().stable("a", "b")
        #expect(group.leave("b") == .none)
        #expect(group.actions == [])
        #expect(group.join("a", token: 40) == ["join 40 generation 3 range leader a of a"])
        #expect(group.leave("a") == .none)
        #expect(group.actions == ["persist in background"])
        #expect(group.group.state == .empty)
        #expect(group.leave("a") == .unknownMemberId)
    }

    @Test("The protocol with most votes among those all share is chosen; no common one is refused")
    func protocols() {
        let group = transcript()
        #expect(
            group.join("", new: "a", requiresID: false, protocols: ["range", "sticky"], token: 1)
                == ["join 1 generation 1 range leader a of a"])
        #expect(
            group.join("", new: "b", requiresID: false, protocols: ["sticky"], token: 2) == [])
        #expect(
            group.join("", new: "c", requiresID: false, protocols: ["range"], token: 3)
                == ["join 3 INCONSISTENT_GROUP_PROTOCOL "])
        #expect(
            group.join("a", protocols: ["range", "sticky"], token: 4) == [
                "join 4 generation 2 sticky leader a of a b", "join 2 generation 2 sticky leader a",
            ])
        #expect(
            group.join("", new: "d", requiresID: false, type: "connect", token: 5)
                == ["join 5 INCONSISTENT_GROUP_PROTOCOL "])
    }

    @Test("A static member that comes back takes its place without a rebalance; its old process is fenced")
    func staticMember() {
        let group = transcript()
        #expect(group.join("", new: "s1", instance: "one", token: 1) == ["join 1 generation 1 range leader s1 of s1"])
        _ = group.sync("s1", 1, ["s1": "all"], instance: "one", token: 2)
        #expect(group.persisted(1) == ["sync 2 all"])
        #expect(
            group.join("", new: "s2", instance: "one", skips: true, token: 3)
                == ["persist in background", "join 3 generation 1 range leader s2 of s2 skip"])
        #expect(group.group.state == .stable)
        #expect(group.heartbeat("s1", 1, instance: "one") == .fencedInstanceId)
        #expect(group.sync("s2", 1, [:], instance: "one", token: 4) == ["sync 4 all"])
        // A client that cannot skip the assignment must not believe that it leads.
        #expect(
            group.join("", new: "s3", instance: "one", token: 5)
                == ["persist in background", "join 5 generation 1 range leader s2"])
    }

    @Test("A failed write of the assignment is told to all and a new rebalance begins")
    func persistFails() {
        let group = transcript()
        _ = group.join("", new: "a", requiresID: false, token: 1)
        _ = group.sync("a", 1, ["a": "all"], token: 2)
        #expect(group.persisted(1, error: .coordinatorNotAvailable) == ["sync 2 COORDINATOR_NOT_AVAILABLE"])
        #expect(group.group.state == .preparingRebalance)
    }

    @Test("A rebalance during the assignment sends those who wait for it back")
    func rebalanceDuringSync() {
        let group = transcript().stable("a")
        _ = group.join("", new: "b", requiresID: false, token: 1)
        _ = group.join("a", token: 2)
        #expect(group.sync("b", 2, [:], token: 3) == [])
        #expect(
            group.join("", new: "c", requiresID: false, token: 4) == ["sync 3 REBALANCE_IN_PROGRESS"])
        #expect(group.persisted(2) == [])
        #expect(group.sync("a", 2, ["a": "x"], token: 5) == ["sync 5 REBALANCE_IN_PROGRESS"])
    }

    @Test("A member that never asks for its assignment is removed")
    func neverSyncs() {
        let group = transcript().stable("a")
        _ = group.join("", new: "b", requiresID: false, token: 1)
        _ = group.join("a", token: 2)
        #expect(group.sync("b", 2, [:], token: 3) == [])
        for _ in 0..<6 {
            group.now += 9000
            _ = group.heartbeat("a", 2)
            #expect(group.expire() == [])
        }
        group.now += 6001
        #expect(group.expire() == ["sync 3 REBALANCE_IN_PROGRESS"])
        #expect(group.memberIDs == ["b"])
    }

    @Test("An empty group waits for the initial delay, and longer while members keep coming")
    func initialDelay() {
        let group = transcript(initialDelay: 3000)
        #expect(group.join("", new: "a", requiresID: false, token: 1) == [])
        group.now += 2000
        #expect(group.join("", new: "b", requiresID: false, token: 2) == [])
        group.now += 1000
        #expect(group.expire() == [])
        group.now += 3000
        #expect(
            group.expire() == ["join 1 generation 1 range leader a of a b", "join 2 generation 1 range leader a"])
    }

    @Test("Who may commit")
    func commits() {
        let group = transcript()
        #expect(group.commit("", -1) == .none)
        _ = group.stable("a")
        #expect(group.commit("a", 1) == .none)
        #expect(group.commit("a", 0) == .illegalGeneration)
        #expect(group.commit("b", 1) == .unknownMemberId)
        #expect(group.commit("", -1) == .unknownMemberId)
        _ = group.join("", new: "b", requiresID: false, token: 1)
        #expect(group.commit("a", 1) == .none)
        _ = group.join("a", token: 2)
        #expect(group.commit("a", 2) == .rebalanceInProgress)
    }

    @Test("An id that was given and never used does not hold a rebalance up for longer than its session")
    func pendingMember() {
        let group = transcript().stable("a")
        _ = group.join("", new: "b", token: 1)
        #expect(group.join("", new: "c", requiresID: false, token: 2) == [])
        #expect(group.join("a", token: 3) == [])
        group.now += 10_000
        #expect(
            group.expire() == [
                "join 3 generation 2 range leader a of a c", "join 2 generation 2 range leader a",
            ])
    }
}

/// Plays events on a group and writes its actions as short lines.
final class GroupTranscript {
    var group: ClassicGroup
    var now: Int64 = 1000
    /// The actions of the last event.
    var actions: [String] = []
    var memberIDs: [String] { Array(group.members.keys) }

    init(initialDelay: Int64 = 0) {
        group = ClassicGroup(id: "g", initialRebalanceDelay: initialDelay)
    }

    /// Brings the group to a stable generation of these members.
    func stable(_ ids: String...) -> GroupTranscript {
        for (index, id) in ids.enumerated() {
            _ = join("", new: id, requiresID: false, token: 900 + UInt64(index))
            for member in ids.prefix(index) { _ = join(member, token: 950 + UInt64(index)) }
        }
        for id in ids.dropFirst() { _ = sync(id, group.generation, [:], token: 990) }
        _ = sync(ids[0], group.generation, [:], token: 991)
        _ = persisted(group.generation)
        #expect(group.state == .stable)
        return self
    }

    func join(
        _ id: String, new: String = "", instance: String? = nil, requiresID: Bool = true, type: String = "consumer",
        protocols: [String] = ["range"], skips: Bool = false, token: UInt64
    ) -> [String] {
        let input = ClassicGroup.JoinInput(
            memberID: id, generatedMemberID: new, instanceID: instance, clientID: "client", clientHost: "/127.0.0.1",
            sessionTimeout: 10_000, rebalanceTimeout: 60_000, protocolType: type,
            protocols: protocols.map { .init(name: $0, metadata: ByteBuffer(string: $0)) },
            requiresMemberID: requiresID, supportsSkippingAssignment: skips, token: token)
        return record(group.join(input, now: now))
    }

    func sync(
        _ id: String, _ generation: Int32, _ assignments: [String: String], instance: String? = nil, token: UInt64
    ) -> [String] {
        let input = ClassicGroup.SyncInput(
            memberID: id, instanceID: instance, generation: generation, protocolType: nil, protocolName: nil,
            assignments: assignments.mapValues { ByteBuffer(string: $0) }, token: token)
        return record(group.sync(input, now: now))
    }

    func heartbeat(_ id: String, _ generation: Int32, instance: String? = nil) -> ErrorCode {
        group.heartbeat(memberID: id, instanceID: instance, generation: generation, now: now)
    }

    func commit(_ id: String, _ generation: Int32) -> ErrorCode {
        group.checkCommit(memberID: id, instanceID: nil, generation: generation, now: now)
    }

    func leave(_ id: String) -> ErrorCode {
        let result = group.leave(memberID: id, instanceID: nil, now: now)
        _ = record(result.actions)
        return result.error
    }

    func persisted(_ generation: Int32, error: ErrorCode = .none) -> [String] {
        record(group.persisted(generation: generation, error: error, now: now))
    }

    func expire() -> [String] { record(group.expire(now: now)) }

    private func record(_ list: [ClassicGroup.Action]) -> [String] {
        actions = list.map { action in
            switch action {
            case .answerJoin(let token, let outcome) where outcome.error != .none:
                return "join \(token) \(outcome.error) \(outcome.memberID)"
            case .answerJoin(let token, let outcome):
                let members = outcome.members.map(\.id).joined(separator: " ")
                return "join \(token) generation \(outcome.generation) \(outcome.protocolName ?? "-") "
                    + "leader \(outcome.leader)" + (members.isEmpty ? "" : " of \(members)")
                    + (outcome.skipsAssignment ? " skip" : "")
            case .answerSync(let token, let outcome) where outcome.error != .none:
                return "sync \(token) \(outcome.error)"
            case .answerSync(let token, let outcome):
                return "sync \(token) \(String(buffer: outcome.assignment))"
            case .persist(let generation, let assignments):
                let shares = assignments.sorted { $0.key < $1.key }.map { "\($0.key)=\(String(buffer: $0.value))" }
                return "persist \(generation) \(shares.joined(separator: " "))"
            case .persistInBackground:
                return "persist in background"
            }
        }
        return actions
    }
}
