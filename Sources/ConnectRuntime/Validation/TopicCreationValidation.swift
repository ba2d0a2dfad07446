import ConnectAPI
import OrderedCollections

/// Checks `topic.creation.*` of a source's configuration (KIP-158, Kafka's `SourceConnectorConfig.enrich`): once one of
/// these options is used, the default group needs partitions and a replication factor; each group that
/// `topic.creation.groups` names has options of its own.
enum TopicCreationValidation {
    static let groups = "topic.creation.groups"
    private static let prefix = "topic.creation."
    private static let title = "Topic Creation"

    /// The entries of all groups; none if topics are left to the broker.
    static func entries(_ config: [String: String]) -> [ConfigInfos.Entry] {
        guard config.keys.contains(where: { $0.hasPrefix(prefix) }) else { return [] }
        var names = ["default"]
        for name in (config[groups] ?? "").list where !names.contains(name) { names.append(name) }
        let definition = ConfigDefinition(names.flatMap(options))
        return zip(definition.keys.values, definition.validate(config)).map {
            ConfigInfos.Entry(definition: ConfigKeyInfo($0), value: ConfigValueInfo($1))
        }
    }

    /// What is wrong with the list of groups.
    static func problem(_ config: [String: String]) -> String? {
        let names = (config[groups] ?? "").list
        if names.contains("default") {
            return "Invalid value \(names) for configuration \(groups): the group default is always there"
        }
        guard Set(names).count < names.count else { return nil }
        return "Invalid value \(names) for configuration \(groups): Duplicate alias provided."
    }

    private static func options(_ group: String) -> [ConfigDefinition.Key] {
        let isDefault = group == "default"
        let name = prefix + group + "."
        return [
            .init(
                name + "include", .list, default: .value(isDefault ? ".*" : ""), importance: .low,
                doc: "Regular expressions of the topics of group \(group).", group: title, order: 1, width: .long,
                displayName: "Inclusion Topic Pattern for \(group)", validator: patterns),
            .init(
                name + "exclude", .list, default: .value(""), importance: .low,
                doc: "Regular expressions of the topics that are not of group \(group).", group: title, order: 2,
                width: .long, displayName: "Exclusion Topic Pattern for \(group)", validator: patterns),
            .init(
                name + "replication.factor", .short, default: isDefault ? .required : .null, importance: .low,
                doc: "Replicas of topics of group \(group); -1 for the broker's default.", group: title, order: 3,
                width: .long, displayName: "Replication Factor for Topics in \(group)",
                validator: count(isOptional: !isDefault)),
            .init(
                name + "partitions", .int, default: isDefault ? .required : .null, importance: .low,
                doc: "Partitions of topics of group \(group); -1 for the broker's default.", group: title, order: 4,
                width: .long, displayName: "Partition Count for Topics in \(group)",
                validator: count(isOptional: !isDefault)),
        ]
    }

    private static let patterns = ConfigValidator { value in
        guard case .list(let patterns) = value else { return nil }
        let bad = patterns.first { (try? Regex($0)) == nil }
        return bad.map { "\($0) is not a valid regular expression" }
    }

    private static func count(isOptional: Bool) -> ConfigValidator {
        ConfigValidator { value in
            switch value {
            case .integer(let number) where number == -1 || number > 0: nil
            case .null where isOptional: nil
            default: "Value must be 1 or more, or -1 for the broker's default"
            }
        }
    }
}
