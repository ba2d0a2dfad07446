import KafkaProtocol

extension KafkaAdminClient {
    /// Configurations: all options, or with `keys` some.
    public func describeConfigs(
        _ resources: [ConfigResource], keys: [String]? = nil
    ) async throws -> [ConfigResource: Result<[ConfigEntry], KafkaError>] {
        var results: [ConfigResource: Result<[ConfigEntry], KafkaError>] = [:]
        // A broker answers for itself; any broker for topics and groups.
        let groups = Dictionary(grouping: resources) { Self.node($0) }
        for (node, part) in groups {
            let response: DescribeConfigsResponse = try await cluster.retrying {
                try await self.at(node: node) { _ in Self.request(part, keys) }
            }
            for answer in response.results {
                guard let kind = ConfigResource.Kind(rawValue: answer.resourceType) else { continue }
                let resource = ConfigResource(kind, answer.resourceName)
                guard answer.errorCode == .none else {
                    results[resource] = .failure(
                        .broker(
                            answer.errorCode, "configuration of \(kind) \(resource.name)", detail: answer.errorMessage))
                    continue
                }
                results[resource] = .success(answer.configs.map(Self.entry))
            }
        }
        return results
    }

    private static func node(_ resource: ConfigResource) -> Int32 {
        resource.kind == .broker || resource.kind == .brokerLogger ? Int32(resource.name) ?? -1 : -1
    }

    private static func request(_ resources: [ConfigResource], _ keys: [String]?) -> DescribeConfigsRequest {
        var request = DescribeConfigsRequest()
        request.resources = resources.map {
            var entry = DescribeConfigsRequest.DescribeConfigsResource()
            entry.resourceType = $0.kind.rawValue
            entry.resourceName = $0.name
            entry.configurationKeys = keys
            return entry
        }
        return request
    }

    private static func entry(
        _ wire: DescribeConfigsResponse.DescribeConfigsResult.DescribeConfigsResourceResult
    ) -> ConfigEntry {
        ConfigEntry(
            name: wire.name, value: wire.value, source: ConfigEntry.Source(rawValue: wire.configSource) ?? .unknown,
            isReadOnly: wire.readOnly, isSensitive: wire.isSensitive)
    }

    /// Changes entries of configurations, leaving the others as they are (Kafka 2.3).
    public func incrementalAlterConfigs(
        _ changes: [ConfigResource: [ConfigAlteration]], validateOnly: Bool = false
    ) async throws -> [ConfigResource: Result<Void, KafkaError>] {
        var results: [ConfigResource: Result<Void, KafkaError>] = [:]
        let groups = Dictionary(grouping: changes) { Self.node($0.key) }
        for (node, part) in groups {
            let response: IncrementalAlterConfigsResponse = try await cluster.retrying {
                try await self.at(node: node) { _ in
                    var request = IncrementalAlterConfigsRequest()
                    request.validateOnly = validateOnly
                    request.resources = part.map { resource, alterations in
                        var entry = IncrementalAlterConfigsRequest.AlterConfigsResource()
                        entry.resourceType = resource.kind.rawValue
                        entry.resourceName = resource.name
                        entry.configs = alterations.map {
                            var config = IncrementalAlterConfigsRequest.AlterConfigsResource.AlterableConfig()
                            config.name = $0.name
                            config.configOperation = $0.operation.rawValue
                            config.value = $0.value
                            return config
                        }
                        return entry
                    }
                    return request
                }
            }
            for answer in response.responses {
                guard let kind = ConfigResource.Kind(rawValue: answer.resourceType) else { continue }
                let resource = ConfigResource(kind, answer.resourceName)
                results[resource] =
                    answer.errorCode == .none
                    ? .success(())
                    : .failure(
                        .broker(answer.errorCode, "changing \(kind) \(resource.name)", detail: answer.errorMessage))
            }
        }
        return results
    }

    /// Sends to one broker, or with -1 to any.
    private func at<R: KafkaRequest>(
        node: Int32, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        guard node >= 0 else { return try await cluster.callAny(build: build) }
        var metadata = cluster.metadata
        if metadata.brokers[node] == nil { metadata = try await cluster.refreshMetadata(topics: []) }
        guard let broker = metadata.brokers[node] else {
            throw KafkaError(.invalidConfiguration, "the cluster has no broker \(node)", isRetriable: false)
        }
        return try await cluster.call(at: broker.address, build: build)
    }
}
