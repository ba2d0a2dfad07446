import ConnectAPI
import OrderedCollections

/// Checks the transformations or predicates that a connector's configuration names (Kafka's
/// `ConnectorConfig.enrich`): each has a type, a version, and the options of its class in alphabetical order.
struct NamedPluginValidation {
    /// What the options of one kind of plugin are called.
    struct Kind: Sendable {
        /// The option that names them, and the prefix of theirs.
        var option: String
        var group: String
        var noun: String

        static let transformation = Kind(option: "transforms", group: "Transforms", noun: "Transformation")
        static let predicate = Kind(option: "predicates", group: "Predicates", noun: "Predicate")
    }

    /// A class as validation sees it.
    struct Plugin {
        var version: String
        var options: ConfigDefinition
        /// Makes one and configures it: finds what options alone do not show.
        var configure: ([String: String]) throws(ConnectError) -> Void
    }

    var kind: Kind
    var plugins: PluginRegistry

    /// The entries and groups of all that are named.
    func entries(_ config: [String: String]) -> (entries: [ConfigInfos.Entry], groups: [String]) {
        var entries: [ConfigInfos.Entry] = []
        var groups: [String] = []
        var seen: Set<String> = []
        for name in (config[kind.option] ?? "").list where seen.insert(name).inserted {
            let group = "\(kind.group): \(name)"
            groups.append(group)
            let prefix = "\(kind.option).\(name)."
            let plugin = config[prefix + "type"].flatMap { self.plugin($0) }
            let definition = definition(prefix, name, group, plugin)
            var values = definition.validate(config)
            check(&values, prefix, plugin, config)
            entries += zip(definition.keys.values, values).map {
                ConfigInfos.Entry(definition: ConfigKeyInfo($0), value: ConfigValueInfo($1))
            }
        }
        return (entries, groups)
    }

    /// Two of one name would share their options.
    func duplicates(_ config: [String: String]) -> String? {
        let names = (config[kind.option] ?? "").list
        guard Set(names).count < names.count else { return nil }
        return "Invalid value [\(names.joined(separator: ", "))] for configuration \(kind.option): "
            + "Duplicate alias provided."
    }

    private func plugin(_ className: String) -> Plugin? {
        if kind.option == Kind.predicate.option {
            guard let type = plugins.predicate(className) else { return nil }
            return Plugin(version: type.version, options: type.configDefinition) { (config) throws(ConnectError) in
                try type.init().configure(config)
            }
        }
        guard let type = plugins.transformation(className) else { return nil }
        return Plugin(version: type.version, options: type.configDefinition) { (config) throws(ConnectError) in
            try type.init().configure(config)
        }
    }

    private func definition(
        _ prefix: String, _ name: String, _ group: String, _ plugin: Plugin?
    ) -> ConfigDefinition {
        let noun = kind.noun
        let classes =
            kind.option == Kind.predicate.option ? plugins.predicateClassNames : plugins.transformationClassNames
        var keys: [ConfigDefinition.Key] = [
            .init(
                prefix + "type", .className, default: .required, importance: .high, doc: "The class of '\(name)'.",
                group: group, order: 0, width: .long, displayName: "\(noun) type for \(name)",
                recommender: .fixed(classes)),
            .init(
                prefix + "plugin.version", .string, default: plugin.map { .value($0.version) } ?? .null,
                importance: .high, doc: "The version of '\(name)'.", group: group, order: 1, width: .long,
                displayName: "\(noun) version for \(name)", recommender: .fixed(plugin.map { [$0.version] } ?? [])),
        ]
        guard let plugin else { return ConfigDefinition(keys) }
        var options = Array(plugin.options.keys.values)
        if kind.option == Kind.transformation.option {
            options += [
                Transformations.option(
                    "predicate", .string, .null, .medium, "The predicate that says which records are transformed."),
                Transformations.option(
                    "negate", .boolean, .value("false"), .medium,
                    "Whether the records are transformed that do not match the predicate."),
            ]
        }
        for var option in options.sorted(by: { $0.name < $1.name }) {
            option.name = prefix + option.name
            option.group = group
            option.order = keys.count
            keys.append(option)
        }
        return ConfigDefinition(keys)
    }

    private func check(
        _ values: inout [ConfigValue], _ prefix: String, _ plugin: Plugin?, _ config: [String: String]
    ) {
        func report(_ message: String, on name: String) {
            guard let index = values.firstIndex(where: { $0.name == name }) else { return }
            values[index].errors.append(message)
        }
        guard let plugin else {
            guard let type = config[prefix + "type"] else { return }
            values[0].value = nil
            values[0].errors = [
                "Invalid value \(type) for configuration \(prefix)type: Class \(type) could not be found."
            ]
            return
        }
        let predicate = config[prefix + "predicate"]?.trimmed
        if let predicate, !(config["predicates"] ?? "").list.contains(predicate) {
            report(
                "Invalid value \(predicate) for configuration \(prefix)predicate: predicates names no such predicate",
                on: prefix + "predicate")
        }
        if predicate == nil, config[prefix + "negate"] != nil {
            report(
                "Config '\(prefix)negate' was provided but there is no config '\(prefix)predicate' defining a "
                    + "predicate to be negated.", on: prefix + "negate")
        }
        guard values.allSatisfy(\.errors.isEmpty) else { return }
        // Java finds these only when the task starts.
        do throws(ConnectError) {
            try plugin.configure(config.options(prefix))
        } catch {
            report(error.message, on: prefix + "type")
        }
    }
}
