import KafkaProtocol
import NIOCore

/// Serves one API key. The header of each handler's file says which versions and which behaviour.
protocol RequestHandler: SendableMetatype {
    associatedtype Request: KafkaRequest
    /// The versions that are served.
    static var versions: ClosedRange<Int16> { get }
    /// The versions that ApiVersions announces; differs from `versions` for Produce only.
    static var announcedVersions: ClosedRange<Int16> { get }
    /// Serves a request. Runs on the connection's event loop and must not block for long.
    static func handle(_ request: Request, _ call: Call<Request.Response>)
}

extension RequestHandler {
    static var versions: ClosedRange<Int16> { Request.validVersions }
    static var announcedVersions: ClosedRange<Int16> { versions }
}

/// The table of handlers. What is not in it is neither announced nor served.
enum Router {
    static let handlers: [any RequestHandler.Type] = [
        ProduceHandler.self,
        FetchHandler.self,
        ListOffsetsHandler.self,
        MetadataHandler.self,
        OffsetCommitHandler.self,
        OffsetFetchHandler.self,
        FindCoordinatorHandler.self,
        JoinGroupHandler.self,
        HeartbeatHandler.self,
        LeaveGroupHandler.self,
        SyncGroupHandler.self,
        DescribeGroupsHandler.self,
        ListGroupsHandler.self,
        ApiVersionsHandler.self,
        CreateTopicsHandler.self,
        DeleteTopicsHandler.self,
        DeleteRecordsHandler.self,
        InitProducerIDHandler.self,
        OffsetForLeaderEpochHandler.self,
        DescribeConfigsHandler.self,
        AlterConfigsHandler.self,
        DescribeLogDirsHandler.self,
        CreatePartitionsHandler.self,
        DeleteGroupsHandler.self,
        IncrementalAlterConfigsHandler.self,
        OffsetDeleteHandler.self,
        DescribeClusterHandler.self,
        DescribeTopicPartitionsHandler.self,
        AddPartitionsToTxnHandler.self,
        AddOffsetsToTxnHandler.self,
        EndTxnHandler.self,
        WriteTxnMarkersHandler.self,
        TxnOffsetCommitHandler.self,
        DescribeProducersHandler.self,
        DescribeTransactionsHandler.self,
        ListTransactionsHandler.self,
        ConsumerGroupHeartbeatHandler.self,
        ConsumerGroupDescribeHandler.self,
        AlterReplicaLogDirsHandler.self,
        ElectLeadersHandler.self,
        AlterPartitionReassignmentsHandler.self,
        ListPartitionReassignmentsHandler.self,
        DescribeClientQuotasHandler.self,
        AlterClientQuotasHandler.self,
        DescribeQuorumHandler.self,
        UpdateFeaturesHandler.self,
        UnregisterBrokerHandler.self,
        ListConfigResourcesHandler.self,
        SaslHandshakeHandler.self,
        SaslAuthenticateHandler.self,
        DescribeUserScramCredentialsHandler.self,
        AlterUserScramCredentialsHandler.self,
        DescribeAclsHandler.self,
        CreateAclsHandler.self,
        DeleteAclsHandler.self,
    ]

    private static let byKey: [(any RequestHandler.Type)?] = {
        var table = [(any RequestHandler.Type)?](repeating: nil, count: 128)
        for handler in handlers { table[Int(key(of: handler).rawValue)] = handler }
        return table
    }()

    static func key(of handler: any RequestHandler.Type) -> APIKey {
        func open<H: RequestHandler>(_ type: H.Type) -> APIKey { H.Request.apiKey }
        return open(handler)
    }

    /// Hands a request to its handler.
    ///
    /// - Throws: `WireError` if it cannot be read or served; the connection is closed then, as Kafka does.
    static func route(
        _ header: RequestHeader, _ reader: inout WireReader, node: BrokerNode, connection: ConnectionHandle,
        slot: ResponseQueue.Slot
    ) throws(WireError) {
        let key = Int(header.apiKey.rawValue)
        guard byKey.indices.contains(key), let handler = byKey[key] else {
            throw WireError("\(header.apiKey) is not served")
        }
        try serve(handler, header, &reader, node, connection, slot)
    }

    private static func serve<H: RequestHandler>(
        _ handler: H.Type, _ header: RequestHeader, _ reader: inout WireReader, _ node: BrokerNode,
        _ connection: ConnectionHandle, _ slot: ResponseQueue.Slot
    ) throws(WireError) {
        var call = Call<H.Request.Response>(node: node, connection: connection, slot: slot, header: header)
        if node.topics.quotas.limitsRequests { call.timer = RequestTimer() }
        defer { call.stopTimer() }
        guard H.versions.contains(header.apiVersion) else {
            // A client learns our versions by asking with its own: this one question must always be answered.
            if let call = call as? Call<ApiVersionsResponse> { return ApiVersionsHandler.answerUnknownVersion(call) }
            throw WireError("version \(header.apiVersion) of \(header.apiKey) is not served")
        }
        H.handle(try H.Request.decode(from: &reader, version: header.apiVersion), call)
    }
}
