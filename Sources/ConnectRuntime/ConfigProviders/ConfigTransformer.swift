import ConnectAPI
import OrderedCollections

/// Replaces references to config providers, `${name:path:key}` and `${name:key}`, by what the providers supply (Kafka's
/// `ConfigTransformer`). A `${…}` whose name is no provider's is left as it is.
struct ConfigTransformer: Sendable {
    /// A value that a provider has supplied. It must not be stored or shown; the reference may.
    struct Resolution: Sendable, Hashable {
        var value: String
        var reference: String
    }

    /// A configuration with the references replaced.
    struct Transformed: Sendable {
        var config: ConnectorProperties
        /// The configuration as it was given.
        var raw: ConnectorProperties
        var resolutions: [Resolution] = []
        /// Why a reference could not be resolved, by option; the option keeps its text.
        var problems: [(option: String, message: String)] = []

        /// The configuration if everything could be resolved.
        func checked() throws(ConnectError) -> ConnectorProperties {
            guard problems.isEmpty else {
                throw .config(problems.map { "\($0.option): \($0.message)" }.joined(separator: "\n"))
            }
            return config
        }
    }

    private var providers: [String: any ConfigProvider] = [:]

    /// Knows no providers.
    init() {}

    /// Makes the providers of a worker's properties.
    init(_ properties: [String: String]) throws(ConnectError) {
        for name in (properties["config.providers"] ?? "").list {
            providers[name] = try Self.provider(name, properties)
        }
    }

    private static func provider(
        _ name: String, _ properties: [String: String]
    ) throws(ConnectError) -> any ConfigProvider {
        let option = "config.providers.\(name).class"
        let className = properties[option]?.trimmed ?? ""
        let parameters = properties.options("config.providers.\(name).param.")
        // Swift 6.3.1 crashes on a typed throwing initialiser of `any ConfigProvider.Type`, hence no table of types.
        switch className {
        case FileConfigProvider.className: return try FileConfigProvider(parameters: parameters)
        case DirectoryConfigProvider.className: return try DirectoryConfigProvider(parameters: parameters)
        case EnvVarConfigProvider.className: return try EnvVarConfigProvider(parameters: parameters)
        default:
            let known = [
                FileConfigProvider.className, DirectoryConfigProvider.className, EnvVarConfigProvider.className,
            ]
            throw .config("\(option)=\(className): one of \(known.joined(separator: ", ")) is needed")
        }
    }

    /// The configuration with every reference replaced that can be.
    func transform(_ config: ConnectorProperties) -> Transformed {
        var result = Transformed(config: config, raw: config)
        guard !providers.isEmpty else { return result }
        for (name, text) in config where text.contains("${") {
            do throws(ConnectError) {
                result.config[name] = try resolve(text, &result.resolutions)
            } catch {
                result.problems.append((name, error.message))
            }
        }
        return result
    }

    private func resolve(_ text: String, _ resolutions: inout [Resolution]) throws(ConnectError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else { break }
            result += rest[..<start.lowerBound]
            let reference = rest[start.lowerBound...end]
            let parts = rest[start.upperBound..<end].split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count >= 2, let provider = providers[String(parts[0])] {
                let path = parts.count == 3 ? String(parts[1]) : ""
                let value = try provider.value(of: String(parts[parts.count - 1]), at: path)
                resolutions.append(Resolution(value: value, reference: String(reference)))
                result += value
            } else {
                result += reference
            }
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

extension ConfigTransformer.Transformed {
    /// A connector's task configuration with the references put back, for it is stored (Kafka's
    /// `AbstractHerder.reverseTransform`). Beyond Kafka, a value that the connector has copied to another name goes
    /// back to its reference, too.
    func restoringReferences(_ taskConfig: ConnectorProperties) -> ConnectorProperties {
        guard !resolutions.isEmpty else { return taskConfig }
        var result = taskConfig
        for (name, value) in taskConfig {
            if let text = raw[name], config[name] != text {
                result[name] = text
            } else if value.count >= ConfigMasking.minimumSearchedLength,
                let original = raw.first(where: { config[$0.key] == value && $0.value != value })
            {
                result[name] = original.value
            }
        }
        return result
    }

    /// A text in which references stand for what they were resolved to.
    func hidingValues(_ text: String) -> String {
        var result = text
        for resolution in resolutions.sorted(by: { $0.value.count > $1.value.count })
        where resolution.value.count >= ConfigMasking.minimumSearchedLength {
            result = result.replacingAll(resolution.value, with: resolution.reference)
        }
        return result
    }

    /// The answer of a validation of the resolved configuration as it may be shown: with references in place of
    /// values, and with what could not be resolved.
    func hidingValues(_ infos: ConfigInfos) -> ConfigInfos {
        guard !resolutions.isEmpty || !problems.isEmpty else { return infos }
        var result = infos
        for index in result.configs.indices {
            let name = result.configs[index].value.name
            if let text = raw[name], config[name] != text, result.configs[index].value.value != Secret.hidden {
                result.configs[index].value.value = text
            }
            result.configs[index].value.value = result.configs[index].value.value.map(hidingValues)
            result.configs[index].value.errors = result.configs[index].value.errors.map(hidingValues)
            result.configs[index].value.recommendedValues =
                result.configs[index].value.recommendedValues.map(hidingValues)
            for problem in problems where problem.option == name {
                result.configs[index].value.errors.append("\(name): \(problem.message)")
            }
        }
        return result
    }
}
