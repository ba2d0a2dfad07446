import KafkaProtocol
import NIOConcurrencyHelpers

/// The broker's settings as they are now: those of its file, and over them what was changed while it runs.
final class BrokerConfigs: Sendable {
    private let base: BrokerConfiguration
    private let state: NIOLockedValueBox<BrokerConfiguration>

    init(_ configuration: BrokerConfiguration) {
        base = configuration
        state = NIOLockedValueBox(configuration)
    }

    /// All settings in effect.
    var current: BrokerConfiguration { state.withLockedValue { $0 } }

    /// Replaces what was changed for a resource of DescribeConfigs: this broker's number, or "" for the cluster's default.
    /// What was said of other brokers is no concern of ours.
    func set(_ configs: [String: String], of resource: String) {
        state.withLockedValue { configuration in
            var next = base
            next.changes = configuration.changes
            if resource.isEmpty {
                next.changes.cluster = configs
            } else if resource == String(base.nodeID) {
                next.changes.own = configs
            }
            next.readLimits()
            configuration = next
        }
    }
}

/// Settings that were changed while the broker runs (KIP-226): its own win over the cluster's default, and both over the
/// file.
struct BrokerConfigChanges: Sendable, Equatable {
    var own: [String: String] = [:]
    var cluster: [String: String] = [:]

    func value(_ name: String) -> (value: String, source: ConfigKey.Source)? {
        if let value = own[name] { return (value, .dynamicBroker) }
        if let value = cluster[name] { return (value, .dynamicDefaultBroker) }
        return nil
    }
}

extension BrokerConfigKeys {
    /// The settings that take effect while the broker runs: those of Kafka's `DynamicBrokerConfig` that mean anything here.
    static let dynamic: Set<String> = {
        var names = Set(TopicConfigKeys.all.compactMap(\.brokerName))
        names.formUnion([
            "max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides",
            "max.connection.creation.rate",
        ])
        return names
    }()

    /// The key of a setting that is to be changed while the broker runs.
    static func alterable(_ name: String) throws(Refusal) -> ConfigKey {
        guard let key = key(name) else {
            throw Refusal(.invalidRequest, "Unknown broker config name: \(name)")
        }
        guard dynamic.contains(name) else {
            throw Refusal(
                .invalidRequest,
                "Cannot update these configs dynamically: Set(\(name)). Set it in the broker's file and restart it.")
        }
        return key
    }

    /// What is wrong with a value, also of those that have a form of their own.
    static func fault(_ key: ConfigKey, _ value: String) -> String? {
        if let fault = key.fault(in: value) { return fault }
        guard key.name == "max.connections.per.ip.overrides" else { return nil }
        do throws(BrokerError) {
            _ = try BrokerConfiguration.connectionsByIP(value)
            return nil
        } catch {
            return error.message
        }
    }
}

/// The settings of a resource that both alter-configs APIs change: a topic's, this broker's or the cluster's default.
enum AlterableConfigs {
    case topic(Topic)
    case broker(resource: String)

    static func find<R>(_ type: Int8, _ name: String, _ call: Call<R>) throws(Refusal) -> AlterableConfigs {
        switch type {
        case 2:
            return .topic(try TopicSettings.topic(name, call))
        case 4:
            try call.checkCluster(.alterConfigs)
            try call.node.checkBrokerResource(name)
            return .broker(resource: name)
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
        }
    }

    /// The value that counts if nothing is set.
    func fallback(_ key: ConfigKey, _ node: BrokerNode) -> String {
        let configuration = node.topics.brokerConfigs.current
        switch self {
        case .topic: return configuration.topicDefault(key).value
        case .broker: return configuration.brokerValue(key).value ?? ""
        }
    }

    func checked(_ name: String, _ value: String?) throws(Refusal) -> String {
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
        }
    }

    func set(_ configs: [String: String], _ node: BrokerNode) throws(Refusal) {
        switch self {
        case .topic(let topic): try node.topics.setConfigs(configs, of: topic)
        case .broker(let resource): try node.topics.setBrokerConfigs(configs, of: resource)
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
