import KafkaProtocol

/// How long a broker asks a client to wait that has used more than its quota (KIP-219).
enum Throttle {
    /// The versions from which on the client waits; for older ones the broker has waited itself.
    private static let firstVersions: [APIKey: Int16] = [
        .produce: 6, .fetch: 8, .metadata: 6, .createTopics: 3, .deleteTopics: 2, .createPartitions: 1, .listOffsets: 3,
        .offsetCommit: 4, .offsetFetch: 4, .findCoordinator: 2, .joinGroup: 3, .syncGroup: 2, .heartbeat: 2,
        .consumerGroupHeartbeat: 0, .initProducerId: 1, .addPartitionsToTxn: 1, .txnOffsetCommit: 1, .endTxn: 1,
    ]

    /// Milliseconds; 0 also for requests that nobody is limited for.
    static func milliseconds<R: KafkaRequest>(_ response: R.Response, of request: R.Type, version: Int16) -> Int32 {
        guard let first = firstVersions[R.apiKey], version >= first else { return 0 }
        return (response as? any ThrottledResponse)?.throttleTimeMs ?? 0
    }
}
