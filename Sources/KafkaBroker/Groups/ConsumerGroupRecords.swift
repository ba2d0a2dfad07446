import KafkaProtocol
import NIOCore

/// The records of consumer groups in `__consumer_offsets`, in Kafka's formats (key versions 3 and 5 to 8).
enum ConsumerGroupRecords {
    typealias Encoded = GroupRecords.Encoded

    /// What a record says; no value means that the thing is gone.
    enum Decoded {
        case group(epoch: Int32?)
        case member(id: String, ConsumerGroupMemberMetadataValue?)
        case targetEpoch(Int32?)
        case target(id: String, TopicAssignment?)
        case current(id: String, ConsumerGroupCurrentMemberAssignmentValue?)
    }

    /// What a change leaves to be written, in the order in which Kafka writes it.
    static func records(_ changes: ConsumerGroup.Changes, of group: ConsumerGroup) throws(WireError) -> [Encoded] {
        var records: [Encoded] = []
        for id in changes.removed.sorted() {
            records.append((try currentKey(group.id, id), nil))
            records.append((try targetKey(group.id, id), nil))
            records.append((try memberKey(group.id, id), nil))
        }
        for id in changes.members.sorted() {
            guard let member = group.members[id] else { continue }
            records.append((try memberKey(group.id, id), try metadata(member)))
        }
        if changes.group { records.append(try epoch(group)) }
        for id in changes.targets.sorted() {
            guard let target = group.targets[id] else { continue }
            records.append((try targetKey(group.id, id), try encode(target)))
        }
        if changes.targetEpoch { records.append(try targetEpoch(group)) }
        for id in changes.assignments.sorted() {
            guard let member = group.members[id] else { continue }
            records.append((try currentKey(group.id, id), try current(member)))
        }
        return records
    }

    /// The group as it is.
    static func everything(_ group: ConsumerGroup) throws(WireError) -> [Encoded] {
        let ids = Set(group.members.keys)
        var all = ConsumerGroup.Changes()
        (all.members, all.targets, all.assignments, all.group, all.targetEpoch) = (ids, ids, ids, true, true)
        return try records(all, of: group)
    }

    /// The end of a group.
    static func tombstones(_ group: ConsumerGroup) throws(WireError) -> [Encoded] {
        var gone = ConsumerGroup.Changes()
        gone.removed = Set(group.members.keys)
        return try records(gone, of: group) + [(try targetEpoch(group).key, nil), (try epoch(group).key, nil)]
    }

    // MARK: Encoding

    private static func memberKey(_ group: String, _ member: String) throws(WireError) -> ByteBuffer {
        var key = ConsumerGroupMemberMetadataKey()
        key.groupId = group
        key.memberId = member
        return try key.encodeVersioned(version: 5)
    }

    private static func targetKey(_ group: String, _ member: String) throws(WireError) -> ByteBuffer {
        var key = ConsumerGroupTargetAssignmentMemberKey()
        key.groupId = group
        key.memberId = member
        return try key.encodeVersioned(version: 7)
    }

    private static func currentKey(_ group: String, _ member: String) throws(WireError) -> ByteBuffer {
        var key = ConsumerGroupCurrentMemberAssignmentKey()
        key.groupId = group
        key.memberId = member
        return try key.encodeVersioned(version: 8)
    }

    private static func epoch(_ group: ConsumerGroup) throws(WireError) -> Encoded {
        var key = ConsumerGroupMetadataKey()
        key.groupId = group.id
        var value = ConsumerGroupMetadataValue()
        value.epoch = group.epoch
        return (try key.encodeVersioned(version: 3), try value.encodeVersioned(version: 0))
    }

    private static func targetEpoch(_ group: ConsumerGroup) throws(WireError) -> Encoded {
        var key = ConsumerGroupTargetAssignmentMetadataKey()
        key.groupId = group.id
        var value = ConsumerGroupTargetAssignmentMetadataValue()
        value.assignmentEpoch = group.targetEpoch
        return (try key.encodeVersioned(version: 6), try value.encodeVersioned(version: 0))
    }

    private static func metadata(_ member: ConsumerGroup.Member) throws(WireError) -> ByteBuffer {
        var value = ConsumerGroupMemberMetadataValue()
        value.instanceId = member.instanceID
        value.rackId = member.rackID
        value.clientId = member.clientID
        value.clientHost = member.clientHost
        value.subscribedTopicNames = member.topics
        value.subscribedTopicRegex = member.pattern
        value.rebalanceTimeoutMs = member.rebalanceTimeout
        value.serverAssignor = member.assignor
        value.classicMemberMetadata = member.classic.map { classic in
            var metadata = ConsumerGroupMemberMetadataValue.ClassicMemberMetadata()
            metadata.sessionTimeoutMs = classic.sessionTimeout
            metadata.supportedProtocols = classic.protocols.map { offered in
                var entry = ConsumerGroupMemberMetadataValue.ClassicMemberMetadata.ClassicProtocol()
                entry.name = offered.name
                entry.metadata = offered.metadata
                return entry
            }
            return metadata
        }
        return try value.encodeVersioned(version: 0)
    }

