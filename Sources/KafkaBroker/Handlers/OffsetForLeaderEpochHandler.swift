import KafkaProtocol
import KafkaStorage

/// OffsetForLeaderEpoch (23), versions 2–4. The only leader epoch is 0 and ends at the log's end; older and newer ones
/// are answered with epoch and offset −1.
enum OffsetForLeaderEpochHandler: RequestHandler {
    typealias Request = OffsetForLeaderEpochRequest

    static func handle(_ request: OffsetForLeaderEpochRequest, _ call: Call<OffsetForLeaderEpochResponse>) {
        var response = OffsetForLeaderEpochResponse()
        for asked in request.topics {
            var answer = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
            answer.topic = asked.topic
            let topic = call.node.topics.topic(named: asked.topic)
            let isAllowed = call.allows(.describe, topic: asked.topic)
            for partition in asked.partitions {
                var result = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult.EpochEndOffset()
                result.partition = partition.partition
                do throws(StorageError) {
                    if !isAllowed {
                        result.errorCode = .topicAuthorizationFailed
                    } else if let found = topic?.partition(partition.partition) {
                        if partition.currentLeaderEpoch > 0 {
                            result.errorCode = .unknownLeaderEpoch
                        } else if partition.leaderEpoch == 0 {
                            result.leaderEpoch = 0
                            result.endOffset = try found.log().logEndOffset
                        }
                    } else {
                        result.errorCode = .unknownTopicOrPartition
                    }
                } catch {
                    result.errorCode = error.errorCode
                }
                answer.partitions.append(result)
            }
            response.topics.append(answer)
        }
        call.respond(response)
    }
}
