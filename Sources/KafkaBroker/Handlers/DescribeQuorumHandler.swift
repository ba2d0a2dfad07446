import KafkaProtocol

/// DescribeQuorum (55), versions 0–2. The quorum is this node, for `__cluster_metadata-0` and no other partition.
enum DescribeQuorumHandler: RequestHandler {
    typealias Request = DescribeQuorumRequest
    typealias Response = DescribeQuorumResponse

    static func handle(_ request: DescribeQuorumRequest, _ call: Call<DescribeQuorumResponse>) {
        var response = Response()
        response.errorMessage = nil
        guard call.allowsOnCluster(.describe) else {
            response.errorCode = .clusterAuthorizationFailed
            return call.respond(response)
        }
        response.topics = request.topics.map { topic in
            var answer = Response.TopicData()
            answer.topicName = topic.topicName
            answer.partitions = topic.partitions.map { partition in
                var entry = Response.TopicData.PartitionData()
                entry.partitionIndex = partition.partitionIndex
                entry.errorMessage = nil
                guard topic.topicName == TopicRegistry.metadataTopic, partition.partitionIndex == 0 else {
                    entry.errorCode = .unknownTopicOrPartition
                    return entry
                }
                var voter = Response.ReplicaState()
                voter.replicaId = call.node.configuration.nodeID
                voter.logEndOffset = call.node.topics.metadataEndOffset
                voter.lastFetchTimestamp = WallClock.now()
                voter.lastCaughtUpTimestamp = voter.lastFetchTimestamp
                entry.leaderId = voter.replicaId
                entry.highWatermark = voter.logEndOffset
                entry.currentVoters = [voter]
                return entry
            }
            return answer
        }
        if call.version >= 2 {
            let endpoint = call.node.endpoint(for: call.connection)
            var listener = Response.Node.Listener()
            listener.name = "PLAINTEXT"
            listener.host = endpoint.host
            listener.port = UInt16(clamping: endpoint.port)
            var node = Response.Node()
            node.nodeId = call.node.configuration.nodeID
            node.listeners = [listener]
            response.nodes = [node]
        }
        call.respond(response)
    }
}
