import KafkaProtocol

/// Shares the partitions of a group's topics among its members, on the broker (KIP-848).
struct ServerAssignor: Sendable {
    /// A member as an assignor sees it.
    struct Subscriber {
        var id: String
        var instanceID: String? = nil
        var topics: Set<KafkaUUID>
        /// What it was to have before.
        var current: TopicAssignment
    }

    /// The name that members ask for.
    let name: String
    private let body: @Sendable ([Subscriber], [KafkaUUID: Int32]) -> [String: TopicAssignment]

    /// The assignors there are; the first is the default.
    static let all = [ServerAssignor(name: "uniform", body: uniform), ServerAssignor(name: "range", body: range)]

    static func named(_ name: String) -> ServerAssignor? { all.first { $0.name == name } }

    func assign(_ members: [Subscriber], _ counts: [KafkaUUID: Int32]) -> [String: TopicAssignment] {
        body(members, counts)
    }

    // MARK: range

    /// Each topic's partitions in equal runs, in the order of instance and member ids; so topics with as many partitions
    /// are shared alike.
    @Sendable private static func range(
        _ members: [Subscriber], _ counts: [KafkaUUID: Int32]
    ) -> [String: TopicAssignment] {
        var result: [String: TopicAssignment] = [:]
        let ordered = members.sorted { first, second in
            switch (first.instanceID, second.instanceID) {
            case (let one?, let two?): one < two
            case (_?, nil): true
            case (nil, _?): false
            case (nil, nil): first.id < second.id
            }
        }
        for (topic, count) in counts {
            let subscribers = ordered.filter { $0.topics.contains(topic) }
            guard !subscribers.isEmpty else { continue }
            let (share, rest) = Int(count).quotientAndRemainder(dividingBy: subscribers.count)
            var next = 0
            for (index, member) in subscribers.enumerated() {
                let size = share + (index < rest ? 1 : 0)
                guard size > 0 else { continue }
                result[member.id, default: [:]][topic] = Set((next..<next + size).map(Int32.init))
                next += size
            }
        }
        return result
    }

    // MARK: uniform

    /// As many partitions for each member as its subscription allows, and as few moved as that takes.
    @Sendable private static func uniform(
        _ members: [Subscriber], _ counts: [KafkaUUID: Int32]
    ) -> [String: TopicAssignment] {
        var sharing = UniformSharing(members, counts)
        sharing.keepCurrent()
        sharing.giveOut()
        sharing.balance()
        return sharing.result
    }
}

/// The work of the uniform assignor. Members and topics are numbered in a fixed order, so that the result is the same for
/// the same input.
private struct UniformSharing {
    private let members: [ServerAssignor.Subscriber]
    private let topics: [(id: KafkaUUID, count: Int32)]
    /// Members subscribed to each topic.
    private let subscribers: [[Int]]
    /// Who has each topic's partitions.
    private var owners: [[Int?]]
    private var loads: [Int]

    init(_ members: [ServerAssignor.Subscriber], _ counts: [KafkaUUID: Int32]) {
        let ordered = members.sorted { $0.id < $1.id }
        self.members = ordered
        topics = counts.sorted { $0.key.description < $1.key.description }.map { ($0.key, $0.value) }
        subscribers = topics.map { topic in ordered.indices.filter { ordered[$0].topics.contains(topic.id) } }
        owners = topics.map { Array(repeating: nil, count: Int(max(0, $0.count))) }
        loads = Array(repeating: 0, count: ordered.count)
    }

    var result: [String: TopicAssignment] {
        var result: [String: TopicAssignment] = [:]
        for (topic, owners) in zip(topics, owners) {
            for (partition, owner) in owners.enumerated() {
                guard let owner else { continue }
                result[members[owner].id, default: [:]][topic.id, default: []].insert(Int32(partition))
            }
        }
        return result
    }

    mutating func keepCurrent() {
        for topic in topics.indices {
            for member in subscribers[topic] {
                for partition in members[member].current[topics[topic].id] ?? [] {
                    let index = Int(partition)
                    guard owners[topic].indices.contains(index), owners[topic][index] == nil else { continue }
                    owners[topic][index] = member
                    loads[member] += 1
                }
            }
        }
    }

    mutating func giveOut() {
        // Topics with few subscribers first: the others have more choice.
        for topic in topics.indices.sorted(by: { subscribers[$0].count < subscribers[$1].count }) {
            for partition in owners[topic].indices where owners[topic][partition] == nil {
                guard let member = leastLoaded(topic) else { break }
                owners[topic][partition] = member
                loads[member] += 1
            }
        }
    }

    private func leastLoaded(_ topic: Int) -> Int? { subscribers[topic].min { loads[$0] < loads[$1] } }

    /// Moves partitions to members that have at least two less, from those that have most first: so none moves twice.
    mutating func balance() {
        var threshold = loads.max() ?? 0
        while threshold > 1 {
            var hasMoved = false
            for topic in topics.indices {
                for partition in owners[topic].indices {
                    guard let owner = owners[topic][partition], loads[owner] >= threshold,
                        let least = leastLoaded(topic), loads[least] + 1 < loads[owner]
                    else { continue }
                    owners[topic][partition] = least
                    loads[owner] -= 1
                    loads[least] += 1
                    hasMoved = true
                }
            }
            if !hasMoved { threshold -= 1 }
        }
    }
}
