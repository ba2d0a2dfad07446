import KafkaProtocol
import OrderedCollections

/// OffsetDelete (47), version 0. Offsets of a topic that a member of the group subscribes to stay
/// (GROUP_SUBSCRIBED_TO_TOPIC).
enum OffsetDeleteHandler: RequestHandler {
    typealias Request = OffsetDeleteRequest

    static func handle(_ request: OffsetDeleteRequest, _ call: Call<OffsetDeleteResponse>) {
        guard call.allows(.delete, group: request.groupId) else {
            var response = OffsetDeleteResponse()
            response.errorCode = .groupAuthorizationFailed
            return call.respond(response)
        }
        call.node.groups.run { groups in
            do {
                try delete(request, call, groups)
            } catch {
                var response = OffsetDeleteResponse()
                response.errorCode = (error as? Refusal)?.code.forCoordinator ?? .unknownServerError
                call.respond(response)
            }
        }
    }

    private static func delete(
        _ request: OffsetDeleteRequest, _ call: Call<OffsetDeleteResponse>, _ groups: Groups
    ) throws {
        guard let entry = try groups.entry(request.groupId) else {
            throw Refusal(.groupIdNotFound, "Group \(request.groupId) not found.")
        }
        if !entry.group.members.isEmpty && entry.group.protocolType != "consumer" {
            throw Refusal(.nonEmptyGroup, "Group \(request.groupId) is not of consumers and not empty.")
        }
        var subscribed = subscribedTopics(entry.group)
        if let consumer = entry.consumer {
            subscribed.formUnion(
                consumer.subscribed.partitionCounts.keys.compactMap { call.node.topics.topic(id: $0)?.name })
        }
        var response = OffsetDeleteResponse()
        var keys: [OffsetKey] = []
        for topic in request.topics {
            var answer = OffsetDeleteResponse.OffsetDeleteResponseTopic()
            answer.name = topic.name
            let isAllowed = call.allows(.read, topic: topic.name)
            for partition in topic.partitions {
                var result = OffsetDeleteResponse.OffsetDeleteResponseTopic.OffsetDeleteResponsePartition()
                result.partitionIndex = partition.partitionIndex
                if !isAllowed {
                    result.errorCode = .topicAuthorizationFailed
                } else if subscribed.contains(topic.name) {
                    result.errorCode = .groupSubscribedToTopic
                } else {
                    keys.append(OffsetKey(topic: topic.name, partition: partition.partitionIndex))
                }
                answer.partitions.append(result)
            }
            response.topics.append(answer)
        }
        let known = keys.filter { entry.offsets[$0] != nil }
        guard !known.isEmpty else { return call.respond(response) }
        let records = try known.map { try GroupRecords.offset(group: request.groupId, key: $0, value: nil) }
        let answer = response
        groups.store.append(records, group: request.groupId) { error in
            var answer = answer
            answer.errorCode = error
            if error == .none { for key in known { entry.offsets[key] = nil } }
            call.respond(answer)
        }
    }

    private static func subscribedTopics(_ group: ClassicGroup) -> Set<String> {
        var topics: Set<String> = []
        for member in group.members.values {
            for offered in member.protocols {
                let subscription = try? ConsumerProtocolSubscription.decodeVersioned(offered.metadata)
                topics.formUnion(subscription?.topics ?? [])
            }
        }
        return topics
    }
}
