import KafkaProtocol

/// OffsetFetch (9), versions 1–10.
///
/// - A partition without a committed offset is answered with offset −1, as is a group nobody knows.
/// - v2+ null topics mean all; v8+ several groups; v9+ member epochs, which only groups of the newer protocol have;
///   v10 topic ids. `require_stable` (v7+) has nothing to wait for without transactions.
enum OffsetFetchHandler: RequestHandler {
    typealias Request = OffsetFetchRequest
    typealias Group = OffsetFetchResponse.OffsetFetchResponseGroup
    typealias Topic = Group.OffsetFetchResponseTopics
    typealias Partition = Topic.OffsetFetchResponsePartitions

    static func handle(_ request: OffsetFetchRequest, _ call: Call<OffsetFetchResponse>) {
        call.node.groups.run { groups in
            var response = OffsetFetchResponse()
            if call.version >= 8 {
                response.groups = request.groups.map { find($0, call, groups) }
            } else {
                let group = find(oldStyle(request), call, groups)
                response.errorCode = group.errorCode
                response.topics = group.topics.map { oldStyle($0, error: group.errorCode, version: call.version) }
            }
            call.respond(response)
        }
    }

    private static func find(
        _ asked: OffsetFetchRequest.OffsetFetchRequestGroup, _ call: Call<OffsetFetchResponse>, _ groups: Groups
    ) -> Group {
        var answer = Group()
        answer.groupId = asked.groupId
        let offsets: [OffsetKey: CommittedOffset]
        do throws(Refusal) {
            offsets = try groups.entry(asked.groupId)?.offsets ?? [:]
        } catch {
            answer.errorCode = error.code.forCoordinator
            return answer
        }
        guard let topics = asked.topics else {
            answer.topics = everything(offsets, call.node)
            return answer
        }
        answer.topics = topics.map { topic in
            var entry = Topic()
            entry.name = topic.name
            entry.topicId = topic.topicId
            let name = call.version >= 10 ? call.node.topics.topic(id: topic.topicId)?.name : topic.name
            entry.partitions = topic.partitionIndexes.map { index in
                let committed = name.flatMap { offsets[OffsetKey(topic: $0, partition: index)] }
                return partition(index, committed, error: name == nil ? .unknownTopicId : .none)
            }
            return entry
        }
        return answer
    }

    private static func everything(_ offsets: [OffsetKey: CommittedOffset], _ node: BrokerNode) -> [Topic] {
        let byTopic = Dictionary(grouping: offsets, by: \.key.topic)
        return byTopic.sorted { $0.key < $1.key }.map { name, committed in
            var entry = Topic()
            entry.name = name
            entry.topicId = node.topics.topic(named: name)?.id ?? .zero
            entry.partitions = committed.sorted { $0.key.partition < $1.key.partition }.map {
                partition($0.key.partition, $0.value, error: .none)
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
