/// A configuration turned into typed values by a ``ConfigDefinition``. Asking for an option that the definition does
/// not have gives the empty value of the type.
public struct ParsedConfig: Sendable {
    /// The value of one option.
    public enum Value: Sendable, Hashable {
        case null
        case boolean(Bool)
        case integer(Int64)
        case double(Double)
        case string(String)
        case list([String])
        case secret(Secret)
    }

    /// The values by name, defaults filled in.
    public var values: [String: Value]
    /// The configuration as it was given, with what the definition does not know.
    public let originals: [String: String]

    /// Makes a configuration of values.
    public init(values: [String: Value], originals: [String: String]) {
        self.values = values
        self.originals = originals
    }

    /// A string or class name; nil when null.
    public func optionalString(_ name: String) -> String? {
        if case .string(let text)? = values[name] { text } else { nil }
    }

    /// A string or class name; empty when null.
    public func string(_ name: String) -> String { optionalString(name) ?? "" }

    /// A boolean; false when null.
    public func bool(_ name: String) -> Bool {
        if case .boolean(let flag)? = values[name] { flag } else { false }
    }

    /// A whole number; nil when null.
    public func optionalInt(_ name: String) -> Int64? {
        if case .integer(let number)? = values[name] { number } else { nil }
    }

    /// A whole number; 0 when null.
    public func int(_ name: String) -> Int { Int(optionalInt(name) ?? 0) }

    /// A floating point number; 0 when null.
    public func double(_ name: String) -> Double {
        if case .double(let number)? = values[name] { number } else { 0 }
    }

    /// A list; empty when null.
    public func list(_ name: String) -> [String] {
        if case .list(let elements)? = values[name] { elements } else { [] }
    }

    /// A secret; nil when null.
    public func secret(_ name: String) -> Secret? {
        if case .secret(let secret)? = values[name] { secret } else { nil }
    }
}

extension ParsedConfig.Value {
    /// Kafka's string form of a value, as REST shows it; secrets are `[hidden]`, null is nil.
    public var text: String? {
        switch self {
        case .null: nil
        case .boolean(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .double(let number): JavaNumber.text(of: number)
        case .string(let text): text
        case .list(let elements): elements.joined(separator: ",")
        case .secret: Secret.hidden
        }
    }
}
