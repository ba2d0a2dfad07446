import KafkaProtocol

/// The settings of a resource that both alter-configs APIs change: a topic's, a group's, this broker's or the
/// cluster's default.
enum AlterableConfigs {
    case topic(Topic)
    case broker(resource: String)
    case group(String)

    static func find<R>(_ type: Int8, _ name: String, _ call: Call<R>) throws(Refusal) -> AlterableConfigs {
        switch type {
        case 2:
            return .topic(try TopicSettings.topic(name, call))
        case 4:
            try call.checkCluster(.alterConfigs)
            try call.node.checkBrokerResource(name)
            return .broker(resource: name)
        case 32:
            guard call.allows(.alterConfigs, group: name) else { throw .groupAuthorization }
            guard !name.isEmpty else { throw Refusal(.invalidRequest, "A group needs a name.") }
            return .group(name)
        default:
            try call.checkCluster(.alterConfigs)
            throw Refusal(.invalidRequest, "Settings of resource type \(type) cannot be altered here.")
        }
    }

    /// What was set.
    func current(_ node: BrokerNode) -> [String: String] {
        switch self {
        case .topic(let topic): return topic.configs
        case .broker(let resource):
            let changes = node.topics.brokerConfigs.current.changes
            return resource.isEmpty ? changes.cluster : changes.own
        case .group(let name): return node.topics.groupConfigs.configs(of: name)
        }
    }

    func key(_ name: String) throws(Refusal) -> ConfigKey {
        switch self {
        case .topic:
            guard let key = TopicConfigKeys.key(name) else {
                throw Refusal(.invalidConfig, "Unknown topic config name: \(name)")
            }
            return key
        case .broker:
            return try BrokerConfigKeys.alterable(name)
        case .group:
            return try GroupConfigs.key(name)
        }
    }

    /// The value that counts if nothing is set.
    func fallback(_ key: ConfigKey, _ node: BrokerNode) -> String {
        let configuration = node.topics.brokerConfigs.current
        switch self {
        case .topic: return configuration.topicDefault(key).value
        case .broker: return configuration.brokerValue(key).value ?? ""
        case .group: return configuration.topicDefault(key).value
        }
    }

    func checked(_ name: String, _ value: String?, _ node: BrokerNode) throws(Refusal) -> String {
        switch self {
        case .topic:
            return try TopicSettings.checked(name, value)
        case .broker:
            let key = try BrokerConfigKeys.alterable(name)
            guard let value else {
                throw Refusal(.invalidRequest, "Null value not supported for broker configs: \(name)")
            }
            if let fault = BrokerConfigKeys.fault(key, value) { throw Refusal(.invalidRequest, fault) }
            return value
        case .group:
            return try GroupConfigs.checked(name, value, node.topics.brokerConfigs.current)
        }
    }

    func set(_ configs: [String: String], _ node: BrokerNode) throws(Refusal) {
        switch self {
        case .topic(let topic): try node.topics.setConfigs(configs, of: topic)
        case .broker(let resource): try node.topics.setBrokerConfigs(configs, of: resource)
        case .group(let name): try node.topics.setGroupConfigs(configs, of: name)
        }
    }
}

extension BrokerNode {
    /// A broker answers for itself and for the cluster's default only.
    func checkBrokerResource(_ name: String) throws(Refusal) {
        guard !name.isEmpty else { return }
        guard Int32(name) != nil else {
            throw Refusal(.invalidRequest, "Node id must be an integer, but it is: \(name)")
        }
        guard name == String(configuration.nodeID) else {
            throw Refusal(
                .invalidRequest,
                "Unexpected broker id, expected \(configuration.nodeID) or empty string, but received \(name)")
        }
    }
}
