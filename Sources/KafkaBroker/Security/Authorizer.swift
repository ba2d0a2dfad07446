import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Says who may do what: Kafka's `StandardAuthorizer`. A denial beats what is allowed; what no ACL allows is denied.
final class Authorizer: Sendable {
    /// What `authorizer.class.name` may be; both mean this one.
    static let classNames: Set<String> = [
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "kafka.security.authorizer.AclAuthorizer",
    ]

    private let acls: AclStore
    private let superUsers: Set<String>
    private let allowsWithoutAcl: Bool
    private let logger: Logger

    /// Nil if the configuration names no authoriser.
    init?(_ configuration: BrokerConfiguration, acls: AclStore, logger: Logger) {
        guard configuration.hasAuthorizer else { return nil }
        self.acls = acls
        self.logger = logger
        superUsers = configuration.superUsers
        allowsWithoutAcl = configuration.allowsEveryoneWithoutAcl
    }

    /// Whether a principal may do something to the resource of this name.
    func isAllowed(
        _ principal: Principal, _ host: String, _ operation: AclOperation, _ type: AclResourceType, _ name: String,
        logs: Bool = true
    ) -> Bool {
        if superUsers.contains(principal.description) { return true }
        let (isAllowed, isDenied, hasAny) = acls.verdict(principal.description, host, operation, type, name)
        let result = isDenied ? false : isAllowed ? true : hasAny ? false : allowsWithoutAcl
        if !result, logs {
            logger.info(
                "denied by ACL",
                metadata: [
                    "principal": "\(principal)", "host": "\(host)", "operation": "\(operation.name)",
                    "resource": "\(type.name):\(name)",
                ])
        }
        return result
    }

    /// Whether a principal may do something to at least one resource of the type.
    func isAllowedAnywhere(
        _ principal: Principal, _ host: String, _ operation: AclOperation, _ type: AclResourceType
    ) -> Bool {
        if superUsers.contains(principal.description) { return true }
        let found = acls.matching(principal.description, host, operation, type)
        let denied = found.filter { $0.permission == .deny }
        if denied.contains(where: { $0.patternType == .literal && $0.resourceName == "*" }) { return false }
        if found.isEmpty, allowsWithoutAcl, !acls.hasAny(type) { return true }
        return found.contains { allowed in
            guard allowed.permission == .allow else { return false }
            return !denied.contains { deny in
                deny.patternType == .prefixed
                    ? allowed.resourceName.utf8.starts(with: deny.resourceName.utf8)
                    : allowed.patternType == .literal && deny.resourceName == allowed.resourceName
            }
        }
    }
}

/// All ACLs, by what they are about.
final class AclStore: Sendable {
    /// ACLs of one kind of resource.
    private struct Kind {
        var literal: [String: Set<AclBinding>] = [:]
        var prefixed: [String: Set<AclBinding>] = [:]
    }

    private let kinds = NIOLockedValueBox<[AclResourceType: Kind]>([:])

    /// All of them.
    var all: [AclBinding] {
        kinds.withLockedValue { kinds in
            kinds.values.flatMap { $0.literal.values.flatMap { $0 } + $0.prefixed.values.flatMap { $0 } }
        }
    }

    func contains(_ binding: AclBinding) -> Bool {
        kinds.withLockedValue { kinds in
            let kind = kinds[binding.resourceType]
            let names = binding.patternType == .prefixed ? kind?.prefixed : kind?.literal
            return names?[binding.resourceName]?.contains(binding) ?? false
        }
    }

    /// Adds an ACL, or takes it away.
    func apply(_ record: AclRecord) {
        let binding = record.binding
        let path: WritableKeyPath<Kind, [String: Set<AclBinding>]> =
            binding.patternType == .prefixed ? \.prefixed : \.literal
        kinds.withLockedValue { kinds in
            var names = kinds[binding.resourceType, default: Kind()]
            if record.isPresent {
                names[keyPath: path][binding.resourceName, default: []].insert(binding)
            } else {
                names[keyPath: path][binding.resourceName]?.remove(binding)
                if names[keyPath: path][binding.resourceName]?.isEmpty == true {
                    names[keyPath: path][binding.resourceName] = nil
                }
            }
            kinds[binding.resourceType] = names
        }
    }

