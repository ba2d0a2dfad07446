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
        default: 0
        }
    }
}
