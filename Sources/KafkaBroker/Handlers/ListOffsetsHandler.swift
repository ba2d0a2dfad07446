import KafkaProtocol
import KafkaStorage

/// ListOffsets (2), versions 1–11.
///
/// - v2+ isolation read_committed: nothing at or behind the last stable offset is told of.
/// - Timestamp −1 latest, −2 earliest, −3 the record with the largest timestamp (v7+), −4 earliest local (v8+, the same
///   as earliest), −5 latest tiered (v9+) and −6 earliest pending upload (v11): there is no tiered storage, offset −1.
/// - Any other timestamp: the first record at or after it, or offset −1.
/// - A partition named twice is refused with INVALID_REQUEST.
enum ListOffsetsHandler: RequestHandler {
    typealias Request = ListOffsetsRequest
    typealias Answer = ListOffsetsResponse.ListOffsetsTopicResponse.ListOffsetsPartitionResponse

    static func handle(_ request: ListOffsetsRequest, _ call: Call<ListOffsetsResponse>) {
        var response = ListOffsetsResponse()
        for asked in request.topics {
            var entry = ListOffsetsResponse.ListOffsetsTopicResponse()
            entry.name = asked.name
            let topic = call.node.topics.topic(named: asked.name)
            let isAllowed = call.allows(.describe, topic: asked.name)
            var seen: Set<Int32> = []
            for partition in asked.partitions {
                var answer = Answer()
                answer.partitionIndex = partition.partitionIndex
                do throws(Refusal) {
                    if !isAllowed { throw .topicAuthorization(asked.name) }
                    if !seen.insert(partition.partitionIndex).inserted { throw Refusal(.invalidRequest, "") }
                    if partition.currentLeaderEpoch > 0 { throw Refusal(.unknownLeaderEpoch, "") }
                    guard let found = topic?.partition(partition.partitionIndex) else {
                        throw Refusal(.unknownTopicOrPartition, "")
                    }
                    try find(partition.timestamp, in: found, &answer, request, version: call.version)
                } catch {
                    answer.errorCode = error.code
                    answer.offset = -1
                }
                entry.partitions.append(answer)
            }
            response.topics.append(entry)
        }
        call.respond(response)
    }

    private static func find(
        _ timestamp: Int64, in partition: Partition, _ answer: inout Answer, _ request: ListOffsetsRequest,
        version: Int16
    ) throws(Refusal) {
        let lowest: Int64 = version >= 11 ? -6 : version >= 9 ? -5 : version >= 8 ? -4 : version >= 7 ? -3 : -2
        guard timestamp >= lowest else { throw Refusal(.unsupportedVersion, "") }
        do throws(StorageError) {
            let log = try partition.log()
            let end = request.isolationLevel == 1 ? log.lastStableOffset : log.logEndOffset
            switch timestamp {
            case -1:
                answer.offset = end
            case -2, -4:
                answer.offset = log.logStartOffset
            case -3:
                guard let found = try log.maxTimestampOffset(), found.offset < end else { return }
                answer.offset = found.offset
                answer.timestamp = found.timestamp
            case -5, -6:
                return
            default:
                guard let found = try log.offset(forTimestamp: timestamp), found.offset < end else { return }
                answer.offset = found.offset
                answer.timestamp = found.timestamp
            }
            answer.leaderEpoch = version >= 4 ? 0 : -1
        } catch {
            throw Refusal(error)
        }
    }
}
