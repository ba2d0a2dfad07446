import KafkaProtocol

/// DeleteTopics (20), versions 1–6. v5+ error messages, v6 by name or id. Answered when the deletion is on disk.
enum DeleteTopicsHandler: RequestHandler {
    typealias Request = DeleteTopicsRequest
    typealias Result = DeleteTopicsResponse.DeletableTopicResult

    static func handle(_ request: DeleteTopicsRequest, _ call: Call<DeleteTopicsResponse>) {
        var asked = request.topics
        if call.version < 6 {
            asked = request.topicNames.map { name in
                var topic = DeleteTopicsRequest.DeleteTopicState()
                topic.name = name
                return topic
            }
        }
        var response = DeleteTopicsResponse()
        for topic in asked {
            var result = Result()
            result.name = topic.name
            result.topicId = topic.topicId
            do throws(Refusal) {
                if let name = topic.name { try call.check(.delete, topic: name) }
                let found = try find(topic, call.node)
                // By id, the name is for those who may know of the topic.
                if topic.name == nil {
                    guard call.allows(.delete, topic: found.name) else {
                        if call.allows(.describe, .topic, found.name, logs: false) { result.name = found.name }
                        throw .topicAuthorization(found.name)
                    }
                }
                result.name = found.name
                result.topicId = found.id
                try call.checkMutations(
                    call.takeMutations(found.partitions.count), refusesFrom: 5, &response.throttleTimeMs)
                try call.node.topics.delete(found)
                call.node.groups.run { $0.forgetOffsets(of: found.name) }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.responses.append(result)
        }
        call.respondWhenDurable(response, \.responses)
    }

    private static func find(
        _ asked: DeleteTopicsRequest.DeleteTopicState, _ node: BrokerNode
    ) throws(Refusal) -> Topic {
        guard node.configuration.deleteTopicsEnabled else {
            throw Refusal(.topicDeletionDisabled, "Topic deletion is disabled (delete.topic.enable=false).")
        }
        guard let name = asked.name else {
            guard let topic = node.topics.topic(id: asked.topicId) else {
                throw Refusal(.unknownTopicId, "This server does not host this topic ID.")
            }
            return topic
        }
        if asked.topicId != .zero {
            throw Refusal(.invalidRequest, "Topic \(name) was named both by name and by id.")
        }
        guard let topic = node.topics.topic(named: name) else {
            throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        return topic
    }
}
