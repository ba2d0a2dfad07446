import ArgumentParser
import KafkaClient

/// Whom a quota is for, in the short form of Kafka's tool; a user and a client may be given together.
struct QuotaEntityOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The user.", valueName: "name"))
    var user: String?

    @Flag(help: "All users without a quota of their own.")
    var userDefaults = false

    @Option(help: ArgumentHelp("The client id.", valueName: "name"))
    var client: String?

    @Flag(help: "All client ids without a quota of their own.")
    var clientDefaults = false

    @Option(help: ArgumentHelp("The address.", valueName: "address"))
    var ip: String?

    @Flag(help: "All addresses without a quota of their own.")
    var ipDefaults = false

    /// The entity, by its types.
    var entity: ClientQuotaEntity {
        var entity: ClientQuotaEntity = [:]
        let parts = [("user", user, userDefaults), ("client-id", client, clientDefaults), ("ip", ip, ipDefaults)]
        for (type, name, isDefault) in parts where name != nil || isDefault { entity.updateValue(name, forKey: type) }
        return entity
    }

    var isEmpty: Bool { entity.isEmpty }
}

extension ConfigsCommand {
    private var quotaEntity: ClientQuotaEntity {
        guard let type = entityType?.quotaType else { return quotas.entity }
        var entity: ClientQuotaEntity = [:]
        if entityName != nil || entityDefault { entity.updateValue(entityName, forKey: type) }
        return entity
    }

    /// Quotas of the entity, or of all of its type.
    func describeQuotas(_ admin: KafkaAdminClient) async throws {
        let entity = quotaEntity
        let types = entity.isEmpty ? [entityType?.quotaType].compactMap { $0 } : []
        let found = try await admin.describeClientQuotas(matching: entity, anyOf: types)
        let lines = found.map { entity, limits in
            let values = limits.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
            return "Quota configs for \(Self.text(entity)) are \(values)"
        }
        for line in lines.sorted() { Terminal.print(line) }
    }

    /// Sets and removes limits of the entity.
    func alterQuotas(_ admin: KafkaAdminClient) async throws {
        var changes: [String: Double?] = [:]
        for (name, value) in try addConfig.map(Self.pairs) ?? [] as [(name: String, value: String)] {
            guard let limit = Double(value) else {
                throw CommandFailure("--add-config \(name)=\(value): a number is needed", status: .usage)
            }
            changes.updateValue(limit, forKey: name)
        }
        for name in deleteConfig?.split(separator: ",") ?? [] { changes.updateValue(nil, forKey: name.trimmed) }
        let entity = quotaEntity
        try await admin.alterClientQuotas([entity: changes])[entity]?.get()
        Terminal.print("Completed updating quota config for \(Self.text(entity)).")
    }

    /// `user-principal 'alice', the default client-id`, as Kafka's tool writes it.
    private static func text(_ entity: ClientQuotaEntity) -> String {
        entity.sorted { $0.key > $1.key }.map { type, name in
            let words = type == "user" ? "user-principal" : type
            return name.map { "\(words) '\($0)'" } ?? "the default \(words)"
        }.joined(separator: ", ")
    }
}
