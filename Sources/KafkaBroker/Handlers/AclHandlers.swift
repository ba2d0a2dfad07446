import KafkaProtocol

/// DescribeAcls (29), versions 1–3. The ACLs that fit a filter, grouped by resource. Without an authoriser, as the other two:
/// SECURITY_DISABLED.
enum DescribeAclsHandler: RequestHandler {
    typealias Request = DescribeAclsRequest
    typealias Resource = DescribeAclsResponse.DescribeAclsResource

    private struct Group: Hashable {
        var type: Int8
        var name: String
        var pattern: Int8
    }

    static func handle(_ request: DescribeAclsRequest, _ call: Call<DescribeAclsResponse>) {
        var response = DescribeAclsResponse()
        response.errorMessage = nil
        do throws(Refusal) {
            try AclRules.checkEnabled(call)
            try call.checkCluster(.describe)
            let filter = try AclRules.filter(
                request.resourceTypeFilter, request.resourceNameFilter, request.patternTypeFilter,
                request.principalFilter, request.hostFilter, request.operation, request.permissionType)
            response.resources = resources(call.node.topics.acls.all.filter(filter.matches))
        } catch {
            response.errorCode = error.code
            response.errorMessage = error.message
        }
        call.respond(response)
    }

    private static func resources(_ bindings: [AclBinding]) -> [Resource] {
        let groups = Dictionary(grouping: bindings) {
            Group(type: $0.resourceType.rawValue, name: $0.resourceName, pattern: $0.patternType.rawValue)
        }
        return groups.sorted { ($0.key.type, $0.key.name, $0.key.pattern) < ($1.key.type, $1.key.name, $1.key.pattern) }
            .map { group, bindings in
                var resource = Resource()
                resource.resourceType = group.type
                resource.resourceName = group.name
                resource.patternType = group.pattern
                resource.acls = bindings.map { binding in
                    var acl = Resource.AclDescription()
                    acl.principal = binding.principal
                    acl.host = binding.host
                    acl.operation = binding.operation.rawValue
                    acl.permissionType = binding.permission.rawValue
                    return acl
                }
                .sorted { ($0.principal, $0.host, $0.operation) < ($1.principal, $1.host, $1.operation) }
                return resource
            }
    }
}

/// CreateAcls (30), versions 1–3. An ACL that is there already is no fault. Answered when they are on disk.
enum CreateAclsHandler: RequestHandler {
    typealias Request = CreateAclsRequest

    static func handle(_ request: CreateAclsRequest, _ call: Call<CreateAclsResponse>) {
        var response = CreateAclsResponse()
        for creation in request.creations {
            var result = CreateAclsResponse.AclCreationResult()
            result.errorMessage = nil
            do throws(Refusal) {
                try AclRules.checkEnabled(call)
                try call.checkCluster(.alter)
                let binding = try AclRules.binding(creation)
                if !call.node.topics.acls.contains(binding) { try call.node.topics.setAcl(binding, isPresent: true) }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.results.append(result)
        }
        call.respondWhenDurable(response, \.results)
    }
}

/// DeleteAcls (31), versions 1–3. For each filter what it has removed. Answered when that is on disk.
enum DeleteAclsHandler: RequestHandler {
    typealias Request = DeleteAclsRequest
    typealias Result = DeleteAclsResponse.DeleteAclsFilterResult

    static func handle(_ request: DeleteAclsRequest, _ call: Call<DeleteAclsResponse>) {
        var response = DeleteAclsResponse()
        for asked in request.filters {
            var result = Result()
            result.errorMessage = nil
            do throws(Refusal) {
                try AclRules.checkEnabled(call)
                try call.checkCluster(.alter)
                let filter = try AclRules.filter(
                    asked.resourceTypeFilter, asked.resourceNameFilter, asked.patternTypeFilter, asked.principalFilter,
                    asked.hostFilter, asked.operation, asked.permissionType)
                for binding in call.node.topics.acls.all where filter.matches(binding) {
                    try call.node.topics.setAcl(binding, isPresent: false)
                    result.matchingAcls.append(describe(binding))
                }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.filterResults.append(result)
        }
        call.respondWhenDurable(response, \.filterResults)
    }

    private static func describe(_ binding: AclBinding) -> Result.DeleteAclsMatchingAcl {
        var acl = Result.DeleteAclsMatchingAcl()
        acl.errorMessage = nil
        acl.resourceType = binding.resourceType.rawValue
        acl.resourceName = binding.resourceName
        acl.patternType = binding.patternType.rawValue
        acl.principal = binding.principal
        acl.host = binding.host
        acl.operation = binding.operation.rawValue
        acl.permissionType = binding.permission.rawValue
        return acl
    }
}

/// What the three APIs check.
enum AclRules {
    static func checkEnabled<R>(_ call: Call<R>) throws(Refusal) {
        guard call.node.authorizer != nil else {
            throw Refusal(
                .securityDisabled, "No Authorizer is configured on the broker: set authorizer.class.name.")
        }
    }

    /// - Throws: INVALID_REQUEST where a type is none that this version knows.
    static func filter(
        _ resourceType: Int8, _ name: String?, _ patternType: Int8, _ principal: String?, _ host: String?,
        _ operation: Int8, _ permission: Int8
    ) throws(Refusal) -> AclFilter {
        guard let resourceType = AclResourceType(rawValue: resourceType),
            let patternType = AclPatternType(rawValue: patternType), let operation = AclOperation(rawValue: operation),
            let permission = AclPermission(rawValue: permission)
        else { throw Refusal(.invalidRequest, "The filter has a type that is not known.") }
        var filter = AclFilter()
        filter.resourceType = resourceType
        filter.resourceName = name
        filter.patternType = patternType
        filter.principal = principal
        filter.host = host
        filter.operation = operation
        filter.permission = permission
        return filter
    }

    static func binding(_ creation: CreateAclsRequest.AclCreation) throws(Refusal) -> AclBinding {
        func fault(_ words: String) -> Refusal { Refusal(.invalidRequest, words) }
        guard let type = AclResourceType(rawValue: creation.resourceType), type != .any else {
            throw fault("Invalid resourceType \(creation.resourceType)")
        }
        let pattern = AclPatternType(rawValue: creation.resourcePatternType)
        guard let pattern, pattern == .literal || pattern == .prefixed else {
            throw fault("Invalid patternType \(creation.resourcePatternType): LITERAL or PREFIXED is needed")
        }
        guard let operation = AclOperation(rawValue: creation.operation), operation != .any else {
            throw fault("Invalid operation type \(creation.operation)")
        }
        let permission = AclPermission(rawValue: creation.permissionType)
        guard let permission, permission != .any else {
            throw fault("Invalid permission type \(creation.permissionType)")
        }
        guard !creation.resourceName.isEmpty else { throw fault("Invalid empty resource name") }
        if type == .cluster, creation.resourceName != AclBinding.clusterName {
            throw fault("The only valid name for the CLUSTER resource is \(AclBinding.clusterName)")
        }
        guard Principal(parsing: creation.principal) != nil else {
            throw fault("Could not parse principal from `\(creation.principal)`: it must be of the form User:name")
        }
        guard !creation.host.isEmpty else { throw fault("Invalid empty host: * stands for all") }
        for text in [creation.resourceName, creation.principal, creation.host] where text.utf8.count > 1000 {
            throw fault("A name of more than 1000 bytes is not taken")
        }
        return AclBinding(
            creation.principal, permission: permission, to: operation, on: type, creation.resourceName,
            patternType: pattern,
            host: creation.host)
    }
}
