import KafkaProtocol
import NIOCore
import OrderedCollections

/// A partition by name, as committed offsets are kept under.
struct OffsetKey: Hashable, Sendable {
    var topic: String
    var partition: Int32
}

/// What a group has committed for a partition.
struct CommittedOffset: Equatable, Sendable {
    var offset: Int64
    var leaderEpoch: Int32
    var metadata: String
    var timestamp: Int64
}

/// The records of `__consumer_offsets`, in Kafka's own formats.
enum GroupRecords {
    typealias Encoded = (key: ByteBuffer, value: ByteBuffer?)

    /// What a record of the topic says.
    enum Decoded {
        case offset(group: String, key: OffsetKey, value: CommittedOffset?)
        case group(id: String, value: GroupMetadataValue?)
        case consumerGroup(id: String, ConsumerGroupRecords.Decoded)
    }

    private static let offsetKeyVersion: Int16 = 1
    private static let groupKeyVersion: Int16 = 2
    private static let valueVersion: Int16 = 3

    static func offset(group: String, key: OffsetKey, value: CommittedOffset?) throws(WireError) -> Encoded {
        var record = OffsetCommitKey()
        record.group = group
        record.topic = key.topic
        record.partition = key.partition
        let keyBytes = try record.encodeVersioned(version: offsetKeyVersion)
        guard let value else { return (keyBytes, nil) }
        var body = OffsetCommitValue()
        body.offset = value.offset
        body.leaderEpoch = value.leaderEpoch
        body.metadata = value.metadata
        body.commitTimestamp = value.timestamp
        return (keyBytes, try body.encodeVersioned(version: valueVersion))
    }

    static func tombstone(group: String) throws(WireError) -> Encoded {
        var key = GroupMetadataKey()
        key.group = group
        return (try key.encodeVersioned(version: groupKeyVersion), nil)
    }

    /// The group as it is, or as it will be with these assignments.
    static func group(
        _ group: ClassicGroup, assignments: [String: ByteBuffer]?, now: Int64
    ) throws(WireError) -> Encoded {
        var value = GroupMetadataValue()
        value.protocolType = group.protocolType ?? ""
        value.generation = group.generation
        value.protocol = group.protocolName
        value.leader = group.leader
        value.currentStateTimestamp = now
        value.members = group.members.values.map { member in
            var entry = GroupMetadataValue.MemberMetadata()
            entry.memberId = member.id
            entry.groupInstanceId = member.instanceID
            entry.clientId = member.clientID
            entry.clientHost = member.clientHost
            entry.rebalanceTimeout = Int32(clamping: member.rebalanceTimeout)
            entry.sessionTimeout = Int32(clamping: member.sessionTimeout)
            entry.subscription = group.protocolName.map { member.metadata(for: $0) } ?? ByteBuffer()
            entry.assignment = assignments?[member.id] ?? member.assignment
            return entry
        }
        return (try tombstone(group: group.id).key, try value.encodeVersioned(version: valueVersion))
    }

    /// Reads a record; nil for kinds that are not ours (a Kafka cluster's share and streams groups).
    static func decode(key: ByteBuffer, value: ByteBuffer?) throws(WireError) -> Decoded? {
        guard let version = key.getInteger(at: key.readerIndex, as: Int16.self) else { return nil }
        switch version {
        case 0, 1:
            let record = try OffsetCommitKey.decodeVersioned(key)
            let offsetKey = OffsetKey(topic: record.topic, partition: record.partition)
            guard let value else { return .offset(group: record.group, key: offsetKey, value: nil) }
            let body = try OffsetCommitValue.decodeVersioned(value)
            let committed = CommittedOffset(
                offset: body.offset, leaderEpoch: body.leaderEpoch, metadata: body.metadata,
                timestamp: body.commitTimestamp)
            return .offset(group: record.group, key: offsetKey, value: committed)
        case 2:
            let record = try GroupMetadataKey.decodeVersioned(key)
            return .group(
                id: record.group,
                value: try value.map { bytes throws(WireError) in
                    try GroupMetadataValue.decodeVersioned(bytes)
                })
        default:
            return try ConsumerGroupRecords.decode(version: version, key: key, value: value).map {
                .consumerGroup(id: $0.group, $0.1)
            }
        }
    }

    /// The partition of the offsets topic that a group lives in: Java's `String.hashCode` without its sign.
    static func partition(of group: String, count: Int32) -> Int32 {
        var hash: Int32 = 0
        for unit in group.utf16 { hash = hash &* 31 &+ Int32(unit) }
        return (hash & 0x7FFF_FFFF) % count
    }
}

extension ClassicGroup {
    /// A group as the offsets topic remembers it; its members have a whole session to be heard of again.
    init(id: String, restoring value: GroupMetadataValue, initialRebalanceDelay: Int64, now: Int64) {
        self.init(id: id, initialRebalanceDelay: initialRebalanceDelay)
        generation = value.generation
        protocolType = value.protocolType.isEmpty ? nil : value.protocolType
        guard let protocolName = value.protocol, !value.members.isEmpty else { return }
        self.protocolName = protocolName
        leader = value.leader
        state = .stable
        for entry in value.members {
            var member = Member(
                id: entry.memberId, instanceID: entry.groupInstanceId, clientID: entry.clientId,
                clientHost: entry.clientHost, sessionTimeout: Int64(entry.sessionTimeout),
                rebalanceTimeout: Int64(entry.rebalanceTimeout < 0 ? entry.sessionTimeout : entry.rebalanceTimeout),
                protocols: [MemberProtocol(name: protocolName, metadata: entry.subscription)],
                deadline: now + Int64(entry.sessionTimeout))
            member.assignment = entry.assignment
            member.isNew = false
            members[entry.memberId] = member
            if let instanceID = entry.groupInstanceId { staticMembers[instanceID] = entry.memberId }
        }
    }
}
