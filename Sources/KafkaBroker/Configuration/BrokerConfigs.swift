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
