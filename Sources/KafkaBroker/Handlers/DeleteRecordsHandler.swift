import KafkaProtocol
import KafkaStorage

/// DeleteRecords (21), versions 0–2. Offset −1 means all that is there.
enum DeleteRecordsHandler: RequestHandler {
    typealias Request = DeleteRecordsRequest

    static func handle(_ request: DeleteRecordsRequest, _ call: Call<DeleteRecordsResponse>) {
        var response = DeleteRecordsResponse()
        for asked in request.topics {
            var answer = DeleteRecordsResponse.DeleteRecordsTopicResult()
            answer.name = asked.name
            let topic = call.node.topics.topic(named: asked.name)
            let isAllowed = call.allows(.delete, topic: asked.name)
            for partition in asked.partitions {
                var result = DeleteRecordsResponse.DeleteRecordsTopicResult.DeleteRecordsPartitionResult()
                result.partitionIndex = partition.partitionIndex
                result.lowWatermark = -1
                do throws(Refusal) {
                    if !isAllowed { throw .topicAuthorization(asked.name) }
                    guard let found = topic?.partition(partition.partitionIndex) else {
                        throw Refusal(.unknownTopicOrPartition, "")
                    }
                    if topic?.isInternal == true { throw Refusal(.invalidTopicException, "") }
                    guard partition.offset >= -1 else { throw Refusal(.offsetOutOfRange, "") }
                    result.lowWatermark = try delete(before: partition.offset, in: found)
                } catch {
                    result.errorCode = error.code
                }
                answer.partitions.append(result)
            }
            response.topics.append(answer)
        }
        call.respond(response)
    }

    private static func delete(before offset: Int64, in partition: Partition) throws(Refusal) -> Int64 {
        do throws(StorageError) {
            return try partition.log().deleteRecords(before: offset)
        } catch {
            throw Refusal(error)
        }
    }
}
