import KafkaProtocol

/// OffsetFetch (9), versions 1–10.
///
/// - A partition without a committed offset is answered with offset −1, as is a group nobody knows.
/// - v2+ null topics mean all; v8+ several groups; v9+ member epochs of the consumer protocol are checked;
///   v10 topic ids.
/// - `require_stable` (v7+): an offset that an open transaction has committed is UNSTABLE_OFFSET_COMMIT.
enum OffsetFetchHandler: RequestHandler {
    typealias Request = OffsetFetchRequest
    typealias Group = OffsetFetchResponse.OffsetFetchResponseGroup
    typealias Topic = Group.OffsetFetchResponseTopics
    typealias Partition = Topic.OffsetFetchResponsePartitions

    static func handle(_ request: OffsetFetchRequest, _ call: Call<OffsetFetchResponse>) {
        call.node.groups.run { groups in
            var response = OffsetFetchResponse()
            if call.version >= 8 {
                response.groups = request.groups.map { find($0, request.requireStable, call, groups) }
            } else {
                let group = find(oldStyle(request), request.requireStable, call, groups)
                response.errorCode = group.errorCode
                response.topics = group.topics.map { oldStyle($0, error: group.errorCode, version: call.version) }
            }
            call.respond(response)
        }
    }

    private static func find(
        _ asked: OffsetFetchRequest.OffsetFetchRequestGroup, _ requiresStable: Bool,
        _ call: Call<OffsetFetchResponse>, _ groups: Groups
    ) -> Group {
        var answer = Group()
        answer.groupId = asked.groupId
        guard call.allows(.describe, group: asked.groupId) else {
            answer.errorCode = .groupAuthorizationFailed
            return answer
        }
        let offsets: [OffsetKey: CommittedOffset]
        var unstable: Set<OffsetKey> = []
        do throws(Refusal) {
            let entry = try groups.entry(asked.groupId)
            if call.version >= 9, let consumer = entry?.consumer {
                answer.errorCode = consumer.checkFetch(memberID: asked.memberId, epoch: asked.memberEpoch)
                if answer.errorCode != .none { return answer }
            }
            offsets = entry?.offsets ?? [:]
            if requiresStable {
                for pending in (entry?.pendingOffsets ?? [:]).values { unstable.formUnion(pending.keys) }
            }
        } catch {
            answer.errorCode = error.code.forCoordinator
            return answer
        }
        guard let topics = asked.topics else {
            answer.topics = everything(offsets, unstable, call.node).filter {
                call.allows(.describe, .topic, $0.name, logs: false)
            }
            return answer
        }
        answer.topics = topics.map { topic in
            var entry = Topic()
            entry.name = topic.name
            entry.topicId = topic.topicId
            let name = call.version >= 10 ? call.node.topics.topic(id: topic.topicId)?.name : topic.name
            let isAllowed = name.map { call.allows(.describe, topic: $0) } ?? true
            entry.partitions = topic.partitionIndexes.map { index in
                guard isAllowed else { return partition(index, nil, error: .topicAuthorizationFailed) }
                guard let name else { return partition(index, nil, error: .unknownTopicId) }
                let key = OffsetKey(topic: name, partition: index)
                return unstable.contains(key)
                    ? partition(index, nil, error: .unstableOffsetCommit) : partition(index, offsets[key], error: .none)
            }
            return entry
        }
        return answer
    }

    private static func everything(
        _ offsets: [OffsetKey: CommittedOffset], _ unstable: Set<OffsetKey>, _ node: BrokerNode
    ) -> [Topic] {
        let byTopic = Dictionary(grouping: unstable.union(offsets.keys), by: \.topic)
        return byTopic.sorted { $0.key < $1.key }.map { name, keys in
            var entry = Topic()
            entry.name = name
            entry.topicId = node.topics.topic(named: name)?.id ?? .zero
            entry.partitions = keys.sorted { $0.partition < $1.partition }.map { key in
                unstable.contains(key)
                    ? partition(key.partition, nil, error: .unstableOffsetCommit)
                    : partition(key.partition, offsets[key], error: .none)
            }
            return entry
        }
    }

    private static func partition(_ index: Int32, _ committed: CommittedOffset?, error: ErrorCode) -> Partition {
        var answer = Partition()
        answer.partitionIndex = index
        answer.committedOffset = committed?.offset ?? -1
        answer.committedLeaderEpoch = committed?.leaderEpoch ?? -1
        answer.metadata = committed?.metadata ?? ""
        answer.errorCode = error
        return answer
    }

    // MARK: Versions 1–7

    private static func oldStyle(_ request: OffsetFetchRequest) -> OffsetFetchRequest.OffsetFetchRequestGroup {
        var group = OffsetFetchRequest.OffsetFetchRequestGroup()
        group.groupId = request.groupId
        group.topics = request.topics?.map { topic in
            var entry = OffsetFetchRequest.OffsetFetchRequestGroup.OffsetFetchRequestTopics()
            entry.name = topic.name
            entry.partitionIndexes = topic.partitionIndexes
            return entry
        }
        return group
    }

    private static func oldStyle(
        _ topic: Topic, error: ErrorCode, version: Int16
    ) -> OffsetFetchResponse.OffsetFetchResponseTopic {
        var entry = OffsetFetchResponse.OffsetFetchResponseTopic()
        entry.name = topic.name
        entry.partitions = topic.partitions.map { partition in
            var answer = OffsetFetchResponse.OffsetFetchResponseTopic.OffsetFetchResponsePartition()
            answer.partitionIndex = partition.partitionIndex
            answer.committedOffset = partition.committedOffset
            answer.committedLeaderEpoch = partition.committedLeaderEpoch
            answer.metadata = partition.metadata
            answer.errorCode = partition.errorCode
            return answer
        }
        return entry
    }
}
