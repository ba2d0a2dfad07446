import KafkaProtocol

/// Which versions of which APIs a broker speaks, as it said on connecting.
struct APIVersionTable: Sendable {
    private let ranges: [APIKey: ClosedRange<Int16>]
    private let features: [String: Int16]
    private let peer: String

    init(_ response: ApiVersionsResponse, peer: String) {
        var ranges: [APIKey: ClosedRange<Int16>] = [:]
        for entry in response.apiKeys where entry.minVersion <= entry.maxVersion {
            ranges[APIKey(rawValue: entry.apiKey)] = entry.minVersion...entry.maxVersion
        }
        self.ranges = ranges
        var features: [String: Int16] = [:]
        for feature in response.finalizedFeatures { features[feature.name] = feature.maxVersionLevel }
        self.features = features
        self.peer = peer
    }

    /// Whether the broker has the API at all.
    func supports(_ key: APIKey) -> Bool { ranges[key] != nil }

    /// The level that the cluster has agreed on for a feature (KIP-584); 0 without.
    func finalizedLevel(of feature: String) -> Int16 { features[feature] ?? 0 }

    /// The highest version that this broker speaks of an API; nil if it does not have it.
    func highestVersion(of key: APIKey) -> Int16? { ranges[key]?.upperBound }

    /// The highest version that both sides speak and that is not above `limit`.
    func version<R: KafkaRequest>(
        for request: R.Type, limit: Int16 = .max, atLeast floor: Int16 = 0
    ) throws(KafkaError) -> Int16 {
        guard let theirs = ranges[R.apiKey] else {
            throw KafkaError(
                .unsupportedVersion, "\(peer) has no API \(R.apiKey.name)", errorCode: .unsupportedVersion,
                isRetriable: false)
        }
        let ours = R.validVersions
        let highest = min(theirs.upperBound, ours.upperBound, limit)
        let lowest = max(theirs.lowerBound, ours.lowerBound, floor)
        guard highest >= lowest else {
            throw KafkaError(
                .unsupportedVersion,
                "\(peer) speaks \(R.apiKey.name) \(theirs.lowerBound)–\(theirs.upperBound), this call needs "
                    + "\(max(ours.lowerBound, floor))–\(min(ours.upperBound, limit))",
                errorCode: .unsupportedVersion, isRetriable: false)
        }
        return highest
    }
}
