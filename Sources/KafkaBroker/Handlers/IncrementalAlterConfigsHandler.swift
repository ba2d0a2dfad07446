import KafkaProtocol

/// IncrementalAlterConfigs (44), versions 0–1. Topics only: set (0), delete (1), and for lists append (2) and subtract
/// (3). A broker's settings come from its file and cannot be changed while it runs.
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
                let topic = try TopicSettings.topic(resource.resourceType, resource.resourceName, call)
                let configs = try change(topic.configs, resource.configs, call.node.configuration)
                if !request.validateOnly { try call.node.topics.setConfigs(configs, of: topic) }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.responses.append(result)
        }
        call.respondWhenDurable(response, \.responses)
    }

    private static func change(
        _ current: [String: String], _ changes: [IncrementalAlterConfigsRequest.AlterConfigsResource.AlterableConfig],
        _ configuration: BrokerConfiguration
    ) throws(Refusal) -> [String: String] {
        var configs = current
        var seen: Set<String> = []
        for change in changes {
            guard seen.insert(change.name).inserted else {
                throw Refusal(.invalidRequest, "Error due to duplicate config keys: \(change.name)")
            }
            guard let key = TopicConfigKeys.key(change.name) else {
                throw Refusal(.invalidConfig, "Unknown topic config name: \(change.name)")
            }
            if change.configOperation == 1 {
                configs[change.name] = nil
                continue
            }
            var items = ConfigKey.items(configs[change.name] ?? configuration.topicDefault(key).value)
            switch change.configOperation {
            case 0:
                configs[change.name] = try TopicSettings.checked(change.name, change.value)
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
            configs[change.name] = try TopicSettings.checked(change.name, items.joined(separator: ","))
        }
        return configs
    }
}

/// What both alter-configs APIs check.
enum TopicSettings {
    static func topic<R>(_ type: Int8, _ name: String, _ call: Call<R>) throws(Refusal) -> Topic {
        if type == 2 { try call.check(.alterConfigs, topic: name) } else { try call.checkCluster(.alterConfigs) }
        guard type == 2 else {
            throw Refusal(
                .invalidRequest, "Only settings of topics can be altered; a broker takes its settings from its file.")
        }
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
