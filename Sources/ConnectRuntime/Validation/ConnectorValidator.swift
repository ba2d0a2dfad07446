import ConnectAPI
import OrderedCollections

/// Checks a connector's configuration: the worker's options and the connector's own, as
/// `PUT /connector-plugins/{p}/config/validate` shows them and as creating a connector demands
/// (Kafka's `AbstractHerder.validateConnectorConfig`).
struct ConnectorValidator: Sendable {
    /// What the worker offers connectors.
    struct Environment: Sendable {
        /// The worker's own converters, by class name.
        var keyConverter: String
        var valueConverter: String
        var headerConverter: String
        /// The class names of the converters there are.
        var converters: [String]
        /// The class names of the header converters there are.
        var headerConverters: [String]
        /// The version of the converters.
        var converterVersion: String
        /// Whether a class name or alias is a converter.
        var hasConverter: @Sendable (String) -> Bool
        /// Whether a class name or alias is a header converter.
        var hasHeaderConverter: @Sendable (String) -> Bool
        /// The transformations and predicates there are.
        var plugins: PluginRegistry
        /// What connectors may say of their Kafka clients.
        var clientOverrides = ClientOverridePolicy.all
        /// `exactly.once.source.support=enabled`.
        var deliversOnce = false
    }

    let environment: Environment

    /// The options of a connector, without what depends on the worker: `GET /connector-plugins/{p}/config`. The
    /// connector's own come first.
    static func options(of connector: any Connector.Type, type: ConnectorType) -> ConfigDefinition {
        connector.configDefinition.appending(
            workerOptions(type: type).modifying("connector.plugin.version") {
                $0.defaultValue = .value(connector.version)
            })
    }

    /// Checks a configuration for a connector.
    func validate(
        _ connector: any Connector, type: ConnectorType, config: OrderedDictionary<String, String>
    ) async -> ConfigInfos {
        let plugin = Swift.type(of: connector)
        let plain = Dictionary(uniqueKeysWithValues: config.map { ($0.key, $0.value) })
        let worker = definition(for: plugin, type: type, config: plain)
        var values = worker.validate(plain)
        checkConverters(&values, plain)
        if type == .sink { Self.checkTopics(&values, plain) }
        if let source = connector as? any SourceConnector { checkExactlyOnce(&values, plain, source) }

        var groups = worker.groups
        var entries = zip(worker.keys.values, values).map {
            ConfigInfos.Entry(definition: ConfigKeyInfo($0), value: ConfigValueInfo($1))
        }
        for kind in [NamedPluginValidation.Kind.transformation, .predicate] {
            let validation = NamedPluginValidation(kind: kind, plugins: environment.plugins)
            if let problem = validation.duplicates(plain),
                let index = entries.firstIndex(where: { $0.value.name == kind.option })
            {
                entries[index].value.errors.append(problem)
            }
            let (named, namedGroups) = validation.entries(plain)
            entries += named
            groups += namedGroups
        }
        if type == .source {
            entries += TopicCreationValidation.entries(plain)
            if let problem = TopicCreationValidation.problem(plain),
                let index = entries.firstIndex(where: { $0.value.name == TopicCreationValidation.groups })
            {
                entries[index].value.errors.append(problem)
            }
        }
        let own = plugin.configDefinition
        let ownValues = await connector.validate(plain)
        entries += ownValues.map { value in
            ConfigInfos.Entry(definition: own.keys[value.name].map { ConfigKeyInfo($0) }, value: ConfigValueInfo(value))
        }
        groups += own.groups.filter { !groups.contains($0) }
        entries += clientOverrides(config)

        let masking = ConfigMasking(passwordNames: own.passwordNames)
        for index in entries.indices {
            entries[index].value.value = entries[index].value.value.map(URLSecrets.masked)
            entries[index].value.errors = entries[index].value.errors.map {
                masking.masked(text: $0, secretsOf: config)
            }
        }
        return ConfigInfos(name: config["connector.class"] ?? plugin.className, groups: groups, configs: entries)
    }

    /// The refusal of an invalid configuration; nil if there are no errors.
    static func refusal(_ infos: ConfigInfos) -> HerderError? {
        guard infos.errorCount > 0 else { return nil }
        let messages = infos.configs.flatMap(\.value.errors).map { "\n" + $0 }.joined()
        return HerderError(
            status: 400,
            message: "Connector configuration is invalid and contains the following \(infos.errorCount) error(s):"
                + messages + "\nYou can also find the above list of errors at the endpoint "
                + "`/connector-plugins/{connectorType}/config/validate`")
    }

    private static func workerOptions(type: ConnectorType) -> ConfigDefinition {
        ConnectorOptions.common.appending(type == .sink ? ConnectorOptions.sink : ConnectorOptions.source)
    }

