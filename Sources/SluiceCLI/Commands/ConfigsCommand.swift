import ArgumentParser
import KafkaClient
import Logging

/// `sluice configs`
struct ConfigsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configs",
        abstract: "Show and change settings of topics and brokers, and quotas of clients.",
        discussion: """
            Examples:
              sluice configs --describe --entity-type topics --entity-name orders
              sluice configs --describe --entity-type brokers --entity-name 1 --all
              sluice configs --alter --entity-type topics --entity-name orders --add-config retention.ms=3600000
              sluice configs --alter --entity-type topics --entity-name orders --delete-config retention.ms
              sluice configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=3600000
              sluice configs --alter --entity-type clients --entity-name loader \\
                  --add-config producer_byte_rate=1048576
              sluice configs --alter --user alice --client-defaults --add-config request_percentage=50
            """
    )

    /// What is to be done.
    enum Action: String, EnumerableFlag {
        case describe, alter

        static func help(for value: Action) -> ArgumentHelp? {
            switch value {
            case .describe: "Print settings."
            case .alter: "Change settings."
            }
        }
    }

    /// Whose settings.
    enum EntityType: String, ExpressibleByArgument, CaseIterable {
        case topics, brokers, groups, clients, users, ips

        var kind: ConfigResource.Kind { self == .topics ? .topic : self == .groups ? .group : .broker }
        var singular: String { String(rawValue.dropLast()) }
        /// The type of a quota's entity; nil for what has settings.
        var quotaType: String? {
            switch self {
            case .topics, .brokers, .groups: nil
            case .clients: "client-id"
            case .users: "user"
            case .ips: "ip"
            }
        }
    }

    @Flag(exclusivity: .exclusive)
    var action: Action

    @OptionGroup var client: ClientOptions

    @Option(help: "topics, brokers or groups, or for quotas clients, users or ips.")
    var entityType: EntityType?

    @Option(help: ArgumentHelp("Its name, or the broker's id; without it --describe shows all.", valueName: "name"))
    var entityName: String?

    @Flag(help: "The default of all brokers, clients, users or addresses.")
    var entityDefault = false

    @OptionGroup(title: "Whom a quota is for") var quotas: QuotaEntityOptions

    @Flag(help: "With --describe: also what has its default.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "Settings to make, separated by commas; a value with commas goes in brackets: a=[x,y].",
            valueName: "name=value,…"))
    var addConfig: String?

    @Option(help: ArgumentHelp("Settings that get their default again.", valueName: "name,…"))
    var deleteConfig: String?

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (entityType == nil) != quotas.isEmpty else {
            throw ValidationError("--entity-type, or --user, --client or --ip, is needed, and not both")
        }
        if entityName != nil, entityDefault {
            throw ValidationError("--entity-name and --entity-default are two different things: choose one")
        }
        if entityDefault, entityType == .topics || entityType == .groups {
            throw ValidationError("topics and groups have no --entity-default; it is the brokers'")
        }
        guard action == .alter else { return }
        if entityType != nil, entityName == nil, !entityDefault {
            throw ValidationError("--alter needs --entity-name or --entity-default")
        }
        if addConfig == nil, deleteConfig == nil {
            throw ValidationError("--alter needs --add-config or --delete-config")
        }
        if let addConfig { _ = try Self.pairs(addConfig) }
    }

    func run() async throws {
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            switch (action, entityType) {
            case (.describe, .topics?), (.describe, .brokers?), (.describe, .groups?): try await describe(admin)
            case (.alter, .topics?), (.alter, .brokers?), (.alter, .groups?): try await alter(admin)
            case (.describe, _): try await describeQuotas(admin)
            case (.alter, _): try await alterQuotas(admin)
            }
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }

    private func describe(_ admin: KafkaAdminClient) async throws {
        guard let entityType else { return }
        var names = entityDefault ? [""] : entityName.map { [$0] } ?? []
        if names.isEmpty {
            switch entityType {
            case .topics: names = try await admin.listTopics(includeInternal: true).map(\.name)
            case .groups: names = try await admin.listConfigResources(kinds: [32])[32] ?? []
            default: names = try await admin.describeCluster().brokers.map { String($0.id) }
            }
        }
        let resources = names.sorted().map { ConfigResource(entityType.kind, $0) }
        let answers = try await admin.describeConfigs(resources)
        for resource in resources {
            guard let entries = try answers[resource]?.get() else { continue }
            let kind = all ? "All" : "Dynamic"
            Terminal.print(
                resource.name.isEmpty
                    ? "Default configs for \(entityType.rawValue) in the cluster are:"
                    : "\(kind) configs for \(entityType.singular) \(resource.name) are:")
            let wanted: Set<ConfigEntry.Source> = [
                .topic, .dynamicBroker, .dynamicDefaultBroker, .dynamicBrokerLogger, .group,
            ]
            for entry in entries.sorted(by: { $0.name < $1.name }) where all || wanted.contains(entry.source) {
                Terminal.print("  \(entry.name)=\(entry.value ?? "null") sensitive=\(entry.isSensitive)")
            }
        }
    }

    private func alter(_ admin: KafkaAdminClient) async throws {
        guard let entityType else { return }
        var changes =
            try addConfig.map(Self.pairs)?.map {
                ConfigAlteration(name: $0.name, operation: .set, value: $0.value)
            } ?? []
        for name in deleteConfig?.split(separator: ",") ?? [] {
            changes.append(ConfigAlteration(name: name.trimmed, operation: .delete, value: nil))
        }
        let resource = ConfigResource(entityType.kind, entityName ?? "")
        try await admin.incrementalAlterConfigs([resource: changes])[resource]?.get()
        Terminal.print(
            entityName.map { "Completed updating config for \(entityType.singular) \($0)." }
                ?? "Completed updating default config for \(entityType.rawValue) in the cluster.")
    }

    /// Reads `a=1,b=[x,y],c=`; brackets keep commas together, as in Kafka's tool.
    static func pairs(_ text: String) throws -> [(name: String, value: String)] {
        var parts: [String] = [""]
        var depth = 0
        for character in text {
            switch character {
            case "[": depth += 1
            case "]": depth -= 1
            case "," where depth == 0: parts.append("")
            default: parts[parts.count - 1].append(character)
            }
        }
        guard depth == 0 else { throw ValidationError("--add-config \(text): a bracket is not closed") }
        return try parts.map { part in
            guard let pair = PropertiesFile.pair(part) else {
                throw ValidationError("--add-config \(part) is not of the form name=value")
            }
            return (Substring(pair.key).trimmed, pair.value)
        }
    }
}

extension Substring {
    var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
