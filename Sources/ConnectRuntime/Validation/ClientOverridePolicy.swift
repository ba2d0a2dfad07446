import ConnectAPI

/// Which settings of its Kafka clients a connector may set with `producer.override.`, `consumer.override.` and
/// `admin.override.` (`connector.client.config.override.policy`, KIP-458 and KIP-1188).
enum ClientOverridePolicy: Sendable, Hashable {
    /// Every one (the default).
    case all
    /// None.
    case none
    /// Those that say who the connector is: `security.protocol`, `sasl.jaas.config`, `sasl.mechanism`.
    case principal
    /// Those of `connector.client.config.override.allowlist`.
    case allowed(Set<String>)

    private static let packageName = "org.apache.kafka.connect.connector.policy."
    private static let principalNames: Set<String> = ["security.protocol", "sasl.jaas.config", "sasl.mechanism"]

    static func read(_ reader: inout WorkerProperties) throws(ConnectError) -> ClientOverridePolicy {
        let allowed = reader.list("connector.client.config.override.allowlist") ?? []
        guard let text = reader.string("connector.client.config.override.policy") else { return .all }
        // Java takes the class's name too, with or without the package.
        var name = text.suffix(after: packageName) ?? text
        for ending in ["ConnectorClientConfigOverridePolicy", "ClientConfigOverridePolicy"] where name.hasSuffix(ending)
        {
            name = String(name.dropLast(ending.count))
        }
        switch name.lowercased() {
        case "all": return .all
        case "none": return .none
        case "principal": return .principal
        case "allowlist": return .allowed(Set(allowed))
        default:
            throw .config(
                "connector.client.config.override.policy=\(text): All, None, Principal or Allowlist is needed")
        }
    }

    /// Why a setting may not be set; nil if it may.
    /// - Parameter name: the client's name of it, without the prefix.
    func refusal(of name: String) -> String? {
        switch self {
        case .all: nil
        case .none:
            "None of client properties are allowed to be overridden "
                + "(connector.client.config.override.policy=None)"
        case .principal:
            Self.principalNames.contains(name)
                ? nil
                : "The 'Principal' policy does not allow '\(name)' to be overridden in the connector configuration"
        case .allowed(let names):
            names.contains(name)
                ? nil
                : "The 'Allowlist' policy does not allow '\(name)' to be overridden in the connector configuration: it "
                    + "is not in connector.client.config.override.allowlist"
        }
    }
}
