public import KafkaProtocol

extension KafkaAdminClient {
    /// The ACLs that fit a filter.
    public func describeAcls(_ filter: AclFilter = AclFilter()) async throws -> [AclBinding] {
        let response: DescribeAclsResponse = try await cluster.retrying {
            let response: DescribeAclsResponse = try await self.cluster.callAny { _ in
                var request = DescribeAclsRequest()
                request.resourceTypeFilter = filter.resourceType.rawValue
                request.resourceNameFilter = filter.resourceName
                request.patternTypeFilter = filter.patternType.rawValue
                request.principalFilter = filter.principal
                request.hostFilter = filter.host
                request.operation = filter.operation.rawValue
                request.permissionType = filter.permission.rawValue
                return request
            }
            guard response.errorCode == .none else {
                throw KafkaError.broker(response.errorCode, "ACLs", detail: response.errorMessage)
            }
            return response
        }
        return response.resources.flatMap { resource in
            resource.acls.compactMap { acl in
                Self.binding(
                    resource.resourceType, resource.resourceName, resource.patternType, acl.principal, acl.host,
                    acl.operation, acl.permissionType)
            }
        }
    }

    /// Adds ACLs; one that is there already stays.
    public func createAcls(_ bindings: [AclBinding]) async throws -> [AclBinding: Result<Void, KafkaError>] {
        let response: CreateAclsResponse = try await cluster.retrying {
            try await self.cluster.callAny { _ in
                var request = CreateAclsRequest()
                request.creations = bindings.map { binding in
                    var creation = CreateAclsRequest.AclCreation()
                    creation.resourceType = binding.resourceType.rawValue
                    creation.resourceName = binding.resourceName
                    creation.resourcePatternType = binding.patternType.rawValue
                    creation.principal = binding.principal
                    creation.host = binding.host
                    creation.operation = binding.operation.rawValue
                    creation.permissionType = binding.permission.rawValue
                    return creation
                }
                return request
            }
        }
        var results: [AclBinding: Result<Void, KafkaError>] = [:]
        for (binding, answer) in zip(bindings, response.results) {
            results[binding] =
                answer.errorCode == .none
                ? .success(())
                : .failure(
                    .broker(
                        answer.errorCode, "ACL of \(binding.resourceType.name) \(binding.resourceName)",
                        detail: answer.errorMessage))
        }
        return results
    }

    /// Removes the ACLs that fit the filters; tells for each which they were.
    public func deleteAcls(_ filters: [AclFilter]) async throws -> [AclFilter: Result<[AclBinding], KafkaError>] {
        let response: DeleteAclsResponse = try await cluster.retrying {
            try await self.cluster.callAny { _ in
                var request = DeleteAclsRequest()
                request.filters = filters.map { filter in
                    var entry = DeleteAclsRequest.DeleteAclsFilter()
                    entry.resourceTypeFilter = filter.resourceType.rawValue
                    entry.resourceNameFilter = filter.resourceName
                    entry.patternTypeFilter = filter.patternType.rawValue
                    entry.principalFilter = filter.principal
                    entry.hostFilter = filter.host
                    entry.operation = filter.operation.rawValue
                    entry.permissionType = filter.permission.rawValue
                    return entry
                }
                return request
            }
        }
        var results: [AclFilter: Result<[AclBinding], KafkaError>] = [:]
        for (filter, answer) in zip(filters, response.filterResults) {
            let failed = answer.matchingAcls.first { $0.errorCode != .none }
            let code = answer.errorCode == .none ? failed?.errorCode ?? .none : answer.errorCode
            guard code == .none else {
                results[filter] = .failure(
                    .broker(code, "removing ACLs", detail: answer.errorMessage ?? failed?.errorMessage))
                continue
            }
            results[filter] = .success(
                answer.matchingAcls.compactMap {
                    Self.binding(
                        $0.resourceType, $0.resourceName, $0.patternType, $0.principal, $0.host, $0.operation,
                        $0.permissionType)
                })
        }
        return results
    }

    /// Nil for kinds that this version does not know.
    private static func binding(
        _ type: Int8, _ name: String, _ pattern: Int8, _ principal: String, _ host: String, _ operation: Int8,
        _ permission: Int8
    ) -> AclBinding? {
        guard let type = AclResourceType(rawValue: type), let pattern = AclPatternType(rawValue: pattern),
            let operation = AclOperation(rawValue: operation), let permission = AclPermission(rawValue: permission)
        else { return nil }
        return AclBinding(
            principal, permission: permission, to: operation, on: type, name, patternType: pattern, host: host)
    }
}
