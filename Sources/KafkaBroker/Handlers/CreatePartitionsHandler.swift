import KafkaProtocol

/// CreatePartitions (37), versions 0–3. Every topic of the request gets a result; the count can only grow.
enum CreatePartitionsHandler: RequestHandler {
    typealias Request = CreatePartitionsRequest

    static func handle(_ request: CreatePartitionsRequest, _ call: Call<CreatePartitionsResponse>) {
        var response = CreatePartitionsResponse()
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        var answered: Set<String> = []
        for asked in request.topics where answered.insert(asked.name).inserted {
            var result = CreatePartitionsResponse.CreatePartitionsTopicResult()
            result.name = asked.name
            do throws(Refusal) {
                if counts[asked.name, default: 0] > 1 {
                    throw Refusal(.invalidRequest, "Duplicate topic name in the request: \(asked.name)")
                }
                try call.check(.alter, topic: asked.name)
                if !request.validateOnly {
                    let existing = call.node.topics.topic(named: asked.name)?.partitions.count ?? 0
                    let wait = call.takeMutations(max(1, Int(asked.count) - existing))
                    try call.checkMutations(wait, refusesFrom: 3, &response.throttleTimeMs)
                }
                try grow(asked, request, call.node)
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.results.append(result)
        }
        call.respondWhenDurable(response, \.results)
    }

    private static func grow(
        _ asked: CreatePartitionsRequest.CreatePartitionsTopic, _ request: CreatePartitionsRequest, _ node: BrokerNode
    ) throws(Refusal) {
        guard let topic = node.topics.topic(named: asked.name) else {
            throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        let existing = Int32(topic.partitions.count)
        if asked.count == existing {
            throw Refusal(.invalidPartitions, "Topic already has \(existing) partition(s).")
        }
        guard asked.count > existing, asked.count <= MetadataRecord.largestPartitionCount else {
            throw Refusal(
                .invalidPartitions,
                "The topic \(asked.name) currently has \(existing) partition(s); "
                    + "\(asked.count) would not be an increase.")
        }
        if topic.name == TopicName.consumerOffsets {
            throw Refusal(.invalidPartitions, "Groups are found by the number of partitions of \(topic.name).")
        }
        if let assignments = asked.assignments {
            guard assignments.count == Int(asked.count - existing),
                assignments.allSatisfy({ $0.brokerIds == [node.configuration.nodeID] })
            else {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "Every new partition must lie on node \(node.configuration.nodeID) alone.")
            }
        }
        if !request.validateOnly { try node.topics.grow(topic, to: asked.count) }
    }
}
