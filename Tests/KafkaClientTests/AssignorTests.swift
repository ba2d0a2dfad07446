import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaClient

struct AssignorTests {
    private func partitions(_ names: String...) -> [TopicPartition] {
        names.map { name in
            TopicPartition(topic: String(name.dropLast(2)), partition: Int32(String(name.last ?? "0")) ?? 0)
        }
    }

    private func member(_ id: String, _ topics: String..., owned: [TopicPartition] = []) -> GroupSubscription {
        GroupSubscription(memberID: id, topics: topics, ownedPartitions: owned, generation: owned.isEmpty ? -1 : 1)
    }

    /// The example in the documentation of Kafka's `RangeAssignor`.
    @Test func `range, as documented`() {
        let result = RangeAssignor().assign(
            partitionCounts: ["t0": 3, "t1": 3], members: [member("C1", "t0", "t1"), member("C0", "t0", "t1")])
        #expect(result["C0"] == partitions("t0p0", "t0p1", "t1p0", "t1p1"))
        #expect(result["C1"] == partitions("t0p2", "t1p2"))
    }

    /// The examples in the documentation of Kafka's `RoundRobinAssignor`.
    @Test func `round robin, as documented`() {
        let same = RoundRobinAssignor().assign(
            partitionCounts: ["t0": 3, "t1": 3], members: [member("C0", "t0", "t1"), member("C1", "t0", "t1")])
        #expect(same["C0"] == partitions("t0p0", "t0p2", "t1p1"))
        #expect(same["C1"] == partitions("t0p1", "t1p0", "t1p2"))
        let different = RoundRobinAssignor().assign(
            partitionCounts: ["t0": 1, "t1": 2, "t2": 3],
            members: [member("C0", "t0"), member("C1", "t0", "t1"), member("C2", "t0", "t1", "t2")])
        #expect(different["C0"] == partitions("t0p0"))
        #expect(different["C1"] == partitions("t1p0"))
        #expect(different["C2"] == partitions("t1p1", "t2p0", "t2p1", "t2p2"))
    }

    /// The first example in the documentation of Kafka's `StickyAssignor`: C1 goes, the others keep what they have.
    @Test func `sticky, as documented: a member leaves`() {
        let result = CooperativeStickyAssignor().assign(
            partitionCounts: ["t0": 2, "t1": 2, "t2": 2, "t3": 2],
            members: [
                member("C0", "t0", "t1", "t2", "t3", owned: partitions("t0p0", "t1p1", "t3p0")),
                member("C2", "t0", "t1", "t2", "t3", owned: partitions("t1p0", "t2p1")),
            ])
        let first = result["C0"] ?? []
        let second = result["C2"] ?? []
        #expect(first.count == 4 && second.count == 4)
        #expect(Set(first).isSuperset(of: partitions("t0p0", "t1p1", "t3p0")))
        #expect(Set(second).isSuperset(of: partitions("t1p0", "t2p1")))
        #expect(Set(first + second).count == 8)
    }

    /// The eager one moves partitions in one round, and no more of them than it must.
    @Test func `sticky: a partition changes hands in one round`() {
        let all = partitions("t0p0", "t0p1", "t0p2", "t0p3")
        let result = StickyAssignor().assign(
            partitionCounts: ["t0": 4], members: [member("A", "t0", owned: all), member("B", "t0")])
        #expect(result["A"]?.count == 2 && result["B"]?.count == 2)
        #expect(Set((result["A"] ?? []) + (result["B"] ?? [])) == Set(all))
    }

    /// `subscriptionUserData` of Kafka 4.3's Java client, for partitions 0 and 2 of t and 1 of u in generation 7.
    @Test func `sticky: what a member held, in Java's form`() throws {
        let hex = "00000002000174000000020000000000000002000175000000010000000100000007"
        let bytes = stride(from: 0, to: hex.count, by: 2).compactMap { place in
            UInt8(hex.dropFirst(place).prefix(2), radix: 16)
        }
        let data = StickyUserData(
            partitions: partitions("tp0", "tp2", "up1"), generation: 7)
        #expect(data.encode() == ByteBuffer(bytes: bytes))
        #expect(try StickyUserData(ByteBuffer(bytes: bytes)) == data)
        // Version 0 ends before the generation.
        #expect(try StickyUserData(ByteBuffer(bytes: bytes.dropLast(4))).generation == -1)
        for length in 1..<(bytes.count - 4) {
            #expect(throws: WireError.self) { try StickyUserData(ByteBuffer(bytes: bytes.prefix(length))) }
        }
    }

    /// KIP-429: what changes hands is given to nobody in the first round, and to its new owner in the second.
    @Test func `cooperative: a partition changes hands in two rounds`() {
        let assignor = CooperativeStickyAssignor()
        let all = partitions("t0p0", "t0p1", "t0p2", "t0p3")
        let first = assignor.assign(
            partitionCounts: ["t0": 4], members: [member("A", "t0", owned: all), member("B", "t0")])
        #expect(first["A"]?.count == 2)
        #expect(first["B"] == [])
        let second = assignor.assign(
            partitionCounts: ["t0": 4], members: [member("A", "t0", owned: first["A"] ?? []), member("B", "t0")])
        #expect(second["A"] == first["A"])
        #expect(second["B"]?.count == 2)
    }

    @Test func `cooperative: the later generation owns what two members claim`() {
        let old = GroupSubscription(
            memberID: "A", topics: ["t0"], ownedPartitions: partitions("t0p0", "t0p1"), generation: 3)
        let new = GroupSubscription(memberID: "B", topics: ["t0"], ownedPartitions: partitions("t0p1"), generation: 4)
        let result = CooperativeStickyAssignor().assign(partitionCounts: ["t0": 2], members: [old, new])
        #expect(result == ["A": partitions("t0p0"), "B": partitions("t0p1")])
    }

    @Test func `every partition that somebody wants goes to one who wants it, evenly`() {
        var random = SystemRandomNumberGenerator()
        let assignors: [any PartitionAssignor] = [
            RangeAssignor(), RoundRobinAssignor(), StickyAssignor(), CooperativeStickyAssignor(),
        ]
        for _ in 0..<50 {
            let counts = ["a": Int32.random(in: 1...9, using: &random), "b": 5]
            let members = (0..<Int.random(in: 1...6, using: &random)).map {
                GroupSubscription(memberID: "m\($0)", topics: $0 == 0 ? ["a", "b"] : ["a"])
            }
            for assignor in assignors {
                let result = assignor.assign(partitionCounts: counts, members: members)
                let given = result.values.flatMap { $0 }
                #expect(Set(given).count == given.count)
                #expect(given.count == counts.values.reduce(0) { $0 + Int($1) })
                #expect(result.keys.sorted() == members.map(\.memberID).sorted())
                #expect(given.filter { $0.topic == "b" }.allSatisfy { result["m0"]?.contains($0) == true })
            }
        }
    }
}
