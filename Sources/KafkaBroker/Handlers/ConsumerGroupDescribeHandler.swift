import KafkaProtocol

/// ConsumerGroupDescribe (69), version 0. A group of the classic protocol is GROUP_ID_NOT_FOUND, as one nobody knows.
enum ConsumerGroupDescribeHandler: RequestHandler {
    typealias Request = ConsumerGroupDescribeRequest
    typealias Response = ConsumerGroupDescribeResponse

    static func handle(_ request: ConsumerGroupDescribeRequest, _ call: Call<ConsumerGroupDescribeResponse>) {
        call.node.groups.run { groups in
            var response = Response()
            response.groups = request.groupIds.map { id in
                var group = describe(id, groups, call)
                if request.includeAuthorizedOperations, group.errorCode == .none {
                    group.authorizedOperations = call.allowedOperations(.group, id)
                }
                return group
            }
            call.respond(response)
        }
    }

    private static func describe(
        _ id: String, _ groups: Groups, _ call: Call<ConsumerGroupDescribeResponse>
    ) -> Response.DescribedGroup {
        var answer = Response.DescribedGroup()
        answer.groupId = id
        do throws(Refusal) {
            guard call.allows(.describe, group: id) else { throw .groupAuthorization }
            guard let entry = try groups.entry(id) else { throw Refusal(.groupIdNotFound, "Group \(id) not found.") }
            guard let group = entry.consumer else {
                throw Refusal(.groupIdNotFound, "Group \(id) is not a consumer group.")
            }
            answer.groupState = group.state.rawValue
            answer.groupEpoch = group.epoch
            answer.assignmentEpoch = group.targetEpoch
            answer.assignorName = group.assignor
            answer.members = group.members.values.sorted { $0.id < $1.id }.map { describe($0, group, call.node) }
            // Whoever may not know of a topic may not know that the group reads it.
            let topics = Set(
                answer.members.flatMap { member in
                    (member.assignment.topicPartitions + member.targetAssignment.topicPartitions).map(\.topicName)
                        + member.subscribedTopicNames
                })
            guard topics.allSatisfy({ call.allows(.describe, .topic, $0, logs: false) }) else {
                answer = Response.DescribedGroup()
                answer.groupId = id
                throw Refusal(
                    .topicAuthorizationFailed,
                    "The group has described topic(s) that the client is not authorized to describe.")
            }
        } catch {
            answer.errorCode = error.code.forCoordinator
            answer.errorMessage = error.message
        }
        return answer
    }

    private static func describe(
        _ member: ConsumerGroup.Member, _ group: ConsumerGroup, _ node: BrokerNode
    ) -> Response.DescribedGroup.Member {
        var answer = Response.DescribedGroup.Member()
        answer.memberId = member.id
        answer.instanceId = member.instanceID
        answer.rackId = member.rackID
        answer.memberEpoch = member.epoch
        answer.clientId = member.clientID
        answer.clientHost = member.clientHost
        answer.subscribedTopicNames = member.topics
        answer.subscribedTopicRegex = member.pattern
        answer.assignment = describe(member.assigned, node)
        answer.targetAssignment = describe(group.targets[member.id] ?? [:], node)
        return answer
    }

    private static func describe(_ assignment: TopicAssignment, _ node: BrokerNode) -> Response.Assignment {
        var answer = Response.Assignment()
        for (topic, partitions) in assignment {
            guard let name = node.topics.topic(id: topic)?.name else { continue }
            var entry = Response.TopicPartitions()
            entry.topicId = topic
            entry.topicName = name
            entry.partitions = partitions.sorted()
            answer.topicPartitions.append(entry)
        }
        answer.topicPartitions.sort { $0.topicName < $1.topicName }
        return answer
    }
}
