import KafkaProtocol
import KafkaStorage

/// DescribeProducers (61), version 0. What each partition remembers of the producers that have written to it.
enum DescribeProducersHandler: RequestHandler {
    typealias Request = DescribeProducersRequest
    typealias Topic = DescribeProducersResponse.TopicResponse

    static func handle(_ request: DescribeProducersRequest, _ call: Call<DescribeProducersResponse>) {
        var response = DescribeProducersResponse()
        response.topics = request.topics.map { asked in
            var entry = Topic()
            entry.name = asked.name
            let topic = call.node.topics.topic(named: asked.name)
            let isAllowed = call.allows(.read, topic: asked.name)
            entry.partitions = asked.partitionIndexes.map { index in
                var answer = Topic.PartitionResponse()
                answer.partitionIndex = index
                answer.errorMessage = nil
                guard isAllowed else {
                    answer.errorCode = .topicAuthorizationFailed
                    return answer
                }
                guard let partition = topic?.partition(index) else {
                    answer.errorCode = .unknownTopicOrPartition
                    return answer
                }
                do throws(StorageError) {
                    answer.activeProducers = try partition.log().producerStates.map(describe)
                } catch {
                    answer.errorCode = error.errorCode
                    answer.errorMessage = error.message
                }
                return answer
            }
            return entry
        }
        call.respond(response)
    }

    private static func describe(_ state: PartitionLog.ProducerState) -> Topic.PartitionResponse.ProducerState {
        var entry = Topic.PartitionResponse.ProducerState()
        entry.producerId = state.id
        entry.producerEpoch = Int32(state.epoch)
        entry.lastSequence = state.lastSequence
        entry.lastTimestamp = state.lastTimestamp
        entry.coordinatorEpoch = state.coordinatorEpoch
        entry.currentTxnStartOffset = state.transactionStartOffset
        return entry
    }
}
