import KafkaProtocol

/// AlterPartitionReassignments (45), versions 0–1. A partition can be asked to lie on this node alone, where it is; there
/// is never a reassignment to be cancelled.
enum AlterPartitionReassignmentsHandler: RequestHandler {
    typealias Request = AlterPartitionReassignmentsRequest
    typealias Result = AlterPartitionReassignmentsResponse.ReassignableTopicResponse

    static func handle(
        _ request: AlterPartitionReassignmentsRequest, _ call: Call<AlterPartitionReassignmentsResponse>
    ) {
        var response = AlterPartitionReassignmentsResponse()
        response.errorMessage = nil
        guard call.allowsOnCluster(.alter) else {
            response.errorCode = .clusterAuthorizationFailed
            response.errorMessage = Refusal.clusterAuthorization.message
            return call.respond(response)
        }
        response.allowReplicationFactorChange = request.allowReplicationFactorChange
        response.responses = request.topics.map { topic in
            var result = Result()
            result.name = topic.name
            let found = call.node.topics.topic(named: topic.name)
            result.partitions = topic.partitions.map { asked in
                var answer = Result.ReassignablePartitionResponse()
                answer.partitionIndex = asked.partitionIndex
                answer.errorMessage = nil
                if found?.partition(asked.partitionIndex) == nil {
                    answer.errorCode = .unknownTopicOrPartition
                    answer.errorMessage = "Unable to find the topic partition."
                } else if asked.replicas == nil {
                    answer.errorCode = .noReassignmentInProgress
                } else if asked.replicas != [call.node.configuration.nodeID] {
                    answer.errorCode = .invalidReplicaAssignment
                    answer.errorMessage =
                        "Partitions can lie on node \(call.node.configuration.nodeID) only: there is no other."
                }
                return answer
            }
            return result
        }
        call.respond(response)
    }
}

/// ListPartitionReassignments (46), version 0. There are none.
enum ListPartitionReassignmentsHandler: RequestHandler {
    typealias Request = ListPartitionReassignmentsRequest

    static func handle(
        _ request: ListPartitionReassignmentsRequest, _ call: Call<ListPartitionReassignmentsResponse>
    ) {
        var response = ListPartitionReassignmentsResponse()
        response.errorMessage = nil
        if !call.allowsOnCluster(.describe) {
            response.errorCode = .clusterAuthorizationFailed
            response.errorMessage = Refusal.clusterAuthorization.message
        }
        call.respond(response)
    }
}
