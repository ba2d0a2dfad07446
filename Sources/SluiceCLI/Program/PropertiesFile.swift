import OrderedCollections

/// Java's properties format, in which Kafka's configuration files are written.
enum PropertiesFile {
    /// Reads a file for which the order of its lines does not matter.
    static func dictionary(path: String) throws(CommandFailure) -> [String: String] {
        Dictionary(try read(path: path).map { ($0.key, $0.value) }) { _, newer in newer }
    }

    /// Reads a file.
    static func read(path: String) throws(CommandFailure) -> OrderedDictionary<String, String> {
        let text = try TextFile.contents(path: path)
        guard let properties = parse(text) else {
            throw CommandFailure("\(path): a \\u escape is not followed by four hexadecimal digits")
        }
        return properties
    }

    /// Parses `key=value`, `key: value` and `key value` lines with comments, continuations and escapes; of a key that
    /// comes twice the last value stays. nil for a broken `\u` escape.
    static func parse(_ text: String) -> OrderedDictionary<String, String>? {
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

    /// `key=value` as given on a command line.
    static func pair(_ text: String) -> (key: String, value: String)? {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
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
