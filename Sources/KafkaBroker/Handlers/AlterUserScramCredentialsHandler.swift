import KafkaProtocol
import NIOCore

/// AlterUserScramCredentials (51), version 0 (KIP-554).
///
/// - Sets and removes credentials; the client has salted the password, which never comes here.
/// - Iterations outside 4096…16384, an empty name: UNACCEPTABLE_CREDENTIAL. Removing what is not there:
///   RESOURCE_NOT_FOUND. The same user and mechanism twice: DUPLICATE_RESOURCE, and nothing of that user changes.
/// - Answered when the change is on disk.
enum AlterUserScramCredentialsHandler: RequestHandler {
    typealias Request = AlterUserScramCredentialsRequest
    typealias Result = AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult

    static func handle(
        _ request: AlterUserScramCredentialsRequest, _ call: Call<AlterUserScramCredentialsResponse>
    ) {
        var changes: [String: [(Int8, ScramCredential?, Refusal?)]] = [:]
        for deletion in request.deletions {
            let known = ScramMechanism(rawValue: deletion.mechanism).flatMap {
                call.node.topics.scramUsers.credential(of: deletion.name, $0)
            }
            let refusal =
                known == nil
                ? Refusal(.resourceNotFound, "Attempt to delete a user credential that does not exist") : nil
            changes[deletion.name, default: []].append((deletion.mechanism, nil, refusal))
        }
        for upsertion in request.upsertions {
            let (credential, refusal) = credential(upsertion)
            changes[upsertion.name, default: []].append((upsertion.mechanism, credential, refusal))
        }
        var response = AlterUserScramCredentialsResponse()
        for (user, changes) in changes.sorted(by: { $0.key < $1.key }) {
            var result = Result()
            result.user = user
            result.errorMessage = nil
            do throws(Refusal) {
                try call.checkCluster(.alter)
                try apply(changes, to: user, call)
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.results.append(result)
        }
        let answer = response
        call.node.topics.whenDurable { refusal in
            guard let refusal else { return call.respond(answer) }
            var failed = answer
            for index in failed.results.indices {
                failed.results[index].errorCode = refusal.code
                failed.results[index].errorMessage = refusal.message
            }
            call.respond(failed)
        }
    }

    private static func apply(
        _ changes: [(Int8, ScramCredential?, Refusal?)], to user: String,
        _ call: Call<AlterUserScramCredentialsResponse>
    ) throws(Refusal) {
        guard Set(changes.map(\.0)).count == changes.count else {
            throw Refusal(.duplicateResource, "A user credential cannot be altered twice in the same request")
        }
        for (_, _, refusal) in changes { if let refusal { throw refusal } }
        for (mechanism, credential, _) in changes {
            guard let mechanism = ScramMechanism(rawValue: mechanism) else {
                throw Refusal(.unsupportedSaslMechanism, "Unknown SCRAM mechanism")
            }
            try call.node.topics.setScramCredential(credential, of: user, mechanism)
        }
    }

    private static func credential(
        _ upsertion: AlterUserScramCredentialsRequest.ScramCredentialUpsertion
    ) -> (ScramCredential?, Refusal?) {
        guard let mechanism = ScramMechanism(rawValue: upsertion.mechanism) else {
            return (nil, Refusal(.unsupportedSaslMechanism, "Unknown SCRAM mechanism"))
        }
        guard !upsertion.name.isEmpty, upsertion.name.utf8.count <= ScramUsers.longestName else {
            return (nil, Refusal(.unacceptableCredential, "Username must not be empty or longer than 255 bytes"))
        }
        let allowed = ScramMechanism.minimumIterations...ScramMechanism.maximumIterations
        guard allowed.contains(upsertion.iterations) else {
            return (
                nil,
                Refusal(
                    .unacceptableCredential,
                    "Iterations must be between \(allowed.lowerBound) and \(allowed.upperBound)")
            )
        }
        guard upsertion.saltedPassword.readableBytes == mechanism.digest.digestBytes,
            (1...1024).contains(upsertion.salt.readableBytes)
        else { return (nil, Refusal(.unacceptableCredential, "Salt or salted password is of a wrong length")) }
        return (
            ScramCredential(
                mechanism, saltedPassword: Array(upsertion.saltedPassword.readableBytesView),
                salt: Array(upsertion.salt.readableBytesView), iterations: upsertion.iterations), nil
        )
    }
}