    private func definition(
        for plugin: any Connector.Type, type: ConnectorType, config: [String: String]
    ) -> ConfigDefinition {
        var definition = Self.workerOptions(type: type).modifying("connector.plugin.version") {
            $0.defaultValue = .value(plugin.version)
            $0.recommender = .fixed([plugin.version])
        }
        for (prefix, converter, choices) in [
            ("key.converter", environment.keyConverter, environment.converters),
            ("value.converter", environment.valueConverter, environment.converters),
            ("header.converter", environment.headerConverter, environment.headerConverters),
        ] {
            definition = definition.modifying(prefix) {
                $0.defaultValue = .value(converter)
                $0.recommender = .fixed(choices)
            }
            let isKnown = config[prefix].map { self.isKnown($0, for: prefix) } ?? true
            definition = definition.modifying(prefix + ".plugin.version") {
                $0.defaultValue = isKnown ? .value(environment.converterVersion) : .null
                $0.recommender = .fixed(isKnown ? [environment.converterVersion] : [], isVisible: isKnown)
            }
        }
        return definition
    }

    private func isKnown(_ converter: String, for option: String) -> Bool {
        option == "header.converter" ? environment.hasHeaderConverter(converter) : environment.hasConverter(converter)
    }

    private func checkConverters(_ values: inout [ConfigValue], _ config: [String: String]) {
        for name in ["key.converter", "value.converter", "header.converter"] {
            guard let given = config[name], let index = values.firstIndex(where: { $0.name == name }) else { continue }
            if !isKnown(given, for: name) {
                values[index].value = nil
                values[index].errors = [
                    "Invalid value \(given) for configuration \(name): Class \(given) could not be found."
                ]
            }
        }
    }

    /// A sink reads `topics` or `topics.regex`, not both, and never its own dead letters
    /// (Kafka's `SinkConnectorConfig.validate`).
    private static func checkTopics(_ values: inout [ConfigValue], _ config: [String: String]) {
        func report(_ message: String, on names: [String]) {
            for index in values.indices where names.contains(values[index].name) {
                values[index].errors.append(message)
            }
        }
        let topics = (config["topics"] ?? "").split(separator: ",").map { String($0).trimmed }.filter {
            !$0.isEmpty
        }
        let pattern = (config["topics.regex"] ?? "").trimmed
        let deadLetters = (config["errors.deadletterqueue.topic.name"] ?? "").trimmed
        if topics.isEmpty, pattern.isEmpty {
            report("Must configure one of topics or topics.regex", on: ["topics", "topics.regex"])
        }
        if !topics.isEmpty, !pattern.isEmpty {
            report(
                "topics and topics.regex are mutually exclusive options, but both are set.",
                on: ["topics", "topics.regex"])
        }
        if !deadLetters.isEmpty, topics.contains(deadLetters) {
            report(
                "The DLQ topic '\(deadLetters)' may not be included in the list of topics "
                    + "('topics=[\(topics.joined(separator: ", "))]') consumed by the connector",
                on: ["topics"])
        }
        guard !pattern.isEmpty else { return }
        guard let regex = try? Regex(pattern) else {
            report(
                "Invalid value \(pattern) for configuration topics.regex: not a valid regular expression",
                on: ["topics.regex"])
            return
        }
        if !deadLetters.isEmpty, (try? regex.wholeMatch(in: deadLetters)) != nil {
            report(
                "The DLQ topic '\(deadLetters)' may not be matched by the regex ('topics.regex=\(pattern)') "
                    + "consumed by the connector",
                on: ["topics.regex"])
        }
    }

    /// Settings of the connector's Kafka clients are shown as they are, and refused if the worker does not allow them.
    private func clientOverrides(_ config: OrderedDictionary<String, String>) -> [ConfigInfos.Entry] {
        config.compactMap { name, value in
            for prefix in ["producer.override.", "consumer.override.", "admin.override."] where name.hasPrefix(prefix) {
                let key = ConfigDefinition.Key(
                    name, .string, default: .null, importance: .medium,
                    doc: "A setting of the connector's Kafka client.",
                    displayName: String(name.dropFirst(prefix.count)))
                let shown = ConfigMasking().masked([name: value])[name]
                var info = ConfigValueInfo(name: name, value: shown)
                let refusal = environment.clientOverrides.refusal(of: String(name.dropFirst(prefix.count)))
                info.errors +=
                    refusal.map { ["Invalid value \(shown ?? "null") for configuration \(name): \($0)"] } ?? []
                return ConfigInfos.Entry(definition: ConfigKeyInfo(key), value: info)
            }
            return nil
        }
    }
}

extension ConfigKeyInfo {
    /// What REST says of an option.
    init(_ key: ConfigDefinition.Key) {
        let shown: String? =
            switch key.defaultValue {
            case .required, .null: nil
            case .value(let text): key.type == .password ? Secret.hidden : text
            }
        self.init(
            name: key.name, type: key.type.rawValue, isRequired: key.defaultValue == .required, defaultValue: shown,
            importance: key.importance.rawValue, documentation: key.doc, group: key.group, orderInGroup: key.order,
            width: key.width.rawValue, displayName: key.displayName, dependents: key.dependents)
    }
}

extension ConfigValueInfo {
    /// What REST says of a value.
    init(_ value: ConfigValue) {
        self.init(
            name: value.name, value: value.value, recommendedValues: value.recommendedValues, errors: value.errors,
            isVisible: value.isVisible)
    }
}