    private static func encode(_ target: TopicAssignment) throws(WireError) -> ByteBuffer {
        var value = ConsumerGroupTargetAssignmentMemberValue()
        value.topicPartitions = sorted(target).map { topic, partitions in
            var entry = ConsumerGroupTargetAssignmentMemberValue.TopicPartition()
            entry.topicId = topic
            entry.partitions = partitions
            return entry
        }
        return try value.encodeVersioned(version: 0)
    }

    private static func current(_ member: ConsumerGroup.Member) throws(WireError) -> ByteBuffer {
        func list(_ assignment: TopicAssignment) -> [ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions] {
            sorted(assignment).map { topic, partitions in
                var entry = ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions()
                entry.topicId = topic
                entry.partitions = partitions
                return entry
            }
        }
        var value = ConsumerGroupCurrentMemberAssignmentValue()
        value.memberEpoch = member.epoch
        value.previousMemberEpoch = member.previousEpoch
        value.state = member.state.rawValue
        value.assignedPartitions = list(member.assigned)
        value.partitionsPendingRevocation = list(member.revoking)
        return try value.encodeVersioned(version: 0)
    }

    private static func sorted(_ assignment: TopicAssignment) -> [(topic: KafkaUUID, partitions: [Int32])] {
        assignment.map { ($0.key, $0.value.sorted()) }.sorted { $0.topic.description < $1.topic.description }
    }

    // MARK: Decoding

    /// Reads a record; nil for key versions that are none of a consumer group's.
    static func decode(
        version: Int16, key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (group: String, Decoded)? {
        switch version {
        case 3:
            let id = try ConsumerGroupMetadataKey.decodeVersioned(key).groupId
            guard let value else { return (id, .group(epoch: nil)) }
            return (id, .group(epoch: try ConsumerGroupMetadataValue.decodeVersioned(value).epoch))
        case 5:
            let record = try ConsumerGroupMemberMetadataKey.decodeVersioned(key)
            guard let value else { return (record.groupId, .member(id: record.memberId, nil)) }
            let body = try ConsumerGroupMemberMetadataValue.decodeVersioned(value)
            return (record.groupId, .member(id: record.memberId, body))
        case 6:
            let id = try ConsumerGroupTargetAssignmentMetadataKey.decodeVersioned(key).groupId
            guard let value else { return (id, .targetEpoch(nil)) }
            let body = try ConsumerGroupTargetAssignmentMetadataValue.decodeVersioned(value)
            return (id, .targetEpoch(body.assignmentEpoch))
        case 7:
            let record = try ConsumerGroupTargetAssignmentMemberKey.decodeVersioned(key)
            guard let value else { return (record.groupId, .target(id: record.memberId, nil)) }
            var target: TopicAssignment = [:]
            for topic in try ConsumerGroupTargetAssignmentMemberValue.decodeVersioned(value).topicPartitions {
                target[topic.topicId] = Set(topic.partitions)
            }
            return (record.groupId, .target(id: record.memberId, target))
        case 8:
            let record = try ConsumerGroupCurrentMemberAssignmentKey.decodeVersioned(key)
            guard let value else { return (record.groupId, .current(id: record.memberId, nil)) }
            let body = try ConsumerGroupCurrentMemberAssignmentValue.decodeVersioned(value)
            return (record.groupId, .current(id: record.memberId, body))
        default: return nil
        }
    }
}

extension ConsumerGroup {
    /// Takes over what a record of the topic says.
    mutating func apply(_ record: ConsumerGroupRecords.Decoded) {
        switch record {
        case .group(let epoch): self.epoch = epoch ?? 0
        case .targetEpoch(let epoch): targetEpoch = epoch ?? 0
        case .target(let id, let target): targets[id] = target
        case .member(let id, let value):
            guard let value else { return remove(id) }
            var member = members[id] ?? Member(id: id)
            member.instanceID = value.instanceId
            member.rackID = value.rackId
            member.clientID = value.clientId
            member.clientHost = value.clientHost
            member.topics = value.subscribedTopicNames
            member.pattern = value.subscribedTopicRegex.flatMap { $0.isEmpty ? nil : $0 }
            member.rebalanceTimeout = value.rebalanceTimeoutMs
            member.assignor = value.serverAssignor
            member.classic = value.classicMemberMetadata.map { classic in
                ClassicSession(
                    sessionTimeout: classic.sessionTimeoutMs,
                    protocols: classic.supportedProtocols.map { .init(name: $0.name, metadata: $0.metadata.detached()) }
                )
            }
            set(member)
        case .current(let id, let value):
            guard let value, var member = members[id] else { return }
            member.epoch = value.memberEpoch
            member.previousEpoch = value.previousMemberEpoch
            member.state = MemberState(rawValue: value.state) ?? .unreleasedPartitions
            member.assigned = Self.assignment(value.assignedPartitions)
            member.revoking = Self.assignment(value.partitionsPendingRevocation)
            set(member)
        }
    }

    private static func assignment(
        _ list: [ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions]
    ) -> TopicAssignment {
        list.reduce(into: [:]) { $0[$1.topicId] = Set($1.partitions) }
    }
}
