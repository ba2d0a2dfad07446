/// Reads typed values out of a properties map and remembers which names nobody asked for.
struct PropertyReader {
    private let values: [String: String]
    private(set) var unused: Set<String>

    init(_ values: [String: String]) {
        self.values = values
        unused = Set(values.keys)
    }

    mutating func string(_ name: String) -> String? {
        unused.remove(name)
        return values[name].map(trimmed)
    }

    mutating func integer<T: FixedWidthInteger>(_ name: String, as type: T.Type = T.self) throws(KafkaError) -> T? {
        guard let text = string(name) else { return nil }
        guard let value = T(text) else {
            throw KafkaError(.invalidConfiguration, "\(name)=\(text): a whole number is needed")
        }
        return value
    }

    mutating func boolean(_ name: String) throws(KafkaError) -> Bool? {
        guard let text = string(name) else { return nil }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw KafkaError(.invalidConfiguration, "\(name)=\(text): true or false is needed")
        }
    }

    mutating func milliseconds(_ name: String) throws(KafkaError) -> Duration? {
        guard let value = try integer(name, as: Int64.self) else { return nil }
        guard value >= 0 else {
            throw KafkaError(.invalidConfiguration, "\(name)=\(value): a time can't be negative")
        }
        return .milliseconds(value)
    }

    mutating func list(_ name: String) -> [String]? {
        string(name)?.split(separator: ",").map { trimmed(String($0)) }.filter { !$0.isEmpty }
    }

    private func trimmed(_ text: String) -> String {
        var rest = Substring(text)
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
