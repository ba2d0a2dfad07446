import ArgumentParser
import KafkaClient
import KafkaProtocol
import Logging

/// `sluice acls`
struct AclsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acls",
        abstract: "Show, add and remove ACLs: who may do what.",
        discussion: """
            Examples:
              sluice acls --list
              sluice acls --add --allow-principal User:alice --producer --topic orders
              sluice acls --add --allow-principal User:bob --consumer --topic orders --group readers
              sluice acls --add --deny-principal User:eve --operation Read --topic secret- --resource-pattern-type prefixed
              sluice acls --remove --allow-principal User:alice --producer --topic orders --force
            """
    )

    /// What is to be done.
    enum Action: String, EnumerableFlag {
        case list, add, remove

        static func help(for value: Action) -> ArgumentHelp? {
            switch value {
            case .list: "Print ACLs."
            case .add: "Add ACLs."
            case .remove: "Remove ACLs."
            }
        }
    }

    @Flag(exclusivity: .exclusive)
    var action: Action

    @OptionGroup var client: ClientOptions
    @OptionGroup var resources: AclResourceOptions

    @Option(help: ArgumentHelp("Who is let; may be repeated.", valueName: "User:name"))
    var allowPrincipal: [String] = []

    @Option(help: ArgumentHelp("Who is kept from; may be repeated.", valueName: "User:name"))
    var denyPrincipal: [String] = []

    @Option(help: ArgumentHelp("From where who is let may come; may be repeated. (default: *)", valueName: "address"))
    var allowHost: [String] = []

    @Option(
        help: ArgumentHelp("From where who is kept from may not; may be repeated. (default: *)", valueName: "address"))
    var denyHost: [String] = []

    @Option(help: ArgumentHelp("Read, Write, Describe, …; may be repeated. (default: All)", valueName: "operation"))
    var operation: [String] = []

    @Flag(help: "What a producer needs: Write, Describe and Create on topics, Write and Describe on transactional ids.")
    var producer = false

    @Flag(help: "What a consumer needs: Read and Describe on topics, Read on groups.")
    var consumer = false

    @Flag(help: "With --producer: IdempotentWrite on the cluster.")
    var idempotent = false

    @Option(help: ArgumentHelp("With --list: of these only; may be repeated.", valueName: "User:name"))
    var principal: [String] = []

    @Flag(help: "Do not ask before removing.")
    var force = false

    @OptionGroup var log: LogOptions

    func validate() throws {
        for text in allowPrincipal + denyPrincipal + principal where !text.contains(":") || text.hasPrefix(":") {
            throw ValidationError("principal \(text) is not of the form User:name")
        }
        for text in operation {
            guard let known = AclOperation(name: text), known != .any else {
                throw ValidationError("--operation \(text) is not known")
            }
        }
        if action == .add {
            if allowPrincipal.isEmpty, denyPrincipal.isEmpty {
                throw ValidationError("--add needs --allow-principal or --deny-principal")
            }
            guard [.literal, .prefixed].contains(try resources.patternType()) else {
                throw ValidationError("--add needs --resource-pattern-type literal or prefixed")
            }
        }
        if action != .list, try resources.all().isEmpty, !idempotent {
            throw ValidationError(
                "say what it is about: --topic, --group, --cluster, --transactional-id, --delegation-token or "
                    + "--user-principal")
        }
        try validateConvenience()
        try checkOperations()
    }

    private func validateConvenience() throws {
        guard producer || consumer else {
            if idempotent { throw ValidationError("--idempotent goes with --producer") }
            return
        }
        if !operation.isEmpty || !denyPrincipal.isEmpty || !denyHost.isEmpty {
            throw ValidationError("--producer and --consumer say which operations: leave --operation and --deny-… out")
        }
        if resources.topic.isEmpty { throw ValidationError("--producer and --consumer need --topic") }
        if consumer, resources.group.isEmpty { throw ValidationError("--consumer needs --group") }
        if !consumer, !resources.group.isEmpty {
            throw ValidationError("--producer has no use for --group")
        }
        if !producer, !resources.transactionalId.isEmpty {
            throw ValidationError("--consumer has no use for --transactional-id")
        }
    }

    private func checkOperations() throws {
        for (type, _) in try resources.all() where !producer && !consumer {
            for text in operation {
                guard let asked = AclOperation(name: text), !AclResourceOptions.operations(of: type).contains(asked)
                else { continue }
                let known = AclResourceOptions.operations(of: type).map(\.name).joined(separator: ", ")
                throw ValidationError("\(type.name) has no operation \(text), but \(known)")
            }
        }
    }

    func run() async throws {
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            switch action {
            case .list: try await list(admin)
            case .add: try await add(admin)
            case .remove: try await remove(admin)
            }
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }

    /// The ACLs that the arguments describe.
    func bindings() throws -> [AclBinding] {
        var operations: [(AclResourceType, [AclOperation])] = []
        if producer {
            operations += [(.topic, [.write, .describe, .create]), (.transactionalID, [.write, .describe])]
            if idempotent { operations.append((.cluster, [.idempotentWrite])) }
        }
        if consumer { operations += [(.topic, [.read, .describe]), (.group, [.read])] }
        var named = try resources.all()
        if idempotent, producer, !named.contains(where: { $0.0 == .cluster }) {
            named.append((.cluster, AclBinding.clusterName))
        }
        let patternType = try resources.patternType()
        var result: [AclBinding] = []
        for (type, name) in named {
            let wanted =
                producer || consumer
                ? operations.filter { $0.0 == type }.flatMap(\.1)
                : operation.isEmpty ? [.all] : operation.compactMap { AclOperation(name: $0) }
            for (permission, principals, hosts) in [
                (AclPermission.allow, allowPrincipal, allowHost), (.deny, denyPrincipal, denyHost),
            ] {
                for principal in principals {
                    for host in hosts.isEmpty ? ["*"] : hosts {
                        for operation in wanted {
                            let binding = AclBinding(
                                principal, permission: permission, to: operation, on: type, name,
                                patternType: type == .cluster ? .literal : patternType, host: host)
                            if !result.contains(binding) { result.append(binding) }
                        }
                    }
                }
            }
        }
        return result
    }

    /// Filters for the resources of the arguments, whoever it is about.
    func filters() throws -> [AclFilter] {
        let patternType = try resources.patternType()
        return try resources.all().map { type, name in
            var filter = AclFilter()
            filter.resourceType = type
            filter.resourceName = name
            filter.patternType = patternType
            return filter
        }
    }

    private func list(_ admin: KafkaAdminClient) async throws {
        let filters = try filters()
        var found: [AclBinding] = []
        for filter in filters.isEmpty ? [AclFilter()] : filters {
            found += try await admin.describeAcls(filter).filter { !found.contains($0) }
        }
        if !principal.isEmpty { found.removeAll { !principal.contains($0.principal) } }
        print("Current ACLs", found)
    }

    private func add(_ admin: KafkaAdminClient) async throws {
        let bindings = try bindings()
        print("Adding ACLs", bindings)
        for result in try await admin.createAcls(bindings).values { try result.get() }
        try await list(admin)
    }

    private func remove(_ admin: KafkaAdminClient) async throws {
        let bindings = try bindings()
        let filters = bindings.isEmpty ? try filters() : bindings.map { AclFilter($0) }
        if bindings.isEmpty {
            let named = try resources.all().map { "\($0.0.name) \($0.1)" }.joined(separator: ", ")
            guard isSure("Are you sure you want to remove all ACLs of \(named)? (y/n)") else { return }
        } else {
            print("ACLs to remove", bindings)
            guard isSure("Are you sure you want to remove these ACLs? (y/n)") else { return }
        }
        for result in try await admin.deleteAcls(filters).values { _ = try result.get() }
        try await list(admin)
    }

    private func isSure(_ question: String) -> Bool {
        if force { return true }
        Terminal.print(question)
        return readLine()?.lowercased() == "y"
    }

    private func print(_ title: String, _ bindings: [AclBinding]) {
        var groups: [(title: String, lines: [String])] = []
        for binding in bindings {
            let resource =
                "ResourcePattern(resourceType=\(binding.resourceType.name), name=\(binding.resourceName), "
                + "patternType=\(binding.patternType.name))"
            let line =
                "\t(principal=\(binding.principal), host=\(binding.host), operation=\(binding.operation.name), "
                + "permissionType=\(binding.permission.name))"
            if let index = groups.firstIndex(where: { $0.title == resource }) {
                groups[index].lines.append(line)
            } else {
                groups.append((resource, [line]))
            }
        }
        for group in groups {
            Terminal.print("\(title) for resource `\(group.title)`: \n \(group.lines.joined(separator: "\n")) \n")
        }
    }
}

