import KafkaProtocol

/// ListConfigResources (74), versions 0–1. v0 asks for client metrics resources only, of which there are none; v1 for the
/// types named, or for all: topics (2), this broker (4) and groups with settings (32). A type that Kafka does not know is UNSUPPORTED_VERSION.
enum ListConfigResourcesHandler: RequestHandler {
    typealias Request = ListConfigResourcesRequest

    private static let known: Set<Int8> = [2, 4, 8, 16, 32]

    static func handle(_ request: ListConfigResourcesRequest, _ call: Call<ListConfigResourcesResponse>) {
        var response = ListConfigResourcesResponse()
        guard call.allowsOnCluster(.describeConfigs) else {
            response.errorCode = .clusterAuthorizationFailed
            return call.respond(response)
        }
        let wanted = call.version == 0 ? [16] : request.resourceTypes.isEmpty ? known : Set(request.resourceTypes)
        guard wanted.isSubset(of: known) else {
            response.errorCode = .unsupportedVersion
            return call.respond(response)
        }
        func add(_ name: String, _ type: Int8) {
            var resource = ListConfigResourcesResponse.ConfigResource()
            resource.resourceName = name
            resource.resourceType = type
            response.configResources.append(resource)
        }
        if wanted.contains(2) { for topic in call.node.topics.all { add(topic.name, 2) } }
        for type: Int8 in [4, 8] where wanted.contains(type) { add(String(call.node.configuration.nodeID), type) }
        if wanted.contains(32) { for group in call.node.topics.groupConfigs.names { add(group, 32) } }
        call.respond(response)
    }
}
