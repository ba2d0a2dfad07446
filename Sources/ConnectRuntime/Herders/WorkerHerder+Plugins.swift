import ConnectAPI
import OrderedCollections

extension WorkerHerder {
    func pluginConfig(_ pluginName: String) async throws(HerderError) -> [ConfigKeyInfo] {
        if let plugin = parts.plugins.connector(pluginName) {
            return plugin.type.configDefinition.keys.values.map(ConfigKeyInfo.init)
        }
        if let converter = parts.plugins.converter(pluginName) {
            return converter.configDefinition.keys.values.map(ConfigKeyInfo.init)
        }
        throw HerderError(status: 404, message: "Unknown plugin \(pluginName).")
    }

    func validate(
        pluginName: String, config: OrderedDictionary<String, String>
    ) async throws(HerderError) -> ConfigInfos {
        guard let plugin = parts.plugins.connector(pluginName) else { throw unknownClass(pluginName, status: 404) }
        let type = plugin.type
        let values: [ConfigValue]
        do {
            // It may connect to a database, and block.
            values = try await onOwnThread(name: "validate") { await type.init().validate(config.plain) }
        } catch {
            throw HerderError(status: 500, message: "The configuration could not be validated: \(error)")
        }
        let keys = type.configDefinition.keys
        return ConfigInfos(
            name: type.className, groups: type.configDefinition.groups,
            configs: values.map { value in
                ConfigInfos.Entry(
                    definition: keys[value.name].map(ConfigKeyInfo.init),
                    value: ConfigValueInfo(
                        name: value.name, value: value.value, recommendedValues: value.recommendedValues,
                        errors: value.errors, isVisible: value.isVisible))
            })
    }
}

extension ConfigKeyInfo {
    init(_ key: ConfigDefinition.Key) {
        var defaultValue: String?
        if case .value(let text) = key.defaultValue { defaultValue = text }
        self.init(
            name: key.name, type: key.type.rawValue, isRequired: key.defaultValue == .required,
            defaultValue: defaultValue, importance: key.importance.rawValue, documentation: key.doc,
            group: key.group, orderInGroup: key.order, width: key.width.rawValue, displayName: key.displayName,
            dependents: key.dependents)
    }
}
