/// What an ACL is about (Kafka's `ResourceType`).
public enum AclResourceType: Int8, Sendable, Hashable, CaseIterable {
    /// In filters: all of them.
    case any = 1
    /// A topic.
    case topic = 2
    /// A consumer group.
    case group = 3
    /// The cluster; its name is ``AclBinding/clusterName``.
    case cluster = 4
    /// A transactional id.
    case transactionalID = 5
    /// A delegation token.
    case delegationToken = 6
    /// A user.
    case user = 7

    /// Kafka's name.
    public var name: String {
        switch self {
        case .any: "ANY"
        case .topic: "TOPIC"
        case .group: "GROUP"
        case .cluster: "CLUSTER"
        case .transactionalID: "TRANSACTIONAL_ID"
        case .delegationToken: "DELEGATION_TOKEN"
        case .user: "USER"
        }
    }
}

/// How the name of an ACL's resource is meant (KIP-290).
public enum AclPatternType: Int8, Sendable, Hashable, CaseIterable {
    /// In filters: all of them.
    case any = 1
    /// In filters: all patterns that fit the name.
    case match = 2
    /// The name itself; `*` is all names.
    case literal = 3
    /// All names that begin with it.
    case prefixed = 4

    /// Kafka's name.
    public var name: String {
        switch self {
        case .any: "ANY"
        case .match: "MATCH"
        case .literal: "LITERAL"
        case .prefixed: "PREFIXED"
        }
    }
}

/// What somebody wants to do (Kafka's `AclOperation`).
public enum AclOperation: Int8, Sendable, Hashable, CaseIterable {
    /// In filters: all of them.
    case any = 1
    /// Everything.
    case all = 2
    /// Read.
    case read = 3
    /// Write.
    case write = 4
    /// Create.
    case create = 5
    /// Delete.
    case delete = 6
    /// Alter.
    case alter = 7
    /// Know of; comes with read, write, delete and alter.
    case describe = 8
    /// What brokers do among each other.
    case clusterAction = 9
    /// See settings; comes with ``alterConfigs``.
    case describeConfigs = 10
    /// Change settings.
    case alterConfigs = 11
    /// Produce idempotently.
    case idempotentWrite = 12
    /// Make delegation tokens.
    case createTokens = 13
    /// See delegation tokens.
    case describeTokens = 14
    /// Take part in two-phase commit.
    case twoPhaseCommit = 15

    /// Kafka's name.
    public var name: String {
        switch self {
        case .any: "ANY"
        case .all: "ALL"
        case .read: "READ"
        case .write: "WRITE"
        case .create: "CREATE"
        case .delete: "DELETE"
        case .alter: "ALTER"
        case .describe: "DESCRIBE"
        case .clusterAction: "CLUSTER_ACTION"
        case .describeConfigs: "DESCRIBE_CONFIGS"
        case .alterConfigs: "ALTER_CONFIGS"
        case .idempotentWrite: "IDEMPOTENT_WRITE"
        case .createTokens: "CREATE_TOKENS"
        case .describeTokens: "DESCRIBE_TOKENS"
        case .twoPhaseCommit: "TWO_PHASE_COMMIT"
        }
    }

    /// Reads Kafka's name, as tools take it too: `DescribeConfigs`, `describe_configs`.
    public init?(name: String) {
        let plain = name.uppercased().filter { $0 != "_" }
        guard let found = Self.allCases.first(where: { $0.name.filter { $0 != "_" } == plain }) else { return nil }
        self = found
    }
}

/// Whether an ACL lets or keeps from.
public enum AclPermission: Int8, Sendable, Hashable, CaseIterable {
    /// In filters: both.
    case any = 1
    /// Keeps from; beats ``allow``.
    case deny = 2
    /// Lets.
    case allow = 3

    /// Kafka's name.
    public var name: String {
        switch self {
        case .any: "ANY"
        case .deny: "DENY"
        case .allow: "ALLOW"
        }
    }
}

/// One ACL: who may, or may not, do what on which resource, from which host.
public struct AclBinding: Sendable, Hashable {
    /// The name of the resource of type cluster.
    public static let clusterName = "kafka-cluster"
    /// The principal that stands for all users.
    public static let everyone = "User:*"

    /// The kind of resource.
    public var resourceType: AclResourceType
    /// Its name, or the beginning of names.
    public var resourceName: String
    /// How the name is meant: literal or prefixed.
    public var patternType: AclPatternType
    /// `User:alice`, or ``everyone``.
    public var principal: String
    /// An address, or `*` for all.
    public var host: String
    /// What is done.
    public var operation: AclOperation
    /// Allowed or denied.
    public var permission: AclPermission

    /// Makes an ACL.
    public init(
        _ principal: String, permission: AclPermission = .allow, to operation: AclOperation,
        on resourceType: AclResourceType, _ resourceName: String, patternType: AclPatternType = .literal,
        host: String = "*"
    ) {
        self.resourceType = resourceType
        self.resourceName = resourceName
        self.patternType = patternType
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission = permission
    }
}

/// Which ACLs are meant: those that fit all that is said.
public struct AclFilter: Sendable, Hashable {
    /// The kind of resource.
    public var resourceType = AclResourceType.any
    /// A name; nil: all.
    public var resourceName: String?
    /// How the ACL's name is meant, or with ``AclPatternType/match`` whether it fits the name.
    public var patternType = AclPatternType.any
    /// A principal; nil: all.
    public var principal: String?
    /// A host; nil: all.
    public var host: String?
    /// What is done.
    public var operation = AclOperation.any
    /// Allowed or denied.
    public var permission = AclPermission.any

    /// All ACLs.
    public init() {}

    /// Just this ACL.
    public init(_ binding: AclBinding) {
        resourceType = binding.resourceType
        resourceName = binding.resourceName
        patternType = binding.patternType
        principal = binding.principal
        host = binding.host
        operation = binding.operation
        permission = binding.permission
    }

    /// Whether an ACL is meant (Kafka's `AclBindingFilter.matches`).
    public func matches(_ binding: AclBinding) -> Bool {
        (resourceType == .any || resourceType == binding.resourceType) && matchesName(binding)
            && (principal == nil || principal == binding.principal) && (host == nil || host == binding.host)
            && (operation == .any || operation == binding.operation)
            && (permission == .any || permission == binding.permission)
    }

    private func matchesName(_ binding: AclBinding) -> Bool {
        guard patternType == .any || patternType == .match || patternType == binding.patternType else { return false }
        guard let resourceName else { return true }
        if patternType != .match { return resourceName == binding.resourceName }
        return binding.patternType == .prefixed
            ? resourceName.utf8.starts(with: binding.resourceName.utf8)
            : resourceName == binding.resourceName || binding.resourceName == "*"
    }
}
