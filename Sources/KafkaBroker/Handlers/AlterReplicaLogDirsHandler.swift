import KafkaProtocol

/// AlterReplicaLogDirs (34), versions 1–2. There is one folder: a partition that lies in it is where it is asked to be, any
/// other folder is LOG_DIR_NOT_FOUND.
enum AlterReplicaLogDirsHandler: RequestHandler {
    typealias Request = AlterReplicaLogDirsRequest

    static var versions: ClosedRange<Int16> { 1...2 }

    static func handle(_ request: AlterReplicaLogDirsRequest, _ call: Call<AlterReplicaLogDirsResponse>) {
        var response = AlterReplicaLogDirsResponse()
        let isAllowed = call.allowsOnCluster(.alter)
        for folder in request.dirs {
            for topic in folder.topics {
                var result = AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult()
                result.topicName = topic.name
                let found = call.node.topics.topic(named: topic.name)
                result.partitions = topic.partitions.map { index in
                    var answer = AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult
                        .AlterReplicaLogDirPartitionResult()
                    answer.partitionIndex = index
                    if !isAllowed {
                        answer.errorCode = .clusterAuthorizationFailed
                    } else if folder.path != call.node.configuration.dataDirectory {
                        answer.errorCode = .logDirNotFound
                    } else if found?.partition(index) == nil {
                        answer.errorCode = .unknownTopicOrPartition
                    }
                    return answer
                }
                response.results.append(result)
            }
        }
        call.respond(response)
    }
}
