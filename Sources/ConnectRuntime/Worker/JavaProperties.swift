public import OrderedCollections

/// Java's properties format, in which Kafka's configuration files are written.
public enum JavaProperties {
    /// Parses `key=value`, `key: value` and `key value` lines with comments, continuations and escapes; of a key that
    /// comes twice the last value stays. nil for a broken `\u` escape.
    public static func parse(_ text: String) -> OrderedDictionary<String, String>? {
        var properties: OrderedDictionary<String, String> = [:]
        for line in logicalLines(text) {
            var rest = line[...]
            guard let key = scan(&rest, upTo: { $0 == "=" || $0 == ":" || isBlank($0) }) else { return nil }
            rest = rest.drop(while: isBlank)
            if let first = rest.first, first == "=" || first == ":" { rest = rest.dropFirst().drop(while: isBlank) }
            guard let value = scan(&rest, upTo: { _ in false }) else { return nil }
            properties[key] = value
        }
        return properties
    }

    /// Lines without comments and blank ones; those that end in an odd number of backslashes joined with the next.
    private static func logicalLines(_ text: String) -> [[Character]] {
        var result: [[Character]] = []
        var open: [Character]?
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let stripped = line.drop(while: isBlank)
            if open == nil, stripped.isEmpty || stripped.hasPrefix("#") || stripped.hasPrefix("!") { continue }
            let backslashes = stripped.reversed().prefix { $0 == "\\" }.count
            let continues = backslashes % 2 == 1
            let joined = (open ?? []) + (continues ? stripped.dropLast() : stripped)
            if continues { open = joined } else { result.append(joined) }
            if !continues { open = nil }
        }
        if let open { result.append(open) }
        return result
    }

    private static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t" || character == "\u{0C}"
    }

    private static func scan(_ rest: inout ArraySlice<Character>, upTo isEnd: (Character) -> Bool) -> String? {
        var result = ""
        while let character = rest.first, !isEnd(character) {
            rest = rest.dropFirst()
            guard character == "\\", let escaped = rest.popFirst() else {
                if character != "\\" { result.append(character) }
                continue
            }
            switch escaped {
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "f": result.append("\u{0C}")
            case "u":
                guard rest.count >= 4, let unit = UInt16(String(rest.prefix(4)), radix: 16) else { return nil }
                rest = rest.dropFirst(4)
                guard let scalar = Unicode.Scalar(unit) else { return nil }
                result.unicodeScalars.append(scalar)
            default: result.append(escaped)
            }
        }
        return result
    }
}
