public import KafkaProtocol
import NIOCore

/// Whom a quota is for: types such as `user`, `client-id` and `ip`, with a name each, or nil for all that have no quota
/// of their own.
public typealias ClientQuotaEntity = [String: String?]

/// A user's SCRAM password, as far as a broker tells of it.
public struct ScramCredentialInfo: Sendable, Hashable {
    /// SCRAM-SHA-256 or SCRAM-SHA-512.
    public var mechanism: ScramMechanism
    /// How often the password is hashed.
    public var iterations: Int32
}

/// A change of a user's SCRAM password.
public enum ScramCredentialAlteration: Sendable, CustomStringConvertible, CustomReflectable {
    /// Set the password; it is salted here and never sent.
    case set(ScramMechanism, password: String, iterations: Int32 = ScramMechanism.minimumIterations)
    /// Remove it.
    case remove(ScramMechanism)

    /// What is done, without the password.
    public var description: String {
        switch self {
        case .set(let mechanism, _, _): "set \(mechanism.name)"
        case .remove(let mechanism): "remove \(mechanism.name)"
        }
    }

    /// Nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension KafkaAdminClient {
    // MARK: - SCRAM users

    /// Which users have SCRAM passwords (Kafka 2.7): all, or the named; those that do not exist are failures.
    public func describeUserScramCredentials(
        _ users: [String]? = nil
    ) async throws -> [String: Result<[ScramCredentialInfo], KafkaError>] {
        let response: DescribeUserScramCredentialsResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = DescribeUserScramCredentialsRequest()
                request.users = users?.map { name in
                    var user = DescribeUserScramCredentialsRequest.UserName()
                    user.name = name
                    return user
                }
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "describing SCRAM users", detail: response.errorMessage)
        }
        var results: [String: Result<[ScramCredentialInfo], KafkaError>] = [:]
        for answer in response.results {
            guard answer.errorCode == .none else {
                results[answer.user] = .failure(
                    .broker(answer.errorCode, "user \(answer.user)", detail: answer.errorMessage))
                continue
            }
            results[answer.user] = .success(
                answer.credentialInfos.compactMap { info in
                    ScramMechanism(rawValue: info.mechanism).map {
                        ScramCredentialInfo(mechanism: $0, iterations: info.iterations)
                    }
                })
        }
        return results
    }

    /// Sets and removes SCRAM passwords (Kafka 2.7).
    public func alterUserScramCredentials(
        _ changes: [String: [ScramCredentialAlteration]]
    ) async throws -> [String: Result<Void, KafkaError>] {
        var request = AlterUserScramCredentialsRequest()
        for (user, alterations) in changes {
            for alteration in alterations {
                switch alteration {
                case .remove(let mechanism):
                    var entry = AlterUserScramCredentialsRequest.ScramCredentialDeletion()
                    (entry.name, entry.mechanism) = (user, mechanism.rawValue)
                    request.deletions.append(entry)
                case .set(let mechanism, let password, let iterations):
                    request.upsertions.append(try Self.upsertion(user, mechanism, password, iterations))
                }
            }
        }
        let final = request
        return try await perEntity(Array(changes.keys), what: "SCRAM credentials of") { open in
            let response: AlterUserScramCredentialsResponse = try await self.atController { _ in
                var request = final
                request.deletions.removeAll { !open.contains($0.name) }
                request.upsertions.removeAll { !open.contains($0.name) }
                return request
            }
            return response.results.map { ($0.user, $0.errorCode, $0.errorMessage) }
        }
    }

    private static func upsertion(
        _ user: String, _ mechanism: ScramMechanism, _ password: String, _ iterations: Int32
    ) throws(KafkaError) -> AlterUserScramCredentialsRequest.ScramCredentialUpsertion {
        let range = ScramMechanism.minimumIterations...ScramMechanism.maximumIterations
        guard range.contains(iterations), !password.isEmpty else {
            throw KafkaError(
                .invalidConfiguration,
                "the SCRAM password of '\(user)' must not be empty, its iterations \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        let salt = (0..<24).map { _ in UInt8.random(in: .min ... .max) }
        let salted = mechanism.digest.derive(
            password: Array(password.utf8), salt: salt, iterations: Int(iterations))
        var entry = AlterUserScramCredentialsRequest.ScramCredentialUpsertion()
        (entry.name, entry.mechanism, entry.iterations) = (user, mechanism.rawValue, iterations)
        (entry.salt, entry.saltedPassword) = (ByteBuffer(bytes: salt), ByteBuffer(bytes: salted))
        return entry
    }

    // MARK: - Quotas

    /// Quotas of all entities that have every type of `matching`, with its name if one is given (Kafka 2.6).
    ///
    /// - Parameters:
    ///   - matching: Types and names; nil asks for the default's.
    ///   - anyOf: Types whatever the name.
    ///   - isStrict: Entities have no other types.
    public func describeClientQuotas(
        matching: ClientQuotaEntity = [:], anyOf types: [String] = [], isStrict: Bool = false
    ) async throws -> [ClientQuotaEntity: [String: Double]] {
        let response: DescribeClientQuotasResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = DescribeClientQuotasRequest()
                request.strict = isStrict
                request.components =
                    matching.map { type, name in
                        Self.component(type, match: name, kind: name == nil ? 1 : 0)
                    } + types.map { Self.component($0, match: nil, kind: 2) }
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "describing quotas", detail: response.errorMessage)
        }
        var quotas: [ClientQuotaEntity: [String: Double]] = [:]
        for entry in response.entries ?? [] {
            var entity: ClientQuotaEntity = [:]
            for part in entry.entity { entity.updateValue(part.entityName, forKey: part.entityType) }
            quotas[entity] = Dictionary(entry.values.map { ($0.key, $0.value) }) { $1 }
        }
        return quotas
    }

    private static func component(
        _ type: String, match: String?, kind: Int8
    ) -> DescribeClientQuotasRequest.ComponentData {
        var component = DescribeClientQuotasRequest.ComponentData()
        (component.entityType, component.matchType, component.match) = (type, kind, match)
        return component
    }

    /// Sets quotas such as `producer_byte_rate`; nil removes one (Kafka 2.6).
    public func alterClientQuotas(
        _ changes: [ClientQuotaEntity: [String: Double?]], validateOnly: Bool = false
    ) async throws -> [ClientQuotaEntity: Result<Void, KafkaError>] {
        let response: AlterClientQuotasResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = AlterClientQuotasRequest()
                request.validateOnly = validateOnly
                request.entries = changes.map { entity, values in
                    var entry = AlterClientQuotasRequest.EntryData()
                    entry.entity = entity.map { type, name in
                        var part = AlterClientQuotasRequest.EntryData.EntityData()
                        (part.entityType, part.entityName) = (type, name)
                        return part
                    }
                    entry.ops = values.map { key, value in
                        var operation = AlterClientQuotasRequest.EntryData.OpData()
                        (operation.key, operation.value, operation.remove) = (key, value ?? 0, value == nil)
                        return operation
                    }
                    return entry
                }
                return request
            }
        }
        var results: [ClientQuotaEntity: Result<Void, KafkaError>] = [:]
        for answer in response.entries {
            var entity: ClientQuotaEntity = [:]
            for part in answer.entity { entity.updateValue(part.entityName, forKey: part.entityType) }
            results[entity] =
                answer.errorCode == .none
                ? .success(()) : .failure(.broker(answer.errorCode, "a quota", detail: answer.errorMessage))
        }
        return results
    }
}
