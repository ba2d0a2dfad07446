import ConnectAPI
import OrderedCollections

extension WorkerHerder {
    func pluginConfig(_ pluginName: String) async throws(HerderError) -> [ConfigKeyInfo] {
        if let plugin = parts.plugins.connector(pluginName) {
            let options = ConnectorValidator.options(of: plugin.type, type: plugin.connectorType)
            return options.keys.values.map { ConfigKeyInfo($0) }
        }
        if let converter = parts.plugins.converter(pluginName) {
            return converter.configDefinition.keys.values.map { ConfigKeyInfo($0) }
        }
        if let converter = parts.plugins.headerConverter(pluginName) {
            return converter.configDefinition.keys.values.map { ConfigKeyInfo($0) }
        }
        if let transformation = parts.plugins.transformation(pluginName) {
            return transformation.configDefinition.keys.values.map { ConfigKeyInfo($0) }
        }
        if let predicate = parts.plugins.predicate(pluginName) {
            return predicate.configDefinition.keys.values.map { ConfigKeyInfo($0) }
        }
        throw HerderError(status: 404, message: "Unknown plugin \(pluginName).")
    }

    func validate(
        pluginName: String, config: OrderedDictionary<String, String>
    ) async throws(HerderError) -> ConfigInfos {
        guard let plugin = parts.plugins.connector(pluginName) else { throw unknownClass(pluginName, status: 404) }
        guard let className = config["connector.class"], !className.trimmed.isEmpty else { throw missingClass() }
        guard let named = parts.plugins.connector(className) else { throw unknownClass(className) }
        guard named.type == plugin.type else {
            throw HerderError(
                status: 400,
                message: "Included connector type \(className) does not match request type \(pluginName)")
        }
        let validator = ConnectorValidator(environment: validationEnvironment)
        let transformer = parts.configuration.configTransformer
        do {
            // It may connect to a database, and block.
            return try await onOwnThread(name: "validate") {
                let transformed = transformer.transform(config)
                return transformed.hidingValues(
                    await validator.validate(
                        plugin.type.init(), type: plugin.connectorType, config: transformed.config))
            }
        } catch {
            throw HerderError(status: 500, message: "The configuration could not be validated: \(error)")
        }
    }

    private var validationEnvironment: ConnectorValidator.Environment {
        let plugins = parts.plugins
        return ConnectorValidator.Environment(
            keyConverter: parts.configuration.keyConverter, valueConverter: parts.configuration.valueConverter,
            headerConverter: parts.configuration.headerConverter, converters: plugins.converterClassNames,
            headerConverters: plugins.headerConverterClassNames,
            converterVersion: PluginRegistry.converterVersion, hasConverter: { plugins.converter($0) != nil },
            hasHeaderConverter: { plugins.headerConverter($0) != nil },
            plugins: plugins, clientOverrides: parts.configuration.clientOverrides,
            deliversOnce: parts.configuration.exactlyOnceSource == .enabled)
    }
}
