import KafkaProtocol

/// DescribeTopicPartitions (75), version 0. Topics come sorted by name; after `response_partition_limit` partitions (at
/// most 2,000) a cursor says where to go on. An empty list asks for all topics.
enum DescribeTopicPartitionsHandler: RequestHandler {
    typealias Request = DescribeTopicPartitionsRequest
    typealias Answer = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic

    static func handle(_ request: DescribeTopicPartitionsRequest, _ call: Call<DescribeTopicPartitionsResponse>) {
        let names: [String]
        if request.topics.isEmpty {
            names = call.node.topics.all.map(\.name).filter { call.allows(.describe, .topic, $0, logs: false) }
        } else {
            names = Set(request.topics.map(\.name)).sorted()
        }
        let firstName = request.cursor?.topicName ?? ""
        var room = min(2000, max(1, Int(request.responsePartitionLimit)))
        var response = DescribeTopicPartitionsResponse()
        for name in names where name >= firstName {
            let start = name == firstName ? max(0, Int(request.cursor?.partitionIndex ?? 0)) : 0
            if room == 0 {
                response.nextCursor = cursor(name, 0)
                break
            }
            guard call.allows(.describe, topic: name) else {
                var answer = Answer()
                answer.name = name
                answer.errorCode = .topicAuthorizationFailed
                response.topics.append(answer)
                continue
            }
            guard let topic = call.node.topics.topic(named: name) else {
                var answer = Answer()
                answer.name = name
                answer.errorCode = TopicName.fault(in: name) == nil ? .unknownTopicOrPartition : .invalidTopicException
                response.topics.append(answer)
                continue
            }
            let partitions = topic.partitions.dropFirst(start)
            var answer = describe(topic, partitions.prefix(room), call.node.configuration.nodeID)
            if call.node.authorizer != nil { answer.topicAuthorizedOperations = call.allowedOperations(.topic, name) }
            response.topics.append(answer)
            if partitions.count > room {
                response.nextCursor = cursor(name, Int32(start + room))
                break
            }
            room -= partitions.count
        }
        call.respond(response)
    }

    private static func cursor(_ name: String, _ index: Int32) -> DescribeTopicPartitionsResponse.Cursor {
        var cursor = DescribeTopicPartitionsResponse.Cursor()
        cursor.topicName = name
        cursor.partitionIndex = index
        return cursor
    }

    private static func describe(_ topic: Topic, _ partitions: ArraySlice<Partition>, _ node: Int32) -> Answer {
        var answer = Answer()
        answer.name = topic.name
        answer.topicId = topic.id
        answer.isInternal = topic.isInternal
        answer.partitions = partitions.map { partition in
            var entry = Answer.DescribeTopicPartitionsResponsePartition()
            entry.partitionIndex = partition.index
            entry.leaderId = node
            entry.leaderEpoch = 0
            entry.replicaNodes = [node]
            entry.isrNodes = [node]
            return entry
        }
        return answer
    }
}