    func hasAny(_ type: AclResourceType) -> Bool {
        kinds.withLockedValue { kinds in kinds[type].map { !$0.literal.isEmpty || !$0.prefixed.isEmpty } ?? false }
    }

    /// What the ACLs of a resource say; `hasAny`: whether it has any, for whomever.
    func verdict(
        _ principal: String, _ host: String, _ operation: AclOperation, _ type: AclResourceType, _ name: String
    ) -> (isAllowed: Bool, isDenied: Bool, hasAny: Bool) {
        kinds.withLockedValue { kinds in
            var (isAllowed, isDenied, hasAny) = (false, false, false)
            guard let kind = kinds[type] else { return (false, false, false) }
            func look(_ bindings: Set<AclBinding>?) {
                guard let bindings, !bindings.isEmpty else { return }
                hasAny = true
                for binding in bindings where Self.applies(binding, principal, host, operation) {
                    if binding.permission == .deny { isDenied = true } else { isAllowed = true }
                }
            }
            look(kind.literal[name])
            look(kind.literal["*"])
            for (prefix, bindings) in kind.prefixed where name.utf8.starts(with: prefix.utf8) { look(bindings) }
            return (isAllowed, isDenied, hasAny)
        }
    }

    /// The ACLs of a type that say something about a principal's operation.
    func matching(
        _ principal: String, _ host: String, _ operation: AclOperation, _ type: AclResourceType
    ) -> [AclBinding] {
        all.filter { $0.resourceType == type && Self.applies($0, principal, host, operation) }
    }

    private static func applies(
        _ binding: AclBinding, _ principal: String, _ host: String, _ operation: AclOperation
    ) -> Bool {
        guard binding.principal == principal || binding.principal == AclBinding.everyone,
            binding.host == "*" || binding.host == host
        else { return false }
        if binding.operation == .all || binding.operation == operation { return true }
        guard binding.permission == .allow else { return false }
        switch operation {
        case .describe: return [.read, .write, .delete, .alter].contains(binding.operation)
        case .describeConfigs: return binding.operation == .alterConfigs
        default: return false
        }
    }
}

/// A record of the metadata log: an ACL, or that it is gone.
///
/// Key = int16 kind (21), int8 resource type, name, int8 pattern type, principal, host, int8 operation, int8 permission;
/// value = int16 version (1).
struct AclRecord: Equatable {
    private static let kind: Int16 = 21
    private static let version: Int16 = 1

    var binding: AclBinding
    var isPresent: Bool

    init(_ binding: AclBinding, isPresent: Bool) {
        self.binding = binding
        self.isPresent = isPresent
    }

    var key: ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(Self.kind)
        writer.writeInt8(binding.resourceType.rawValue)
        writer.writeString(binding.resourceName, flexible: false)
        writer.writeInt8(binding.patternType.rawValue)
        writer.writeString(binding.principal, flexible: false)
        writer.writeString(binding.host, flexible: false)
        writer.writeInt8(binding.operation.rawValue)
        writer.writeInt8(binding.permission.rawValue)
        return writer.buffer
    }

    var value: ByteBuffer? {
        guard isPresent else { return nil }
        var writer = WireWriter()
        writer.writeInt16(Self.version)
        return writer.buffer
    }

    /// Reads a record; nil if it is of another kind.
    init?(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        var reader = WireReader(key)
        guard try reader.readInt16() == Self.kind else { return nil }
        let type = AclResourceType(rawValue: try reader.readInt8())
        let name = try reader.readString(flexible: false)
        let pattern = AclPatternType(rawValue: try reader.readInt8())
        let principal = try reader.readString(flexible: false)
        let host = try reader.readString(flexible: false)
        let operation = AclOperation(rawValue: try reader.readInt8())
        let permission = AclPermission(rawValue: try reader.readInt8())
        // To pass over one that a newer Sluice has written might let in whom it keeps out.
        guard let type, let pattern, let operation, let permission else {
            throw WireError("an ACL in the metadata log was written by a newer Sluice")
        }
        binding = AclBinding(
            principal, permission: permission, to: operation, on: type, name, patternType: pattern, host: host)
        isPresent = value != nil
    }
}
