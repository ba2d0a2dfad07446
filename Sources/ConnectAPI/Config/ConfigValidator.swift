/// Checks the parsed value of one option.
public struct ConfigValidator: Sendable {
    /// Returns what is wrong with the value, or nil. The library puts the name and the value in front of it.
    public let check: @Sendable (ParsedConfig.Value) -> String?

    /// Makes a validator.
    public init(_ check: @escaping @Sendable (ParsedConfig.Value) -> String?) {
        self.check = check
    }

    /// A number that is at least `minimum`.
    public static func atLeast(_ minimum: Int64) -> ConfigValidator {
        ConfigValidator { value in
            guard case .integer(let number) = value else { return "Value must be non-null" }
            return number < minimum ? "Value must be at least \(minimum)" : nil
        }
    }

    /// A number of a range.
    public static func between(_ minimum: Int64, _ maximum: Int64) -> ConfigValidator {
        ConfigValidator { value in
            guard case .integer(let number) = value else { return "Value must be non-null" }
            if number < minimum { return "Value must be at least \(minimum)" }
            return number > maximum ? "Value must be no more than \(maximum)" : nil
        }
    }

    /// One of some strings (every element, for a list).
    public static func oneOf(_ choices: [String]) -> ConfigValidator {
        ConfigValidator { value in
            let problem = "String must be one of: \(choices.joined(separator: ", "))"
            switch value {
            case .string(let text): return choices.contains(text) ? nil : problem
            case .list(let texts): return texts.allSatisfy(choices.contains) ? nil : problem
            default: return problem
            }
        }
    }

    /// One of some strings, in upper or lower case; null is allowed only if `allowsNull`.
    public static func oneOfIgnoringCase(_ choices: [String], allowsNull: Bool = false) -> ConfigValidator {
        let lowercased = Set(choices.map { $0.lowercased() })
        return ConfigValidator { value in
            let problem = "String must be one of (case insensitive): \(choices.joined(separator: ", "))"
            switch value {
            case .string(let text): return lowercased.contains(text.lowercased()) ? nil : problem
            case .null: return allowsNull ? nil : problem
            default: return problem
            }
        }
    }

    /// A string that is not empty.
    public static let nonEmptyString = ConfigValidator { value in
        if case .string(let text) = value, text.isEmpty { return "String must be non-empty" }
        return nil
    }

    /// A string that is not empty and has no control characters: a connector's name.
    public static let nonEmptyWithoutControlCharacters = ConfigValidator { value in
        // Java: a null name passes here, because the missing name is reported by itself.
        guard case .string(let text) = value else { return nil }
        if text.isEmpty { return "String may not be empty" }
        let controls = text.unicodeScalars.filter { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }
        guard !controls.isEmpty else { return nil }
        let codes = controls.map { String($0.value) }.joined(separator: ", ")
        return "String may not contain control sequences but had the following ASCII chars: \(codes)"
    }
}

/// Recommends values for an option, given the other options' values.
public struct ConfigRecommender: Sendable {
    /// The values to recommend. A thrown error becomes an error of the option.
    public let values: @Sendable (_ name: String, _ config: ParsedConfig) throws(ConnectError) -> [String]
    /// Whether the option applies at all.
    public let isVisible: @Sendable (_ name: String, _ config: ParsedConfig) throws(ConnectError) -> Bool

    /// Makes a recommender.
    public init(
        values: @escaping @Sendable (_ name: String, _ config: ParsedConfig) throws(ConnectError) -> [String],
        isVisible: @escaping @Sendable (_ name: String, _ config: ParsedConfig) throws(ConnectError) -> Bool = {
            (_: String, _: ParsedConfig) throws(ConnectError) -> Bool in true
        }
    ) {
        self.values = values
        self.isVisible = isVisible
    }

    /// Recommends always the same.
    public static func fixed(_ choices: [String], isVisible: Bool = true) -> ConfigRecommender {
        ConfigRecommender(
            values: { (_: String, _: ParsedConfig) throws(ConnectError) -> [String] in choices },
            isVisible: { (_: String, _: ParsedConfig) throws(ConnectError) -> Bool in isVisible })
    }
}
