/// One configuration name of Kafka: what DescribeConfigs tells about it and how values are checked.
struct ConfigKey: Sendable {
    /// Kafka's value types with the numbers that DescribeConfigs uses.
    enum Kind: Int8, Sendable {
        case boolean = 1
        case string = 2
        case int = 3
        case short = 4
        case long = 5
        case double = 6
        case list = 7
        case password = 9
    }

    /// Where a value comes from, with the numbers that DescribeConfigs uses.
    enum Source: Int8, Sendable {
        case topic = 1
        case dynamicBroker = 2
        case dynamicDefaultBroker = 3
        case staticBroker = 4
        case builtIn = 5
        case group = 8
    }

    let name: String
    let kind: Kind
    let defaultValue: String?
    /// The broker setting that holds the default of this topic setting.
    let brokerName: String?
    /// The only values allowed, if there is such a list.
    let allowed: [String]
    let minimum: Int64?
    let documentation: String

    init(
        _ name: String, _ kind: Kind, _ defaultValue: String?, broker: String? = nil, allowed: [String] = [],
        minimum: Int64? = nil, _ documentation: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.brokerName = broker
        self.allowed = allowed
        self.minimum = minimum
        self.documentation = documentation
    }

    /// What is wrong with a value, in the words Kafka uses; nil if nothing is.
    func fault(in value: String) -> String? {
        let prefix = "Invalid value \(value) for configuration \(name): "
        switch kind {
        case .boolean:
            let lowered = value.lowercased()
            return lowered == "true" || lowered == "false"
                ? nil : prefix + "Expected value to be either true or false"
        case .int:
            guard let number = Int32(value) else { return prefix + "Not a number of type INT" }
            return rangeFault(Int64(number), prefix)
        case .short:
            guard let number = Int16(value) else { return prefix + "Not a number of type SHORT" }
            return rangeFault(Int64(number), prefix)
        case .long:
            guard let number = Int64(value) else { return prefix + "Not a number of type LONG" }
            return rangeFault(number, prefix)
        case .double:
            return Double(value) == nil ? prefix + "Not a number of type DOUBLE" : nil
        case .list:
            if allowed.isEmpty { return nil }
            for item in ConfigKey.items(value) where !allowed.contains(item) {
                return prefix + "String must be one of: " + allowed.joined(separator: ", ")
            }
            return nil
        case .string, .password:
            if allowed.isEmpty || allowed.contains(value) { return nil }
            return prefix + "String must be one of: " + allowed.joined(separator: ", ")
        }
    }

    private func rangeFault(_ number: Int64, _ prefix: String) -> String? {
        guard let minimum, number < minimum else { return nil }
        return prefix + "Value must be at least \(minimum)"
    }

    /// The entries of a list value.
    static func items(_ value: String) -> [String] {
        value.split(separator: ",").map { trimmed(String($0)) }.filter { !$0.isEmpty }
    }

    /// The text without blanks and tabs at its ends.
    static func trimmed(_ text: String) -> String {
        let blanks: Set<Character> = [" ", "\t", "\r", "\n"]
        var slice = text[...]
        while let first = slice.first, blanks.contains(first) { slice.removeFirst() }
        while let last = slice.last, blanks.contains(last) { slice.removeLast() }
        return String(slice)
    }
}
