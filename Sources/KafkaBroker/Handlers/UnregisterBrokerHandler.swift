import KafkaProtocol

/// UnregisterBroker (64), version 0. This node cannot unregister itself, and there is no other.
enum UnregisterBrokerHandler: RequestHandler {
    typealias Request = UnregisterBrokerRequest

    static func handle(_ request: UnregisterBrokerRequest, _ call: Call<UnregisterBrokerResponse>) {
        var response = UnregisterBrokerResponse()
        guard call.allowsOnCluster(.alter) else {
            response.errorCode = .clusterAuthorizationFailed
            response.errorMessage = Refusal.clusterAuthorization.message
            return call.respond(response)
        }
        let isOwn = request.brokerId == call.node.configuration.nodeID
        response.errorCode = isOwn ? .invalidRequest : .brokerIdNotRegistered
        response.errorMessage =
            isOwn
            ? "Node \(request.brokerId) is the only one of its cluster and cannot be unregistered."
            : "Broker ID \(request.brokerId) is not currently registered."
        call.respond(response)
    }
}
