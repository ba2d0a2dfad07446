import KafkaProtocol

/// IncrementalAlterConfigs (44), versions 0–1: set (0), delete (1), and for lists append (2) and subtract (3). Topics, groups, and of
/// this broker and the cluster's default those that `BrokerConfigKeys.dynamic` names; the others are INVALID_REQUEST.
enum IncrementalAlterConfigsHandler: RequestHandler {
    typealias Request = IncrementalAlterConfigsRequest
    typealias Result = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse

    static func handle(_ request: IncrementalAlterConfigsRequest, _ call: Call<IncrementalAlterConfigsResponse>) {
        var response = IncrementalAlterConfigsResponse()
        for resource in request.resources {
            var result = Result()
            result.errorMessage = nil
            result.resourceType = resource.resourceType
            result.resourceName = resource.resourceName
            do throws(Refusal) {
                let target = try AlterableConfigs.find(resource.resourceType, resource.resourceName, call)
                let configs = try change(target, resource.configs, call.node)
                if !request.validateOnly { try target.set(configs, call.node) }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.responses.append(result)
        }
        call.respondWhenDurable(response, \.responses)
    }

    private static func change(
        _ target: AlterableConfigs,
        _ changes: [IncrementalAlterConfigsRequest.AlterConfigsResource.AlterableConfig], _ node: BrokerNode
    ) throws(Refusal) -> [String: String] {
        var configs = target.current(node)
        var seen: Set<String> = []
        for change in changes {
            guard seen.insert(change.name).inserted else {
                throw Refusal(.invalidRequest, "Error due to duplicate config keys: \(change.name)")
            }
            let key = try target.key(change.name)
            if change.configOperation == 1 {
                configs[change.name] = nil
                continue
            }
            var items = ConfigKey.items(configs[change.name] ?? target.fallback(key, node))
            switch change.configOperation {
            case 0:
                configs[change.name] = try target.checked(change.name, change.value, node)
                continue
            case 2 where key.kind == .list:
                let added = ConfigKey.items(change.value ?? "")
                items += added.filter { !items.contains($0) }
            case 3 where key.kind == .list:
                let removed = ConfigKey.items(change.value ?? "")
                items.removeAll { removed.contains($0) }
            case 2, 3:
                throw Refusal(.invalidConfig, "Can't add to or take from config \(change.name): it is not a list.")
            default:
                throw Refusal(.invalidRequest, "Unknown config operation \(change.configOperation).")
            }
            configs[change.name] = try target.checked(change.name, items.joined(separator: ","), node)
        }
        return configs
    }
}

/// What both alter-configs APIs check.
enum TopicSettings {
    static func topic<R>(_ name: String, _ call: Call<R>) throws(Refusal) -> Topic {
        try call.check(.alterConfigs, topic: name)
        if let fault = TopicName.fault(in: name) { throw Refusal(.invalidTopicException, fault) }
        guard let topic = call.node.topics.topic(named: name) else {
            throw Refusal(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
        }
        return topic
    }

    static func checked(_ name: String, _ value: String?) throws(Refusal) -> String {
        if let fault = TopicConfigKeys.fault(name: name, value: value) { throw Refusal(.invalidConfig, fault) }
        return value ?? ""
    }
}
