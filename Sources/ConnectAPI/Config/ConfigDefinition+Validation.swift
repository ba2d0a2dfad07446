import OrderedCollections

/// What validation found about one option (Kafka class `ConfigValue`).
public struct ConfigValue: Sendable, Hashable {
    /// The option's name.
    public var name: String
    /// The value in Kafka's string form, secrets as `[hidden]`; nil when null or not parsable.
    public var value: String?
    /// Values that would be good.
    public var recommendedValues: [String]
    /// What is wrong; empty when all is well.
    public var errors: [String]
    /// Whether the option applies.
    public var isVisible: Bool

    /// Makes a result.
    public init(
        name: String, value: String? = nil, recommendedValues: [String] = [], errors: [String] = [],
        isVisible: Bool = true
    ) {
        self.name = name
        self.value = value
        self.recommendedValues = recommendedValues
        self.errors = errors
        self.isVisible = isVisible
    }
}

extension ConfigDefinition {
    /// Checks a configuration option by option. The result has one entry per option, in order; options that the
    /// definition does not know are left out.
    public func validate(_ config: [String: String]) -> [ConfigValue] {
        var parsed = ParsedConfig(values: [:], originals: config)
        var results: [ConfigValue] = []
        results.reserveCapacity(keys.count)
        for key in keys.values {
            var result = ConfigValue(name: key.name)
            switch value(of: key, in: config) {
            case .success(let value):
                parsed.values[key.name] = value
                result.value = value.text
                if let problem = problem(with: value, of: key, given: config[key.name] != nil) {
                    result.errors.append(problem)
                }
            case .failure(let error):
                parsed.values[key.name] = .null
                result.errors.append(error.message)
                // As in Java, the validator then sees null and may add its own opinion.
                if let problem = problem(with: .null, of: key, given: config[key.name] != nil) {
                    result.errors.append(problem)
                }
            }
            results.append(result)
        }
        for index in results.indices {
            guard let recommender = keys[results[index].name]?.recommender else { continue }
            do throws(ConnectError) {
                results[index].recommendedValues = try recommender.values(results[index].name, parsed)
                results[index].isVisible = try recommender.isVisible(results[index].name, parsed)
            } catch {
                results[index].errors.append(error.message)
            }
        }
        return results
    }

    /// The typed values of a configuration.
    /// - Throws: a config error that lists everything that is wrong.
    public func parse(_ config: [String: String]) throws(ConnectError) -> ParsedConfig {
        var parsed = ParsedConfig(values: [:], originals: config)
        var problems: [String] = []
        for key in keys.values {
            switch value(of: key, in: config) {
            case .success(let value):
                parsed.values[key.name] = value
                if let problem = problem(with: value, of: key, given: config[key.name] != nil) {
                    problems.append(problem)
                }
            case .failure(let error):
                problems.append(error.message)
            }
        }
        guard problems.isEmpty else { throw .config(problems.joined(separator: "\n")) }
        return parsed
    }

    private func value(of key: Key, in config: [String: String]) -> Result<ParsedConfig.Value, ConnectError> {
        if let text = config[key.name] { return Self.parse(text, as: key.type, name: key.name) }
        switch key.defaultValue {
        case .required:
            return .failure(.config("Missing required configuration \"\(key.name)\" which has no default value."))
        case .null:
            return .success(.null)
        case .value(let text):
            return Self.parse(text, as: key.type, name: key.name)
        }
    }

    // Java validates what is given; defaults are right by construction.
    private func problem(with value: ParsedConfig.Value, of key: Key, given: Bool) -> String? {
        guard given, let validator = key.validator, let problem = validator.check(value) else { return nil }
        return "Invalid value \(value.text ?? "null") for configuration \(key.name): \(problem)"
    }

    /// Parses one value (Kafka's `ConfigDef.parseType`).
    static func parse(
        _ text: String, as type: ValueType, name: String
    ) -> Result<ParsedConfig.Value, ConnectError> {
        let trimmed = text.trimmingSpaces()
        func invalid(_ reason: String) -> Result<ParsedConfig.Value, ConnectError> {
            .failure(.config("Invalid value \(text) for configuration \(name): \(reason)"))
        }
        switch type {
        case .boolean:
            switch trimmed.lowercased() {
            case "true": return .success(.boolean(true))
            case "false": return .success(.boolean(false))
            default: return invalid("Expected value to be either true or false")
            }
        case .string, .className: return .success(.string(trimmed))
        case .password: return .success(.secret(Secret(trimmed)))
        case .list:
            if trimmed.isEmpty { return .success(.list([])) }
            let parts = trimmed.split(separator: ",", omittingEmptySubsequences: false)
            return .success(.list(parts.map { String($0).trimmingSpaces() }))
        case .int:
            guard let number = Int32(trimmed) else { return invalid("Not a number of type INT") }
            return .success(.integer(Int64(number)))
        case .short:
            guard let number = Int16(trimmed) else { return invalid("Not a number of type SHORT") }
            return .success(.integer(Int64(number)))
        case .long:
            guard let number = Int64(trimmed) else { return invalid("Not a number of type LONG") }
            return .success(.integer(number))
        case .double:
            guard let number = Double(trimmed) else { return invalid("Not a number of type DOUBLE") }
            return .success(.double(number))
        }
    }
}

extension String {
    /// Java's `String.trim`: drops everything up to U+0020 at both ends.
    func trimmingSpaces() -> String {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { $0.value > 0x20 }),
            let last = scalars.lastIndex(where: { $0.value > 0x20 })
        else { return "" }
        return String(scalars[first...last])
    }
}
