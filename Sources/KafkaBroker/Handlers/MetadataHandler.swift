import KafkaProtocol

/// Metadata (3), versions 0–13.
///
/// - v0: an empty list asks for all topics; v1+: null asks for all, an empty list for none.
/// - A topic that is not there is created if the request allows it (v4+; always before) and the broker does. The answer
///   waits until the topic is on disk, so the client need not ask twice.
/// - v10+ topic ids; v12+ a topic may be asked for by id alone.
/// - There is one node: leader, replica and controller of everything.
enum MetadataHandler: RequestHandler {
    typealias Request = MetadataRequest

    static func handle(_ request: MetadataRequest, _ call: Call<MetadataResponse>) {
        let node = call.node
        var response = MetadataResponse()
        let endpoint = node.endpoint(for: call.connection)
        var broker = MetadataResponse.MetadataResponseBroker()
        broker.nodeId = node.configuration.nodeID
        broker.host = endpoint.host
        broker.port = endpoint.port
        broker.rack = node.configuration.rack
        response.brokers = [broker]
        response.clusterId = node.clusterID
        response.controllerId = node.configuration.nodeID

        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = call.allowedOperations(.cluster, AclBinding.clusterName)
        }
        guard let asked = request.topics, !(call.version == 0 && asked.isEmpty) else {
            response.topics = node.topics.all.filter { call.allows(.describe, .topic, $0.name, logs: false) }
                .map { describe($0, request, call) }
            return call.respond(response)
        }
        var hasCreated = false
        for topic in asked {
            response.topics.append(find(topic, request, call, &hasCreated))
        }
        guard hasCreated else { return call.respond(response) }
        let answer = response
        node.topics.whenDurable { refusal in
            var answer = answer
            if let refusal { for index in answer.topics.indices { answer.topics[index].errorCode = refusal.code } }
            call.respond(answer)
        }
    }

    private static func find(
        _ asked: MetadataRequest.MetadataRequestTopic, _ request: MetadataRequest, _ call: Call<MetadataResponse>,
        _ hasCreated: inout Bool
    ) -> MetadataResponse.MetadataResponseTopic {
        let node = call.node
        var answer = MetadataResponse.MetadataResponseTopic()
        // Java's consumer asks by id with an empty name.
        guard let name = asked.name, asked.topicId == .zero else {
            let found = node.topics.topic(id: asked.topicId)
            if let found, call.allows(.describe, topic: found.name) { return describe(found, request, call) }
            answer.name = nil
            answer.topicId = asked.topicId
            answer.errorCode = found == nil ? .unknownTopicId : .topicAuthorizationFailed
            return answer
        }
        answer.name = name
        guard call.allows(.describe, topic: name) else {
            answer.errorCode = .topicAuthorizationFailed
            return answer
        }
        if let topic = node.topics.topic(named: name) { return describe(topic, request, call) }
        guard request.allowAutoTopicCreation, node.configuration.autoCreateTopics else {
            answer.errorCode = TopicName.fault(in: name) == nil ? .unknownTopicOrPartition : .invalidTopicException
            return answer
        }
        do throws(Refusal) {
            if !call.allowsOnCluster(.create, logs: false) { try call.check(.create, topic: name) }
            let own = CoordinatorTopic.Definition.named(name)
            let count = own?.partitionCount(node.configuration) ?? node.configuration.numPartitions
            let topic = try node.topics.create(name: name, partitions: count, configs: own?.configs ?? [:])
            hasCreated = true
            return describe(topic, request, call)
        } catch {
            answer.errorCode = error.code
            return answer
        }
    }

    private static func describe(
        _ topic: Topic, _ request: MetadataRequest, _ call: Call<MetadataResponse>
    ) -> MetadataResponse.MetadataResponseTopic {
        var answer = MetadataResponse.MetadataResponseTopic()
        answer.name = topic.name
        answer.topicId = topic.id
        answer.isInternal = topic.isInternal
        if request.includeTopicAuthorizedOperations {
            answer.topicAuthorizedOperations = call.allowedOperations(.topic, topic.name)
        }
        let id = call.node.configuration.nodeID
        answer.partitions = topic.partitions.map { partition in
            var entry = MetadataResponse.MetadataResponseTopic.MetadataResponsePartition()
            entry.partitionIndex = partition.index
            entry.leaderId = id
            entry.leaderEpoch = 0
            entry.replicaNodes = [id]
            entry.isrNodes = [id]
            return entry
        }
        return answer
    }
}
