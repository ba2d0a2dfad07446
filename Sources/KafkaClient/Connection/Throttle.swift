import KafkaProtocol

/// How long a broker asks a client to wait that has used more than its quota (KIP-219).
enum Throttle {
    /// Milliseconds; 0 also where the broker has waited itself, as it does for older versions.
    static func milliseconds<Response: KafkaMessage>(_ response: Response, version: Int16) -> Int32 {
        switch response {
        case let response as ProduceResponse where version >= 6: response.throttleTimeMs
        case let response as FetchResponse where version >= 8: response.throttleTimeMs
        case let response as MetadataResponse where version >= 6: response.throttleTimeMs
        case let response as CreateTopicsResponse where version >= 3: response.throttleTimeMs
        case let response as DeleteTopicsResponse where version >= 2: response.throttleTimeMs
        case let response as CreatePartitionsResponse where version >= 1: response.throttleTimeMs
        case let response as ListOffsetsResponse where version >= 3: response.throttleTimeMs
        case let response as OffsetCommitResponse where version >= 4: response.throttleTimeMs
        case let response as OffsetFetchResponse where version >= 4: response.throttleTimeMs
        case let response as FindCoordinatorResponse where version >= 2: response.throttleTimeMs
        case let response as JoinGroupResponse where version >= 3: response.throttleTimeMs
        case let response as SyncGroupResponse where version >= 2: response.throttleTimeMs
        case let response as HeartbeatResponse where version >= 2: response.throttleTimeMs
        case let response as ConsumerGroupHeartbeatResponse: response.throttleTimeMs
        case let response as InitProducerIdResponse where version >= 1: response.throttleTimeMs
        case let response as AddPartitionsToTxnResponse where version >= 1: response.throttleTimeMs
        case let response as TxnOffsetCommitResponse where version >= 1: response.throttleTimeMs
        case let response as EndTxnResponse where version >= 1: response.throttleTimeMs
        default: 0
        }
    }
}
