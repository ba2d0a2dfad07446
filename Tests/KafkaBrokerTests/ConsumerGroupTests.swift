import KafkaProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import KafkaBroker

/// Groups of KIP-848 as a transcript of heartbeats, by the KIP's own examples and Kafka's `CurrentAssignmentBuilder`.
@Suite struct ConsumerGroupTests {
    private struct Topics: TopicDirectory {
        var version: UInt64 = 1
        var known: [String: (id: KafkaUUID, partitions: Int32)]
        var names: [String] { known.keys.sorted() }
        func topic(named name: String) -> (id: KafkaUUID, partitions: Int32)? { known[name] }
    }

    private let a = KafkaUUID.random()
    private let b = KafkaUUID.random()
    private let limits = ConsumerGroupLimits()

    private func topics(_ a: Int32 = 6, _ b: Int32 = 2, version: UInt64 = 1) -> Topics {
        Topics(version: version, known: ["a": (self.a, a), "b": (self.b, b)])
    }

    private func beat(
        _ group: inout ConsumerGroup, _ id: String, _ epoch: Int32, owned: Set<Int32>? = nil, topics: Topics? = nil,
        instance: String? = nil, now: Int64 = 0
    ) throws -> ConsumerGroup.Outcome {
        let isFirst = epoch == 0
        let input = ConsumerGroup.Heartbeat(
            memberID: id, epoch: epoch, instanceID: instance, rackID: nil, clientID: "c", clientHost: "/h",
            rebalanceTimeout: isFirst ? 1000 : -1, topics: isFirst ? ["a"] : nil, pattern: nil, assignor: nil,
            owned: isFirst ? [:] : owned.map { $0.isEmpty ? [:] : [a: $0] })
        return try group.heartbeat(input, limits: limits, topics: topics ?? self.topics(), now: now).outcome
    }

    @Test func partitionsAreGivenOnlyWhenTheirOwnerHasReleasedThem() throws {
        var group = ConsumerGroup(id: "g")
        let one = try beat(&group, "m1", 0)
        #expect(one.epoch == 1 && one.assignment == [a: Set(0..<6)])
        #expect(group.state == .stable)
        // The second gets nothing yet: all is the first's.
        let two = try beat(&group, "m2", 0)
        #expect(two.epoch == 2 && two.assignment == [:])
        #expect(group.state == .reconciling)
        // The first is asked to give up three, and stays at its epoch until it has.
        let asked = try beat(&group, "m1", 1, owned: Set(0..<6))
        let kept = try #require(asked.assignment?[a])
        #expect(asked.epoch == 1 && kept.count == 3)
        #expect(try beat(&group, "m2", 2).assignment == nil)
        #expect(try beat(&group, "m1", 1).assignment == nil, "it has not said that it gave them up")
        let gaveUp = try beat(&group, "m1", 1, owned: kept)
        #expect(gaveUp.epoch == 2)
        let got = try #require(try beat(&group, "m2", 2).assignment?[a])
        #expect(got == Set(0..<6).subtracting(kept))
        #expect(group.state == .stable)
    }

    @Test func epochsFence() throws {
        var group = ConsumerGroup(id: "g")
        _ = try beat(&group, "m1", 0)
        func refusal(_ id: String, _ epoch: Int32, owned: Set<Int32>? = nil) -> ErrorCode? {
            do {
                _ = try beat(&group, id, epoch, owned: owned)
                return nil
            } catch {
                return (error as? Refusal)?.code
            }
        }
        #expect(refusal("m1", 2) == .fencedMemberEpoch)
        #expect(refusal("nobody", 1) == .unknownMemberId)
        _ = try beat(&group, "m2", 0)
        let kept = try #require(try beat(&group, "m1", 1, owned: Set(0..<6)).assignment?[a])
        _ = try beat(&group, "m1", 1, owned: kept)
        // The answer was lost: with the epoch before and no more than it has, the member is heard.
        #expect(refusal("m1", 1, owned: kept) == nil)
        #expect(refusal("m1", 1, owned: Set(0..<6)) == .fencedMemberEpoch)
        #expect(group.checkCommit(memberID: "m1", epoch: 2) == .none)
        #expect(group.checkCommit(memberID: "m1", epoch: 1) == .staleMemberEpoch)
        #expect(group.checkCommit(memberID: "m9", epoch: 1) == .unknownMemberId)
        #expect(group.checkFetch(memberID: nil, epoch: -1) == .none)
    }

