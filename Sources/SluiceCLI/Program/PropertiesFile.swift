import ConnectRuntime
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

    /// Parses the text of a file, as the worker does.
    static func parse(_ text: String) -> OrderedDictionary<String, String>? { JavaProperties.parse(text) }

    /// `key=value` as given on a command line.
    static func pair(_ text: String) -> (key: String, value: String)? {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
}
