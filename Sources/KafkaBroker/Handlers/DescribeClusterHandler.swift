import KafkaProtocol

/// DescribeCluster (60), versions 0–2. v1+ endpoint type (only brokers, type 1), v2 fenced brokers (there are none).
enum DescribeClusterHandler: RequestHandler {
    typealias Request = DescribeClusterRequest

    static func handle(_ request: DescribeClusterRequest, _ call: Call<DescribeClusterResponse>) {
        var response = DescribeClusterResponse()
        response.endpointType = request.endpointType
        guard request.endpointType == 1 else {
            response.errorCode = request.endpointType == 2 ? .mismatchedEndpointType : .unsupportedEndpointType
            response.errorMessage =
                "The request was sent to an endpoint of type BROKER, "
                + "but we wanted an endpoint of type \(request.endpointType == 2 ? "CONTROLLER" : "UNKNOWN")."
            return call.respond(response)
        }
        let endpoint = call.node.endpoint(for: call.connection)
        var broker = DescribeClusterResponse.DescribeClusterBroker()
        broker.brokerId = call.node.configuration.nodeID
        broker.host = endpoint.host
        broker.port = endpoint.port
        broker.rack = call.node.configuration.rack
        response.brokers = [broker]
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = call.allowedOperations(.cluster, AclBinding.clusterName)
        }
        response.clusterId = call.node.clusterID
        response.controllerId = call.node.configuration.nodeID
        call.respond(response)
    }
}
