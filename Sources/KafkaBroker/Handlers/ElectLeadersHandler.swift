import KafkaProtocol

/// ElectLeaders (43), versions 0–2. The only node leads every partition: ELECTION_NOT_NEEDED. For all partitions (null)
/// that is no result at all, as Kafka answers.
enum ElectLeadersHandler: RequestHandler {
    typealias Request = ElectLeadersRequest

    static func handle(_ request: ElectLeadersRequest, _ call: Call<ElectLeadersResponse>) {
        var response = ElectLeadersResponse()
        guard call.allowsOnCluster(.alter) else {
            response.errorCode = .clusterAuthorizationFailed
            return call.respond(response)
        }
        response.replicaElectionResults = (request.topicPartitions ?? []).map { topic in
            var result = ElectLeadersResponse.ReplicaElectionResult()
            result.topic = topic.topic
            let found = call.node.topics.topic(named: topic.topic)
            result.partitionResult = topic.partitions.map { index in
                var answer = ElectLeadersResponse.ReplicaElectionResult.PartitionResult()
                answer.partitionId = index
                let isKnown = found?.partition(index) != nil
                answer.errorCode = isKnown ? .electionNotNeeded : .unknownTopicOrPartition
                answer.errorMessage =
                    isKnown ? "Leader election not needed for topic partition." : "No such topic or partition."
                return answer
            }
            return result
        }
        call.respond(response)
    }
}
