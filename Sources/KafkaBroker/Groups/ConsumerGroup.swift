import KafkaProtocol

/// Partitions by topic id.
typealias TopicAssignment = [KafkaUUID: Set<Int32>]

/// One group of the consumer protocol (KIP-848) as a pure state machine.
///
/// The broker assigns; a member learns of it by its heartbeats. Three things follow one another: the group epoch moves when
/// members or topics change, the target assignment is computed for that epoch, and each member is led to it on its own:
/// first it gives up what is not its own any more, then it gets what the others have given up (Kafka's
/// `GroupMetadataManager` and `CurrentAssignmentBuilder`). Nothing here does IO or knows a clock.
struct ConsumerGroup {
    /// The names are what ConsumerGroupDescribe and ListGroups show.
    enum State: String {
        case empty = "Empty"
        case assigning = "Assigning"
        case reconciling = "Reconciling"
        case stable = "Stable"
    }

    /// How far a member has come; the numbers are those of the records.
    enum MemberState: Int8 {
        case stable = 0
        case unrevokedPartitions = 1
        case unreleasedPartitions = 2
    }

    struct Member: Equatable {
        var id: String
        var instanceID: String?
        var rackID: String?
        var clientID = ""
        var clientHost = ""
        var rebalanceTimeout: Int32 = -1
        var topics: [String] = []
        var pattern: String?
        var assignor: String?
        var epoch: Int32 = 0
        var previousEpoch: Int32 = -1
        var state = MemberState.stable
        /// What the member has been given and has not been asked to give up.
        var assigned: TopicAssignment = [:]
        /// What it has been asked to give up and may still have.
        var revoking: TopicAssignment = [:]
        /// Set if the member speaks the classic protocol.
        var classic: ClassicSession?

        /// Whether what the member is subscribed to differs.
        func isSubscribed(as other: Member) -> Bool { topics == other.topics && pattern == other.pattern }
    }

    /// What a heartbeat says; nil where the member has nothing new to say.
    struct Heartbeat {
        var memberID: String
        var epoch: Int32
        var instanceID: String?
        var rackID: String?
        var clientID: String
        var clientHost: String
        var rebalanceTimeout: Int32
        var topics: [String]?
        var pattern: String?
        var assignor: String?
        var owned: TopicAssignment?
        /// Set if the member speaks the classic protocol.
        var classic: ClassicSession?

        /// A member that tells everything wants to be told everything.
        var isFull: Bool { rebalanceTimeout != -1 && (topics != nil || pattern != nil) && owned != nil }
    }

    struct Outcome {
        var memberID: String
        var epoch: Int32
        /// What the member is to have, if it has to be told.
        var assignment: TopicAssignment?
    }

    /// What a change leaves to be written.
    struct Changes {
        var members: Set<String> = []
        var removed: Set<String> = []
        var targets: Set<String> = []
        var assignments: Set<String> = []
        var group = false
        var targetEpoch = false

        var isEmpty: Bool {
            members.isEmpty && removed.isEmpty && targets.isEmpty && assignments.isEmpty && !group && !targetEpoch
        }
    }

    let id: String
    var epoch: Int32 = 0
    /// The epoch that the target assignment was computed for.
    var targetEpoch: Int32 = 0
    var members: [String: Member] = [:]
    var targets: [String: TopicAssignment] = [:]
    /// Member ids by instance id.
    var staticMembers: [String: String] = [:]
    /// Who has each partition, or has not given it up yet.
    private(set) var owners: [KafkaUUID: [Int32: String]] = [:]
    /// The topics subscribed to, as they were when the group last looked.
    var subscribed = SubscribedTopics()
    /// When a member is removed unless it is heard of before, and when one must have given up what it was asked for.
    var sessionDeadlines: [String: Int64] = [:]
    var revocationDeadlines: [String: Int64] = [:]
    /// When a classic member must have joined, or fetched its share, at the latest.
    var joinDeadlines: [String: Int64] = [:]

    init(id: String) { self.id = id }

    var state: State {
        if members.isEmpty { return .empty }
        if epoch > targetEpoch { return .assigning }
        return members.values.allSatisfy { $0.state == .stable && $0.epoch == targetEpoch } ? .stable : .reconciling
    }

    /// The earliest time at which `expire` has something to do.
    var nextDeadline: Int64? {
        [sessionDeadlines.values.min(), revocationDeadlines.values.min(), joinDeadlines.values.min()]
            .compactMap(\.self).min()
    }

    /// The assignor that most members ask for; those that do not ask take the first.
    var assignor: String {
        var votes: [String: Int] = [:]
        for member in members.values { if let name = member.assignor { votes[name, default: 0] += 1 } }
        return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ServerAssignor.all[0].name
    }

    // MARK: Members

    /// Puts a member's state in place and keeps account of who has what.
    mutating func set(_ member: Member) {
        if let old = members[member.id] { release(old) }
        for assignment in [member.assigned, member.revoking] {
            for (topic, partitions) in assignment {
                for partition in partitions { owners[topic, default: [:]][partition] = member.id }
            }
        }
        members[member.id] = member
        if let instanceID = member.instanceID { staticMembers[instanceID] = member.id }
    }

    private mutating func release(_ member: Member) {
        for assignment in [member.assigned, member.revoking] {
            for (topic, partitions) in assignment {
                for partition in partitions where owners[topic]?[partition] == member.id {
                    owners[topic]?[partition] = nil
                }
                if owners[topic]?.isEmpty == true { owners[topic] = nil }
            }
        }
    }

    mutating func remove(_ id: String) {
        guard let member = members.removeValue(forKey: id) else { return }
        release(member)
        targets[id] = nil
        sessionDeadlines[id] = nil
        revocationDeadlines[id] = nil
        joinDeadlines[id] = nil
        if let instanceID = member.instanceID, staticMembers[instanceID] == id { staticMembers[instanceID] = nil }
    }
}

/// The topics that a group's members are subscribed to.
struct SubscribedTopics: Equatable {
    /// Topic ids by member.
    var byMember: [String: Set<KafkaUUID>] = [:]
    /// Partitions of each topic.
    var partitionCounts: [KafkaUUID: Int32] = [:]
    /// The state of the registry that this was made from.
    var version: UInt64 = .max
}

/// What a group has to know of the topics there are.
protocol TopicDirectory {
    /// Changes whenever a topic comes, goes or grows.
    var version: UInt64 { get }
    func topic(named name: String) -> (id: KafkaUUID, partitions: Int32)?
    /// Names of all topics that clients may read by a pattern.
    var names: [String] { get }
}