    @Test func silentAndStubbornMembersAreRemoved() throws {
        var group = ConsumerGroup(id: "g")
        _ = try beat(&group, "m1", 0, now: 0)
        _ = try beat(&group, "m2", 0, now: 10)
        _ = try beat(&group, "m1", 1, owned: Set(0..<6), now: 20)
        // Asked at 20 to give up, rebalance timeout 1000.
        #expect(group.nextDeadline == 1020)
        #expect(group.expire(now: 1019).removed.isEmpty)
        #expect(group.expire(now: 1020).removed == ["m1"])
        #expect(try beat(&group, "m2", 2, now: 1030).assignment == [a: Set(0..<6)])
        #expect(group.expire(now: 1030 + limits.sessionTimeout).removed == ["m2"])
        #expect(group.state == .empty && group.nextDeadline == nil)
    }

    @Test func aTopicThatGrowsMovesTheGroupOn() throws {
        var group = ConsumerGroup(id: "g")
        _ = try beat(&group, "m1", 0)
        #expect(try beat(&group, "m1", 1, topics: topics(6, 9, version: 2)).epoch == 1, "another topic's affair")
        let grown = try beat(&group, "m1", 1, topics: topics(8, 9, version: 3))
        #expect(grown.epoch == 2 && grown.assignment == [a: Set(0..<8)])
    }

    @Test func aStaticMemberComesBackToWhatItHad() throws {
        var group = ConsumerGroup(id: "g")
        _ = try beat(&group, "m1", 0, instance: "i")
        do {
            _ = try beat(&group, "m2", 0, instance: "i")
            Issue.record("taken over while in use")
        } catch let refusal as Refusal {
            #expect(refusal.code == .unreleasedInstanceId)
        }
        _ = try group.leave("m1", instanceID: "i", epoch: -2)
        let epoch = group.epoch
        let back = try beat(&group, "m2", 0, instance: "i")
        #expect(back.assignment == [a: Set(0..<6)])
        #expect(group.members.keys.sorted() == ["m2"] && group.epoch == epoch)
    }

    @Test func uniformBalancesAndMovesFew() throws {
        let assignor = try #require(ServerAssignor.named("uniform"))
        func member(_ id: String, _ topics: Set<KafkaUUID>, _ current: TopicAssignment = [:])
            -> ServerAssignor.Subscriber
        {
            .init(id: id, topics: topics, current: current)
        }
        let first = assignor.assign(
            [member("m1", [a, b]), member("m2", [a, b]), member("m3", [a, b])], [a: 7, b: 4])
        #expect(first.values.map { $0.values.reduce(0) { $0 + $1.count } }.sorted() == [3, 4, 4])
        let again = assignor.assign(
            first.sorted { $0.key < $1.key }.map { member($0.key, [a, b], $0.value) } + [member("m4", [a, b])],
            [a: 7, b: 4])
        #expect(again.values.map { $0.values.reduce(0) { $0 + $1.count } }.sorted() == [2, 3, 3, 3])
        let moved = first.flatMap { id, assignment in
            assignment.flatMap { topic, partitions in partitions.subtracting(again[id]?[topic] ?? []) }
        }
        #expect(moved.count == 2, "no more than the new member gets")
        // Who is subscribed to more has the topics that the others lack.
        let mixed = assignor.assign([member("m1", [a]), member("m2", [a, b])], [a: 4, b: 4])
        #expect(mixed == ["m1": [a: Set(0..<4)], "m2": [b: Set(0..<4)]])
    }

    @Test func rangeGivesRuns() throws {
        let assignor = try #require(ServerAssignor.named("range"))
        let members = ["m2", "m1"].map { ServerAssignor.Subscriber(id: $0, topics: [a, b], current: [:]) }
        let shared = assignor.assign(members, [a: 5, b: 2])
        #expect(shared == ["m1": [a: [0, 1, 2], b: [0]], "m2": [a: [3, 4], b: [1]]])
    }

    @Test func recordsComeBackAsTheGroup() throws {
        var group = ConsumerGroup(id: "g")
        _ = try beat(&group, "m1", 0, instance: "i")
        _ = try beat(&group, "m2", 0)
        _ = try beat(&group, "m1", 1, owned: Set(0..<6), instance: "i")
        var restored = GroupReplay()
        for record in try ConsumerGroupRecords.everything(group) {
            try restored.take(.record(key: record.key, value: record.value, producerID: nil))
        }
        let found = try #require(restored.consumers["g"])
        #expect(found.members == group.members && found.targets == group.targets)
        #expect(found.epoch == group.epoch && found.targetEpoch == group.targetEpoch && found.owners == group.owners)
        for record in try ConsumerGroupRecords.tombstones(group) {
            try restored.take(.record(key: record.key, value: record.value, producerID: nil))
        }
        #expect(restored.groups.isEmpty)
    }

