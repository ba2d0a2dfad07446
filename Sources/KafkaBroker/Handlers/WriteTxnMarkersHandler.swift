import KafkaProtocol

/// WriteTxnMarkers (27), versions 1–2. What brokers send to each other in a cluster, and an administrator to end a
/// transaction that no coordinator knows of. Answered when the markers are on disk.
enum WriteTxnMarkersHandler: RequestHandler {
    typealias Request = WriteTxnMarkersRequest
    typealias Result = WriteTxnMarkersResponse.WritableTxnMarkerResult

    static var versions: ClosedRange<Int16> { 1...min(2, Request.validVersions.upperBound) }

    static func handle(_ request: WriteTxnMarkersRequest, _ call: Call<WriteTxnMarkersResponse>) {
        guard call.allowsOnCluster(.clusterAction, logs: false) || call.allowsOnCluster(.alter) else {
            return call.respond(denied(request))
        }
        call.node.transactions.run { transactions in
            next(request.markers[...], [], transactions, call)
        }
    }

    private static func denied(_ request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
        var response = WriteTxnMarkersResponse()
        response.markers = request.markers.map { asked in
            var result = Result()
            result.producerId = asked.producerId
            result.topics = asked.topics.map { topic in
                var entry = Result.WritableTxnMarkerTopicResult()
                entry.name = topic.name
                entry.partitions = topic.partitionIndexes.map { index in
                    var partition = Result.WritableTxnMarkerTopicResult.WritableTxnMarkerPartitionResult()
                    partition.partitionIndex = index
                    partition.errorCode = .clusterAuthorizationFailed
                    return partition
                }
                return entry
            }
            return result
        }
        return response
    }

    private static func next(
        _ markers: ArraySlice<WriteTxnMarkersRequest.WritableTxnMarker>, _ done: [Result],
        _ transactions: Transactions, _ call: Call<WriteTxnMarkersResponse>
    ) {
        guard let asked = markers.first else {
            var response = WriteTxnMarkersResponse()
            response.markers = done
            return call.respond(response)
        }
        var keys: Set<OffsetKey> = []
        var unknown: Set<OffsetKey> = []
        for topic in asked.topics {
            for index in topic.partitionIndexes {
                let key = OffsetKey(topic: topic.name, partition: index)
                if call.node.topics.topic(named: topic.name)?.partition(index) == nil {
                    unknown.insert(key)
                } else {
                    keys.insert(key)
                }
            }
        }
        let producer = Transaction.Producer(id: asked.producerId, epoch: asked.producerEpoch)
        let marker = EndTransactionMarker(
            isCommit: asked.transactionResult, coordinatorEpoch: asked.coordinatorEpoch)
        transactions.writeMarkers(producer, marker, to: keys) { [unknown] results in
            var result = Result()
            result.producerId = asked.producerId
            result.topics = asked.topics.map { topic in
                var entry = Result.WritableTxnMarkerTopicResult()
                entry.name = topic.name
                entry.partitions = topic.partitionIndexes.map { index in
                    let key = OffsetKey(topic: topic.name, partition: index)
                    var partition = Result.WritableTxnMarkerTopicResult.WritableTxnMarkerPartitionResult()
                    partition.partitionIndex = index
                    partition.errorCode = unknown.contains(key) ? .unknownTopicOrPartition : results[key] ?? .none
                    return partition
                }
                return entry
            }
            next(markers.dropFirst(), done + [result], transactions, call)
        }
    }
}
