import KafkaProtocol

/// UpdateFeatures (57), versions 0–2. Every feature is in force at its highest version and stays there: asking for that is
/// granted, anything else refused.
enum UpdateFeaturesHandler: RequestHandler {
    typealias Request = UpdateFeaturesRequest

    static func handle(_ request: UpdateFeaturesRequest, _ call: Call<UpdateFeaturesResponse>) {
        var response = UpdateFeaturesResponse()
        response.errorMessage = nil
        guard call.allowsOnCluster(.alter) else {
            response.errorCode = .clusterAuthorizationFailed
            response.errorMessage = Refusal.clusterAuthorization.message
            return call.respond(response)
        }
        for update in request.featureUpdates {
            var result = UpdateFeaturesResponse.UpdatableFeatureResult()
            result.feature = update.feature
            result.errorMessage = nil
            let feature = Features.all.first { $0.name == update.feature }
            if update.maxVersionLevel != feature?.versions.upperBound {
                result.errorCode = .invalidUpdateVersion
                result.errorMessage =
                    feature.map {
                        "\($0.name) is at \($0.versions.upperBound) on this broker and cannot be set to "
                            + "\(update.maxVersionLevel)."
                    } ?? "This broker has no feature \(update.feature)."
                if call.version >= 2, response.errorCode == .none {
                    response.errorCode = result.errorCode
                    response.errorMessage = result.errorMessage
                }
            }
            response.results.append(result)
        }
        call.respond(response)
    }
}
