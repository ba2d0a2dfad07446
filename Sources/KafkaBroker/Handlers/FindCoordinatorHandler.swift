import KafkaProtocol

/// FindCoordinator (10), versions 0–6.
///
/// - There is one node, so it coordinates every group (key type 0) and every transactional id (1). v4+ several keys in
///   one request.
/// - Key type 2 (share groups) is refused: this broker has none.
enum FindCoordinatorHandler: RequestHandler {
    typealias Request = FindCoordinatorRequest

    static func handle(_ request: FindCoordinatorRequest, _ call: Call<FindCoordinatorResponse>) {
        var response = FindCoordinatorResponse()
        let keys = call.version >= 4 ? request.coordinatorKeys : [request.key]
        response.coordinators = keys.map { key in
            var entry = FindCoordinatorResponse.Coordinator()
            entry.key = key
            entry.errorMessage = nil
            if let refusal = refusal(request.keyType, key, call) {
                entry.errorCode = refusal.code
                entry.errorMessage = refusal.message
                entry.nodeId = -1
                entry.port = -1
            } else {
                let endpoint = call.node.endpoint(for: call.connection)
                entry.nodeId = call.node.configuration.nodeID
                entry.host = endpoint.host
                entry.port = endpoint.port
            }
            return entry
        }
        if call.version < 4, let first = response.coordinators.first {
            response.errorCode = first.errorCode
            response.errorMessage = first.errorMessage
            response.nodeId = first.nodeId
            response.host = first.host
            response.port = first.port
            response.coordinators = []
        }
        call.respond(response)
    }

    private static func refusal(_ type: Int8, _ key: String, _ call: Call<FindCoordinatorResponse>) -> Refusal? {
        switch type {
        case 0: return call.allows(.describe, group: key) ? nil : .groupAuthorization
        case 1:
            return call.allows(.describe, .transactionalID, key)
                ? nil
                : Refusal(.transactionalIdAuthorizationFailed, "Transactional Id authorization failed.")
        default: return Refusal(.invalidRequest, "Coordinators of type \(type) are not supported.")
        }
    }
}
