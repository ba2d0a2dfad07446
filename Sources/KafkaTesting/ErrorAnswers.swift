import KafkaProtocol

/// The answers by which a broker refuses requests: the same error for all that the request names.
enum ErrorAnswers {
    /// The APIs whose error answers are known here.
    static let known: Set<APIKey> = [
        .produce, .fetch, .listOffsets, .metadata, .offsetCommit, .offsetFetch, .findCoordinator, .joinGroup,
        .heartbeat, .leaveGroup, .syncGroup, .createTopics, .deleteTopics, .initProducerId, .addPartitionsToTxn,
        .addOffsetsToTxn, .endTxn, .txnOffsetCommit, .consumerGroupHeartbeat,
    ]

    static func answer(
        to request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> any KafkaMessage {
        switch request.apiKey {
        case .produce: try produce(request, code)
        case .fetch: try fetch(request, code)
        case .listOffsets: try listOffsets(request, code)
        case .metadata: try metadata(request, code)
        case .offsetCommit: try offsetCommit(request, code)
        case .offsetFetch: try offsetFetch(request, code)
        case .findCoordinator: try findCoordinator(request, code)
        case .createTopics: try createTopics(request, code)
        case .deleteTopics: try deleteTopics(request, code)
        case .addPartitionsToTxn: try addPartitions(request, code)
        case .txnOffsetCommit: try transactionalOffsetCommit(request, code)
        case .joinGroup: made(JoinGroupResponse()) { $0.errorCode = code }
        case .heartbeat: made(HeartbeatResponse()) { $0.errorCode = code }
        case .leaveGroup: made(LeaveGroupResponse()) { $0.errorCode = code }
        case .syncGroup: made(SyncGroupResponse()) { $0.errorCode = code }
        case .initProducerId: made(InitProducerIdResponse()) { $0.errorCode = code }
        case .addOffsetsToTxn: made(AddOffsetsToTxnResponse()) { $0.errorCode = code }
        case .endTxn: made(EndTxnResponse()) { $0.errorCode = code }
        case .consumerGroupHeartbeat: made(ConsumerGroupHeartbeatResponse()) { $0.errorCode = code }
        default: throw WireError("no error answer of \(request.apiKey) is known")
        }
    }

    private static func made<Message>(_ message: Message, _ change: (inout Message) -> Void) -> Message {
        var message = message
        change(&message)
        return message
    }

    private static func produce(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> ProduceResponse {
        let asked = try request.decode(as: ProduceRequest.self)
        return made(ProduceResponse()) { response in
            response.responses = asked.topicData.map { topic in
                made(ProduceResponse.TopicProduceResponse()) { entry in
                    (entry.name, entry.topicId) = (topic.name, topic.topicId)
                    entry.partitionResponses = topic.partitionData.map { partition in
                        made(ProduceResponse.TopicProduceResponse.PartitionProduceResponse()) {
                            ($0.index, $0.errorCode, $0.baseOffset) = (partition.index, code, -1)
                        }
                    }
                }
            }
        }
    }

    private static func fetch(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> FetchResponse {
        let asked = try request.decode(as: FetchRequest.self)
        return made(FetchResponse()) { response in
            response.responses = asked.topics.map { topic in
                made(FetchResponse.FetchableTopicResponse()) { entry in
                    (entry.topic, entry.topicId) = (topic.topic, topic.topicId)
                    entry.partitions = topic.partitions.map { partition in
                        made(FetchResponse.FetchableTopicResponse.PartitionData()) {
                            ($0.partitionIndex, $0.errorCode, $0.highWatermark) = (partition.partition, code, -1)
                        }
                    }
                }
            }
        }
    }

    private static func listOffsets(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> ListOffsetsResponse {
        let asked = try request.decode(as: ListOffsetsRequest.self)
        return made(ListOffsetsResponse()) { response in
            response.topics = asked.topics.map { topic in
                made(ListOffsetsResponse.ListOffsetsTopicResponse()) { entry in
                    entry.name = topic.name
                    entry.partitions = topic.partitions.map { partition in
                        made(ListOffsetsResponse.ListOffsetsTopicResponse.ListOffsetsPartitionResponse()) {
                            ($0.partitionIndex, $0.errorCode) = (partition.partitionIndex, code)
                        }
                    }
                }
            }
        }
    }

    private static func metadata(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> MetadataResponse {
        let asked = try request.decode(as: MetadataRequest.self)
        return made(MetadataResponse()) { response in
            response.topics = (asked.topics ?? []).map { topic in
                made(MetadataResponse.MetadataResponseTopic()) {
                    ($0.name, $0.topicId, $0.errorCode) = (topic.name, topic.topicId, code)
                }
            }
        }
    }

    private static func offsetCommit(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> OffsetCommitResponse {
        let asked = try request.decode(as: OffsetCommitRequest.self)
        return made(OffsetCommitResponse()) { response in
            response.topics = asked.topics.map { topic in
                made(OffsetCommitResponse.OffsetCommitResponseTopic()) { entry in
                    (entry.name, entry.topicId) = (topic.name, topic.topicId)
                    entry.partitions = topic.partitions.map { partition in
                        made(OffsetCommitResponse.OffsetCommitResponseTopic.OffsetCommitResponsePartition()) {
                            ($0.partitionIndex, $0.errorCode) = (partition.partitionIndex, code)
                        }
                    }
                }
            }
        }
    }

    private static func transactionalOffsetCommit(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> TxnOffsetCommitResponse {
        let asked = try request.decode(as: TxnOffsetCommitRequest.self)
        typealias Topic = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic
        return made(TxnOffsetCommitResponse()) { response in
            response.topics = asked.topics.map { topic in
                made(Topic()) { entry in
                    entry.name = topic.name
                    entry.partitions = topic.partitions.map { partition in
                        made(Topic.TxnOffsetCommitResponsePartition()) {
                            ($0.partitionIndex, $0.errorCode) = (partition.partitionIndex, code)
                        }
                    }
                }
            }
        }
    }

    private static func offsetFetch(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> OffsetFetchResponse {
        let asked = try request.decode(as: OffsetFetchRequest.self)
        return made(OffsetFetchResponse()) { response in
            guard request.version >= 8 else { return response.errorCode = code }
            response.groups = asked.groups.map { group in
                made(OffsetFetchResponse.OffsetFetchResponseGroup()) {
                    ($0.groupId, $0.errorCode) = (group.groupId, code)
                }
            }
        }
    }

    private static func findCoordinator(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> FindCoordinatorResponse {
        let asked = try request.decode(as: FindCoordinatorRequest.self)
        return made(FindCoordinatorResponse()) { response in
            guard request.version >= 4 else { return response.errorCode = code }
            response.coordinators = asked.coordinatorKeys.map { key in
                made(FindCoordinatorResponse.Coordinator()) {
                    ($0.key, $0.errorCode, $0.nodeId, $0.port) = (key, code, -1, -1)
                }
            }
        }
    }

    private static func createTopics(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> CreateTopicsResponse {
        let asked = try request.decode(as: CreateTopicsRequest.self)
        return made(CreateTopicsResponse()) { response in
            response.topics = asked.topics.map { topic in
                made(CreateTopicsResponse.CreatableTopicResult()) {
                    ($0.name, $0.errorCode, $0.errorMessage) = (topic.name, code, nil)
                }
            }
        }
    }

    private static func deleteTopics(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> DeleteTopicsResponse {
        let asked = try request.decode(as: DeleteTopicsRequest.self)
        let names = asked.topicNames + asked.topics.compactMap(\.name)
        return made(DeleteTopicsResponse()) { response in
            response.responses = names.map { name in
                made(DeleteTopicsResponse.DeletableTopicResult()) { ($0.name, $0.errorCode) = (name, code) }
            }
        }
    }

    private static func addPartitions(
        _ request: BrokerInterceptor.Request, _ code: ErrorCode
    ) throws(WireError) -> AddPartitionsToTxnResponse {
        let asked = try request.decode(as: AddPartitionsToTxnRequest.self)
        guard request.version < 4 else { return made(AddPartitionsToTxnResponse()) { $0.errorCode = code } }
        return made(AddPartitionsToTxnResponse()) { response in
            response.resultsByTopicV3AndBelow = asked.v3AndBelowTopics.map { topic in
                made(AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult()) { entry in
                    entry.name = topic.name
                    entry.resultsByPartition = topic.partitions.map { partition in
                        made(AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult()) {
                            ($0.partitionIndex, $0.partitionErrorCode) = (partition, code.rawValue)
                        }
                    }
                }
            }
        }
    }
}
