import KafkaProtocol

/// DescribeUserScramCredentials (50), version 0 (KIP-554).
///
/// - Mechanism and iterations of the users asked for, of all if none is named; nothing that helps to log in.
/// - A user without credentials: RESOURCE_NOT_FOUND; one asked for twice: DUPLICATE_RESOURCE.
enum DescribeUserScramCredentialsHandler: RequestHandler {
    typealias Request = DescribeUserScramCredentialsRequest
    typealias Result = DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult

    static func handle(
        _ request: DescribeUserScramCredentialsRequest, _ call: Call<DescribeUserScramCredentialsResponse>
    ) {
        let users = call.node.topics.scramUsers
        let asked = request.users.flatMap { $0.isEmpty ? nil : $0.map(\.name) }
        var counts: [String: Int] = [:]
        for name in asked ?? [] { counts[name, default: 0] += 1 }
        var response = DescribeUserScramCredentialsResponse()
        response.errorMessage = nil
        guard call.allowsOnCluster(.describe) else {
            response.errorCode = .clusterAuthorizationFailed
            response.errorMessage = Refusal.clusterAuthorization.message
            return call.respond(response)
        }
        for name in asked.map({ Array(Set($0)).sorted() }) ?? users.names {
            var result = Result()
            result.user = name
            result.errorMessage = nil
            let credentials = users.credentials(of: name)
            if counts[name, default: 0] > 1 {
                result.errorCode = .duplicateResource
                result.errorMessage = "Cannot describe SCRAM credentials for the same user twice in a single request"
            } else if credentials.isEmpty {
                result.errorCode = .resourceNotFound
                result.errorMessage = "Attempt to describe a user credential that does not exist: \(name)"
            }
            for (mechanism, credential) in credentials where result.errorCode == .none {
                var info = Result.CredentialInfo()
                info.mechanism = mechanism.rawValue
                info.iterations = credential.iterations
                result.credentialInfos.append(info)
            }
            response.results.append(result)
        }
        call.respond(response)
    }
}
