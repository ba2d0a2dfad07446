import KafkaProtocol
import NIOConcurrencyHelpers

/// Settings of single groups of the consumer protocol, over the broker's (`GROUP` resources of DescribeConfigs).
final class GroupConfigs: Sendable {
    static let keys: [ConfigKey] = [
        ConfigKey(
            "consumer.heartbeat.interval.ms", .int, "5000", broker: "group.consumer.heartbeat.interval.ms", minimum: 1,
            "Time between heartbeats that members are told."),
        ConfigKey(
            "consumer.session.timeout.ms", .int, "45000", broker: "group.consumer.session.timeout.ms", minimum: 1,
            "How long a member may stay silent."),
    ]

    private let groups = NIOLockedValueBox<[String: [String: String]]>([:])

    static func key(_ name: String) throws(Refusal) -> ConfigKey {
        guard let key = keys.first(where: { $0.name == name }) else {
            throw Refusal(.invalidConfig, "Unknown group config name: \(name)")
        }
        return key
    }

    /// The groups that have settings, sorted.
    var names: [String] { groups.withLockedValue { $0.keys.sorted() } }

    /// What was set of a group.
    func configs(of group: String) -> [String: String] { groups.withLockedValue { $0[group] ?? [:] } }

    /// Replaces what was set of a group; nothing removes it.
    func set(_ configs: [String: String], of group: String) {
        groups.withLockedValue { $0[group] = configs.isEmpty ? nil : configs }
    }

    /// What bounds a group.
    func limits(of group: String, _ broker: ConsumerGroupLimits) -> ConsumerGroupLimits {
        let own = configs(of: group)
        if own.isEmpty { return broker }
        var limits = broker
        limits.sessionTimeout =
            own["consumer.session.timeout.ms"].flatMap { Int64($0) } ?? limits.sessionTimeout
        limits.heartbeatInterval =
            own["consumer.heartbeat.interval.ms"].flatMap { Int32($0) } ?? limits.heartbeatInterval
        return limits
    }

    /// A value within the broker's bounds, in Kafka's words if it is not.
    static func checked(
        _ name: String, _ value: String?, _ configuration: BrokerConfiguration
    ) throws(Refusal) -> String {
        let key = try key(name)
        guard let value else { throw Refusal(.invalidConfig, "Null value not supported for group configs: \(name)") }
        if let fault = key.fault(in: value) { throw Refusal(.invalidConfig, fault) }
        let kind = name == "consumer.session.timeout.ms" ? "session.timeout.ms" : "heartbeat.interval.ms"
        for (bound, words) in [("min", "greater"), ("max", "less")] {
            let setting = "group.consumer.\(bound).\(kind)"
            let text = BrokerConfigKeys.key(setting).flatMap { configuration.brokerValue($0).value }
            guard let limit = text.flatMap({ Int64($0) }), let number = Int64(value) else { continue }
            guard bound == "min" ? number >= limit : number <= limit else {
                throw Refusal(.invalidConfig, "\(name) must be \(words) than or equal to \(setting) (\(limit))")
            }
        }
        return value
    }
}
