import KafkaProtocol

/// CreateTopics (19), versions 2–7.
///
/// - −1 partitions or replicas mean the broker's default (v4+); more than one replica is
///   INVALID_REPLICATION_FACTOR, as there is one node. A manual assignment must name this node only.
/// - A name given twice is refused for all its occurrences. `validate_only` checks and creates nothing.
/// - v5+ answers with partitions, replicas and settings, v7 with the topic id. Answered when the topic is on disk.
enum CreateTopicsHandler: RequestHandler {
    typealias Request = CreateTopicsRequest
    typealias Result = CreateTopicsResponse.CreatableTopicResult

    static func handle(_ request: CreateTopicsRequest, _ call: Call<CreateTopicsResponse>) {
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        var answered: Set<String> = []
        var response = CreateTopicsResponse()
        let mayCreateAll = call.allowsOnCluster(.create, logs: false)
        for topic in request.topics where answered.insert(topic.name).inserted {
            var result = Result()
            result.name = topic.name
            result.errorMessage = nil
            result.configs = nil
            do throws(Refusal) {
                if counts[topic.name, default: 0] > 1 {
                    throw Refusal(.invalidRequest, "Duplicate topic name in the request: \(topic.name)")
                }
                if !mayCreateAll { try call.check(.create, topic: topic.name) }
                if !request.validateOnly {
                    let wait = call.takeMutations(max(Int(topic.numPartitions), topic.assignments.count, 1))
                    try call.checkMutations(wait, refusesFrom: 6, &response.throttleTimeMs)
                }
                try create(topic, request, &result, call.node)
                if call.node.authorizer != nil, !call.allows(.describeConfigs, .topic, topic.name, logs: false) {
                    (result.numPartitions, result.replicationFactor, result.configs) = (-1, -1, [])
                    result.topicConfigErrorCode = ErrorCode.topicAuthorizationFailed.rawValue
                }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.topics.append(result)
        }
        if request.validateOnly || response.topics.allSatisfy({ $0.errorCode != .none }) {
            return call.respond(response)
        }
        call.respondWhenDurable(response, \.topics)
    }

    private static func create(
        _ asked: CreateTopicsRequest.CreatableTopic, _ request: CreateTopicsRequest, _ result: inout Result,
        _ node: BrokerNode
    ) throws(Refusal) {
        if let fault = TopicName.fault(in: asked.name) { throw Refusal(.invalidTopicException, fault) }
        let partitions = try partitionCount(asked, node)
        var configs: [String: String] = [:]
        for config in asked.configs {
            if let fault = TopicConfigKeys.fault(name: config.name, value: config.value) {
                throw Refusal(.invalidConfig, fault)
            }
            configs[config.name] = config.value
        }
        if request.validateOnly {
            try node.topics.checkCreation(name: asked.name, partitions: partitions, configs: configs)
        } else {
            result.topicId = try node.topics.create(name: asked.name, partitions: partitions, configs: configs).id
        }
        result.numPartitions = partitions
        result.replicationFactor = 1
        result.configs = TopicConfigKeys.all.map { key in
            var entry = Result.CreatableTopicConfigs()
            let value =
                configs[key.name].map { ($0, ConfigKey.Source.topic) }
                ?? node.topics.brokerConfigs.current.topicDefault(key)
            entry.name = key.name
            entry.value = value.0
            entry.configSource = value.1.rawValue
            return entry
        }
    }

    private static func partitionCount(
        _ asked: CreateTopicsRequest.CreatableTopic, _ node: BrokerNode
    ) throws(Refusal) -> Int32 {
        if !asked.assignments.isEmpty {
            guard asked.numPartitions == -1, asked.replicationFactor == -1 else {
                throw Refusal(
                    .invalidRequest, "Both partitions or replicationFactor and replicasAssignments were given.")
            }
            let indexes = asked.assignments.map(\.partitionIndex).sorted()
            guard indexes == Array(0..<Int32(indexes.count)),
                asked.assignments.allSatisfy({ $0.brokerIds == [node.configuration.nodeID] })
            else {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "Partitions must be numbered from 0 and lie on node \(node.configuration.nodeID) alone.")
            }
            return Int32(indexes.count)
        }
        guard asked.replicationFactor == -1 || asked.replicationFactor == 1 else {
            throw asked.replicationFactor < 1
                ? Refusal(.invalidReplicationFactor, "Replication factor must be larger than 0.")
                : Refusal(
                    .invalidReplicationFactor,
                    "Unable to replicate the partition \(asked.replicationFactor) time(s): "
                        + "The target replication factor of \(asked.replicationFactor) cannot be reached because only "
                        + "1 broker(s) are registered.")
        }
        return asked.numPartitions == -1 ? node.configuration.numPartitions : asked.numPartitions
    }
}
