/// Whom a quota is for, and which limits there are (KIP-546). `QuotaManager` holds clients to them.
enum ClientQuotas {
    /// Types (user, client-id, ip) with their names; a nil name is the default of the type.
    typealias Entity = [String: String?]

    static let types: Set<String> = ["user", "client-id", "ip"]
    private static let ofClients: Set<String> = [
        "producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate",
    ]
    private static let ofAddresses: Set<String> = ["connection_creation_rate"]

    /// What is wrong with an entity; nil if nothing is.
    static func fault(in entity: Entity) -> String? {
        if entity.isEmpty { return "Invalid empty client quota entity" }
        if let type = entity.keys.first(where: { !types.contains($0) }) {
            return "Unhandled client quota entity type: \(type)"
        }
        if entity.values.contains("") { return "Empty client quota entity name" }
        if entity["ip"] != nil, entity.count > 1 {
            return "Invalid quota entity combination, IP entity should not be combined with User or ClientId"
        }
        return nil
    }

    /// What is wrong with a limit; nil if nothing is.
    static func fault(key: String, value: Double?, of entity: Entity) -> String? {
        let known = entity["ip"] == nil ? ofClients : ofAddresses
        guard known.contains(key) else { return "Invalid configuration key \(key)" }
        guard let value else { return nil }
        guard value > 0, value.isFinite else { return "Quota \(key) must be greater than 0" }
        guard key == "request_percentage" || key == "controller_mutation_rate" || value == value.rounded() else {
            return "Quota \(key) must be a whole number"
        }
        return nil
    }
}
