import KafkaProtocol

/// DescribeConfigs (32), versions 1–4. Topics (type 2) and this broker (type 4): all names Kafka knows for topics and
/// all broker names that mean something here, with value, source, default and (v1+) synonyms, (v3+) type and
/// documentation. Other resource types are refused with INVALID_REQUEST.
enum DescribeConfigsHandler: RequestHandler {
    typealias Request = DescribeConfigsRequest
    typealias Result = DescribeConfigsResponse.DescribeConfigsResult
    typealias Entry = Result.DescribeConfigsResourceResult

    static func handle(_ request: DescribeConfigsRequest, _ call: Call<DescribeConfigsResponse>) {
        var response = DescribeConfigsResponse()
        response.results = request.resources.map { resource in
            var result = Result()
            result.errorMessage = nil
            result.resourceType = resource.resourceType
            result.resourceName = resource.resourceName
            do throws(Refusal) {
                if resource.resourceType == 2 {
                    try call.check(.describeConfigs, topic: resource.resourceName)
                } else if resource.resourceType == 32 {
                    guard call.allows(.describeConfigs, group: resource.resourceName) else { throw .groupAuthorization }
                } else {
                    try call.checkCluster(.describeConfigs)
                }
                let wanted = resource.configurationKeys.map { Set($0) }
                result.configs = try entries(resource, request, call.node).filter {
                    wanted?.contains($0.name) ?? true
                }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            return result
        }
        call.respond(response)
    }

    private static func entries(
        _ resource: DescribeConfigsRequest.DescribeConfigsResource, _ request: DescribeConfigsRequest,
        _ node: BrokerNode
    ) throws(Refusal) -> [Entry] {
        switch resource.resourceType {
        case 2:
            let name = resource.resourceName
            if let fault = TopicName.fault(in: name) { throw Refusal(.invalidTopicException, fault) }
            guard let topic = node.topics.topic(named: name) else {
                throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            let own = topic.configs
            let configuration = node.topics.brokerConfigs.current
            return TopicConfigKeys.all.map { topicEntry($0, own: own[$0.name], request, configuration) }
        case 4:
            try node.checkBrokerResource(resource.resourceName)
            let configuration = node.topics.brokerConfigs.current
            guard resource.resourceName.isEmpty else {
                return BrokerConfigKeys.all.map { brokerEntry($0, request, configuration) }
            }
            return BrokerConfigKeys.all.compactMap { key in
                configuration.changes.cluster[key.name].map { clusterEntry(key, $0, request) }
            }
        case 32:
            let own = node.topics.groupConfigs.configs(of: resource.resourceName)
            let configuration = node.topics.brokerConfigs.current
            return GroupConfigs.keys.map {
                topicEntry($0, own: own[$0.name], as: .group, request, configuration)
            }
        default:
            throw Refusal(.invalidRequest, "Resources of type \(resource.resourceType) have no settings here.")
        }
    }

    private static func topicEntry(
        _ key: ConfigKey, own: String?, as source: ConfigKey.Source = .topic, _ request: DescribeConfigsRequest,
        _ configuration: BrokerConfiguration
    ) -> Entry {
        let fallback = configuration.topicDefault(key)
        var entry = describe(key, request)
        entry.value = own ?? fallback.value
        entry.configSource = (own == nil ? fallback.source : source).rawValue
        guard request.includeSynonyms else { return entry }
        if let own { entry.synonyms.append(synonym(key.name, own, source)) }
        if let name = key.brokerName {
            entry.synonyms += changes(name, configuration)
            let file = configuration.fileDefault(key)
            if file.source == .staticBroker { entry.synonyms.append(synonym(name, file.value, .staticBroker)) }
            entry.synonyms.append(synonym(name, key.defaultValue, .builtIn))
        }
        return entry
    }

    private static func brokerEntry(
        _ key: ConfigKey, _ request: DescribeConfigsRequest, _ configuration: BrokerConfiguration
    ) -> Entry {
        let current = configuration.brokerValue(key)
        var entry = describe(key, request)
        entry.value = current.value
        entry.readOnly = !BrokerConfigKeys.dynamic.contains(key.name)
        entry.configSource = current.source.rawValue
        guard request.includeSynonyms else { return entry }
        entry.synonyms += changes(key.name, configuration)
        let file = configuration.fileValue(key)
        if file.source == .staticBroker { entry.synonyms.append(synonym(key.name, file.value, .staticBroker)) }
        if let value = key.defaultValue { entry.synonyms.append(synonym(key.name, value, .builtIn)) }
        return entry
    }

    private static func clusterEntry(_ key: ConfigKey, _ value: String, _ request: DescribeConfigsRequest) -> Entry {
        var entry = describe(key, request)
        entry.value = value
        entry.configSource = ConfigKey.Source.dynamicDefaultBroker.rawValue
        if request.includeSynonyms { entry.synonyms.append(synonym(key.name, value, .dynamicDefaultBroker)) }
        return entry
    }

    /// What was changed while the broker runs, the nearest first.
    private static func changes(
        _ name: String, _ configuration: BrokerConfiguration
    ) -> [Entry.DescribeConfigsSynonym] {
        let own = configuration.changes.own[name].map { synonym(name, $0, .dynamicBroker) }
        let cluster = configuration.changes.cluster[name].map { synonym(name, $0, .dynamicDefaultBroker) }
        return [own, cluster].compactMap { $0 }
    }

    private static func describe(_ key: ConfigKey, _ request: DescribeConfigsRequest) -> Entry {
        var entry = Entry()
        entry.name = key.name
        entry.configType = key.kind.rawValue
        entry.documentation = request.includeDocumentation ? key.documentation : nil
        return entry
    }

    private static func synonym(
        _ name: String, _ value: String?, _ source: ConfigKey.Source
    ) -> Entry.DescribeConfigsSynonym {
        var synonym = Entry.DescribeConfigsSynonym()
        synonym.name = name
        synonym.value = value
        synonym.source = source.rawValue
        return synonym
    }
}
