/// What a group member subscribes to and holds, as the assignors see it.
public struct GroupSubscription: Sendable {
    /// The member's id.
    public var memberID: String
    /// `group.instance.id`, if the member is static.
    public var instanceID: String?
    /// The topics it wants.
    public var topics: [String]
    /// What it holds from an earlier round.
    public var ownedPartitions: [TopicPartition]
    /// The generation in which it came to hold them, -1 if unknown.
    public var generation: Int32

    /// Makes a subscription.
    public init(
        memberID: String, instanceID: String? = nil, topics: [String], ownedPartitions: [TopicPartition] = [],
        generation: Int32 = -1
    ) {
        self.memberID = memberID
        self.instanceID = instanceID
        self.topics = topics
        self.ownedPartitions = ownedPartitions
        self.generation = generation
    }
}

/// Divides partitions among the members of a group. Must not depend on anything but its arguments.
public protocol PartitionAssignor: Sendable {
    /// The name members agree on.
    var name: String { get }
    /// Whether members may keep their partitions through a rebalance (KIP-429).
    var isCooperative: Bool { get }
    /// Every member's partitions. Topics without partitions are absent from `partitionCounts`.
    func assign(partitionCounts: [String: Int32], members: [GroupSubscription]) -> [String: [TopicPartition]]
}

extension [GroupSubscription] {
    /// Kafka's order: static members by instance id, before the others by member id.
    func inKafkaOrder() -> [GroupSubscription] {
        sorted { left, right in
            switch (left.instanceID, right.instanceID) {
            case (let first?, let second?): first < second
            case (.some, nil): true
            case (nil, .some): false
            case (nil, nil): left.memberID < right.memberID
            }
        }
    }
}

/// Kafka's `range`: topic by topic, contiguous ranges; the first members get one more where it does not divide.
public struct RangeAssignor: PartitionAssignor {
    /// `range`.
    public let name = "range"
    /// False.
    public let isCooperative = false

    /// Makes the assignor.
    public init() {}

    /// Every member's partitions.
    public func assign(
        partitionCounts: [String: Int32], members: [GroupSubscription]
    ) -> [String: [TopicPartition]] {
        var result: [String: [TopicPartition]] = [:]
        for member in members { result[member.memberID] = [] }
        let ordered = members.inKafkaOrder()
        for (topic, count) in partitionCounts.sorted(by: { $0.key < $1.key }) where count > 0 {
            let takers = ordered.filter { $0.topics.contains(topic) }
            guard !takers.isEmpty else { continue }
            let (share, extra) = Int(count).quotientAndRemainder(dividingBy: takers.count)
            var next: Int32 = 0
            for (index, taker) in takers.enumerated() {
                let end = next + Int32(share + (index < extra ? 1 : 0))
                result[taker.memberID, default: []] += (next..<end).map { TopicPartition(topic: topic, partition: $0) }
                next = end
            }
        }
        return result
    }
}

/// Kafka's `roundrobin`: all partitions in order, dealt out in turn to those who want the topic.
public struct RoundRobinAssignor: PartitionAssignor {
    /// `roundrobin`.
    public let name = "roundrobin"
    /// False.
    public let isCooperative = false

    /// Makes the assignor.
    public init() {}

    /// Every member's partitions.
    public func assign(
        partitionCounts: [String: Int32], members: [GroupSubscription]
    ) -> [String: [TopicPartition]] {
        var result: [String: [TopicPartition]] = [:]
        for member in members { result[member.memberID] = [] }
        let ordered = members.inKafkaOrder()
        guard !ordered.isEmpty else { return result }
        var turn = 0
        for (topic, count) in partitionCounts.sorted(by: { $0.key < $1.key }) where count > 0 {
            guard ordered.contains(where: { $0.topics.contains(topic) }) else { continue }
            for partition in 0..<count {
                while !ordered[turn % ordered.count].topics.contains(topic) { turn += 1 }
                result[ordered[turn % ordered.count].memberID, default: []]
                    .append(TopicPartition(topic: topic, partition: partition))
                turn += 1
            }
        }
        return result
    }
}