    /// KIP-848, "Upgrade to the new protocol": the classic members' generation is their epoch, and heartbeats call them.
    @Test func classicMembersAreLedByTheirHeartbeats() throws {
        func metadata(owned: [Int32]) throws -> [ClassicGroup.MemberProtocol] {
            var subscription = ConsumerProtocolSubscription()
            subscription.topics = ["a"]
            var entry = ConsumerProtocolSubscription.TopicPartition()
            entry.topic = "a"
            entry.partitions = owned
            if !owned.isEmpty { subscription.ownedPartitions = [entry] }
            return [.init(name: "range", metadata: try subscription.encodeVersioned(version: 1))]
        }
        func assignment(_ partitions: Range<Int32>) throws -> ByteBuffer {
            var assignment = ConsumerProtocolAssignment()
            var entry = ConsumerProtocolAssignment.TopicPartition()
            entry.topic = "a"
            entry.partitions = Array(partitions)
            assignment.assignedPartitions = [entry]
            return try assignment.encodeVersioned(version: 1)
        }
        var classic = ClassicGroup(id: "g", initialRebalanceDelay: 0)
        (classic.generation, classic.protocolType, classic.protocolName) = (3, "consumer", "range")
        for (id, share) in [("m1", Int32(0)..<3), ("m2", 3..<6)] {
            var member = ClassicGroup.Member(
                id: id, instanceID: nil, clientID: id, clientHost: "/", sessionTimeout: 10_000,
                rebalanceTimeout: 60_000, protocols: try metadata(owned: []), deadline: 0)
            member.assignment = try assignment(share)
            classic.members[id] = member
        }
        var group = try #require(ConsumerGroup(upgrading: classic, topics: topics(), now: 0))
        let first = try beat(&group, "c", 0)
        #expect(first.epoch == 4 && first.assignment == [:], "all is still the others'")

        var names: [KafkaUUID: String] = [:]
        for name in topics().names { if let topic = topics().topic(named: name) { names[topic.id] = name } }
        func share(_ bytes: ByteBuffer) throws -> [Int32] {
            try ConsumerProtocolAssignment.decodeVersioned(bytes).assignedPartitions.flatMap(\.partitions)
        }
        for id in ["m1", "m2"] {
            let call = { (generation: Int32) in
                group.classicHeartbeat(memberID: id, instanceID: nil, generation: generation, now: 1)
            }
            #expect(call(2) == .illegalGeneration && call(3) == .rebalanceInProgress)
            let join = ClassicGroup.JoinInput(
                memberID: id, generatedMemberID: "", clientID: id, clientHost: "/", sessionTimeout: 10_000,
                rebalanceTimeout: 60_000, protocolType: "consumer", protocols: try metadata(owned: []),
                requiresMemberID: true, supportsSkippingAssignment: true, token: 0)
            let joined = try group.classicJoin(join, limits: ConsumerGroupLimits(), topics: topics(), now: 2).outcome
            #expect(joined.error == .none && joined.generation == 4 && joined.leader.isEmpty && joined.members.isEmpty)
            let synced = group.classicSync(
                .init(
                    memberID: id, generation: 4, protocolType: "consumer", protocolName: "range", assignments: [:],
                    token: 0),
                names: { names[$0] }, now: 3)
            #expect(try synced.error == .none && share(synced.assignment).count == 2)
            #expect(call(4) == .none)
        }
        let given = try #require(try beat(&group, "c", 4, owned: []).assignment)
        #expect(given.values.reduce(0) { $0 + $1.count } == 2)

        var restored = GroupReplay()
        for record in try ConsumerGroupRecords.everything(group) {
            try restored.take(.record(key: record.key, value: record.value, producerID: nil))
        }
        #expect(restored.consumers["g"]?.members == group.members)
        _ = try group.leave("c", instanceID: nil, epoch: -1)
        #expect(group.isClassicOnly)
        let back = group.downgraded(initialRebalanceDelay: 0, names: { names[$0] }, now: 4)
        #expect(back.generation == 5 && back.state == .stable && back.protocolName == "range")
        #expect(try back.members.values.map { try share($0.assignment).count } == [2, 2])
    }
}
