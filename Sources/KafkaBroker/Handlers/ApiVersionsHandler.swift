import KafkaProtocol

/// ApiVersions (18), versions 0–4.
///
/// - The answer is made from the table of handlers, so that nothing is announced that is not served.
/// - A version we do not know is answered with UNSUPPORTED_VERSION in the layout of version 0, with the list, so that
///   the client can ask again (KIP-511).
/// - v3: client name and version; names that Kafka refuses are refused with INVALID_REQUEST.
/// - v3+ features: what clients ask for before they use the newer transactions (KIP-890).
enum ApiVersionsHandler: RequestHandler {
    typealias Request = ApiVersionsRequest

    private static let ranges: [ApiVersionsResponse.ApiVersion] = {
        func entry<H: RequestHandler>(_ handler: H.Type) -> ApiVersionsResponse.ApiVersion {
            var entry = ApiVersionsResponse.ApiVersion()
            entry.apiKey = H.Request.apiKey.rawValue
            entry.minVersion = H.announcedVersions.lowerBound
            entry.maxVersion = H.announcedVersions.upperBound
            return entry
        }
        return Router.handlers.map { entry($0) }.sorted { $0.apiKey < $1.apiKey }
    }()

    static func handle(_ request: ApiVersionsRequest, _ call: Call<ApiVersionsResponse>) {
        var response = ApiVersionsResponse()
        let isNamed = isLegal(request.clientSoftwareName) && isLegal(request.clientSoftwareVersion)
        if call.version >= 3 && !isNamed {
            response.errorCode = .invalidRequest
        } else {
            response.apiKeys = ranges
            describeFeatures(in: &response, version: call.version)
        }
        call.respond(response)
    }

    private static func describeFeatures(in response: inout ApiVersionsResponse, version: Int16) {
        // Clients before version 4 stumble over a lowest version of 0 (KAFKA-17011).
        let supported = Features.all.filter { version >= 4 || $0.versions.lowerBound > 0 }
        response.supportedFeatures = supported.map { feature in
            var entry = ApiVersionsResponse.SupportedFeatureKey()
            entry.name = feature.name
            entry.minVersion = feature.versions.lowerBound
            entry.maxVersion = feature.versions.upperBound
            return entry
        }
        response.finalizedFeaturesEpoch = 0
        response.finalizedFeatures = Features.all.map { feature in
            var entry = ApiVersionsResponse.FinalizedFeatureKey()
            entry.name = feature.name
            entry.minVersionLevel = feature.versions.upperBound
            entry.maxVersionLevel = feature.versions.upperBound
            return entry
        }
    }

    static func answerUnknownVersion(_ call: Call<ApiVersionsResponse>) {
        var response = ApiVersionsResponse()
        response.errorCode = .unsupportedVersion
        response.apiKeys = ranges
        call.respond(response, version: 0)
    }

    /// Kafka's pattern `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
    private static func isLegal(_ name: String) -> Bool {
        guard let first = name.utf8.first, let last = name.utf8.last else { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && name.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}