/// What ACLs are about, in `sluice acls`.
struct AclResourceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A topic, * for all; may be repeated.", valueName: "name"))
    var topic: [String] = []

    @Option(help: ArgumentHelp("A consumer group; may be repeated.", valueName: "name"))
    var group: [String] = []

    @Flag(help: "The cluster.")
    var cluster = false

    @Option(help: ArgumentHelp("A transactional id; may be repeated.", valueName: "id"))
    var transactionalId: [String] = []

    @Option(help: ArgumentHelp("A delegation token; may be repeated.", valueName: "token"))
    var delegationToken: [String] = []

    @Option(help: ArgumentHelp("A user whose tokens are meant; may be repeated.", valueName: "User:name"))
    var userPrincipal: [String] = []

    @Option(
        help: ArgumentHelp(
            "literal, or prefixed: all names that begin so; with --list and --remove also any and match. (default: literal)",
            valueName: "type"))
    var resourcePatternType: String?

    func patternType() throws -> AclPatternType {
        let name = resourcePatternType ?? "literal"
        guard let type = AclPatternType.allCases.first(where: { $0.name == name.uppercased() }) else {
            throw ValidationError("--resource-pattern-type \(name): literal, prefixed, any or match is needed")
        }
        return type
    }

    func all() throws -> [(AclResourceType, String)] {
        topic.map { (.topic, $0) } + group.map { (.group, $0) }
            + (cluster ? [(.cluster, AclBinding.clusterName)] : []) + transactionalId.map { (.transactionalID, $0) }
            + delegationToken.map { (.delegationToken, $0) } + userPrincipal.map { (.user, $0) }
    }

    /// What can be done to a kind of resource (Kafka's `AclEntry.supportedOperations`).
    static func operations(of type: AclResourceType) -> [AclOperation] {
        switch type {
        case .topic: [.all, .read, .write, .create, .describe, .delete, .alter, .describeConfigs, .alterConfigs]
        case .group: [.all, .read, .describe, .delete, .describeConfigs, .alterConfigs]
        case .cluster:
            [
                .all, .create, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite, .alter, .describe,
            ]
        case .transactionalID: [.all, .describe, .write, .twoPhaseCommit]
        case .delegationToken: [.all, .describe]
        case .user: [.all, .createTokens, .describeTokens]
        case .any: []
        }
    }
}