/// Kafka's `cooperative-sticky`: balanced, moves as little as it can, and hands a partition to its next owner only in
/// the round after the old one has let go of it.
public struct CooperativeStickyAssignor: PartitionAssignor {
    /// `cooperative-sticky`.
    public let name = "cooperative-sticky"
    /// True.
    public let isCooperative = true

    /// Makes the assignor.
    public init() {}

    /// Every member's partitions.
    public func assign(
        partitionCounts: [String: Int32], members: [GroupSubscription]
    ) -> [String: [TopicPartition]] {
        let balance = StickyBalance(partitionCounts: partitionCounts, members: members)
        var result = balance.result
        for (member, partitions) in result {
            result[member] = partitions.filter { balance.owners[$0] ?? member == member }
        }
        return result
    }
}

/// One computation of the sticky assignment.
struct StickyBalance {
    /// Who holds what now; a partition that two members claim belongs to the later generation, or to nobody.
    let owners: [TopicPartition: String]
    /// Every member's partitions, in order.
    private(set) var result: [String: [TopicPartition]]
    private let order: [String]
    private let topics: [String: Set<String>]
    private let all: [TopicPartition]

    init(partitionCounts: [String: Int32], members: [GroupSubscription]) {
        let members = members.inKafkaOrder()
        order = members.map(\.memberID)
        var topics: [String: Set<String>] = [:]
        var result: [String: [TopicPartition]] = [:]
        for member in members {
            topics[member.memberID] = Set(member.topics)
            result[member.memberID] = []
        }
        all = partitionCounts.sorted { $0.key < $1.key }.flatMap { topic, count in
            (0..<max(count, 0)).map { TopicPartition(topic: topic, partition: $0) }
        }
        let existing = Set(all)
        var claims: [TopicPartition: (member: String, generation: Int32, contested: Bool)] = [:]
        for member in members {
            for partition in member.ownedPartitions where existing.contains(partition) {
                if let other = claims[partition] {
                    if member.generation > other.generation {
                        claims[partition] = (member.memberID, member.generation, false)
                    } else if member.generation == other.generation {
                        claims[partition]?.contested = true
                    }
                } else {
                    claims[partition] = (member.memberID, member.generation, false)
                }
            }
        }
        var owners: [TopicPartition: String] = [:]
        for (partition, claim) in claims where !claim.contested { owners[partition] = claim.member }
        self.topics = topics
        self.result = result
        self.owners = owners
        divide()
        self.result = self.result.mapValues { $0.sorted() }
    }

    private mutating func divide() {
        guard !order.isEmpty else { return }
        var free: [TopicPartition] = []
        for partition in all {
            if let owner = owners[partition], topics[owner]?.contains(partition.topic) == true {
                result[owner]?.append(partition)
            } else {
                free.append(partition)
            }
        }
        for partition in free {
            guard let taker = leastLoaded(for: partition.topic) else { continue }
            result[taker]?.append(partition)
        }
        while moveOne() {}
    }

    private func load(_ member: String) -> Int { result[member]?.count ?? 0 }

    private func leastLoaded(for topic: String) -> String? {
        order.filter { topics[$0]?.contains(topic) == true }.min { load($0) < load($1) }
    }

    /// Moves one partition from a member to another that has at least two fewer; false when there is no such pair.
    private mutating func moveOne() -> Bool {
        for giver in order.sorted(by: { load($0) > load($1) }) {
            // Prefer to move what the giver did not hold before: that costs nobody anything.
            let candidates = (result[giver] ?? []).sorted { left, right in
                (owners[left] == giver ? 1 : 0, left) < (owners[right] == giver ? 1 : 0, right)
            }
            for partition in candidates {
                guard let taker = leastLoaded(for: partition.topic), load(giver) - load(taker) >= 2 else { continue }
                result[giver]?.removeAll { $0 == partition }
                result[taker]?.append(partition)
                return true
            }
        }
        return false
    }
}
