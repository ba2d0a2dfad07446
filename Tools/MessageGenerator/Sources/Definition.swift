/// A closed or open range of message versions: `3+`, `0-12`, `4`, or `none`.
struct VersionRange: Equatable {
    var low: Int
    /// The last version, or `Int.max` for an open range.
    var high: Int

    static let none = VersionRange(low: Int.max, high: Int.max)

    init(low: Int, high: Int) {
        self.low = low
        self.high = high
    }

    init(parsing text: String) throws {
        if text == "none" {
            self = .none
        } else if text.hasSuffix("+"), let low = Int(text.dropLast()) {
            self.init(low: low, high: .max)
        } else {
            let parts = text.split(separator: "-").compactMap { Int($0) }
            guard let low = parts.first, let high = parts.last, parts.count <= 2, low <= high else {
                throw DefinitionError("not a version range: \(text)")
            }
            self.init(low: low, high: high)
        }
    }

    func contains(_ other: VersionRange) -> Bool { low <= other.low && other.high <= high }

    func clamped(to other: VersionRange) -> VersionRange {
        VersionRange(low: Swift.max(low, other.low), high: Swift.min(high, other.high))
    }

    var isEmpty: Bool { self == .none || low > high }
}

/// A fault in a definition file; names the file and line where known.
struct DefinitionError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// One field of a message or of a struct in it.
struct FieldDefinition {
    var name: String
    /// The wire type without the array brackets: `int32`, `string`, or the name of a struct.
    var type: String
    var isArray: Bool
    var versions: VersionRange
    var nullable: VersionRange = .none
    var defaultValue: String?
    var tag: Int?
    var taggedVersions: VersionRange = .none
    var isIgnorable = false
    var fields: [FieldDefinition] = []
}

/// A request, a response or a versioned record of an internal topic.
struct MessageDefinition {
    enum Kind: String { case request, response, data }
    var kind: Kind
    var name: String
    var versions: VersionRange
    var flexible: VersionRange
    var fields: [FieldDefinition] = []
    var commonStructs: [FieldDefinition] = []
}

/// One definition file: an API with request and response, or a single data message.
struct DefinitionFile {
    var apiName: String?
    var apiKey: Int?
    var messages: [MessageDefinition] = []

    /// Parses the format that `Tools/MessageGenerator/README.md` describes.
    init(parsing text: String) throws {
        var stack: [FieldDefinition] = []
        func close(to depth: Int) {
            while stack.count > depth {
                let done = stack.removeLast()
                if stack.isEmpty {
                    if done.type == "struct" {
                        messages[messages.count - 1].commonStructs.append(done)
                    } else {
                        messages[messages.count - 1].fields.append(done)
                    }
                } else {
                    stack[stack.count - 1].fields.append(done)
                }
            }
        }
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(separator: " ").map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let indent = line.prefix { $0 == " " }.count / 2
            do {
                if indent > 0 {
                    close(to: indent - 1)
                    guard stack.count == indent - 1, !messages.isEmpty else { throw DefinitionError("bad indentation") }
                    stack.append(try Self.parseField(words))
                } else {
                    close(to: 0)
                    try parseHeader(words)
                }
            } catch {
                throw DefinitionError("line \(number + 1): \(error)")
            }
        }
        close(to: 0)
    }

    private mutating func parseHeader(_ words: [String]) throws {
        switch words[0] {
        case "api" where words.count == 3:
            apiName = words[1]
            apiKey = Int(words[2])
        case "request" where words.count == 4, "response" where words.count == 4:
            guard let apiName, let kind = MessageDefinition.Kind(rawValue: words[0]) else {
                throw DefinitionError("'\(words[0])' before 'api'")
            }
            let suffix = kind == .request ? "Request" : "Response"
            messages.append(
                MessageDefinition(
                    kind: kind, name: apiName + suffix, versions: try VersionRange(parsing: words[1]),
                    flexible: try VersionRange(parsing: words[3])))
        case "data" where words.count == 5:
            messages.append(
                MessageDefinition(
                    kind: .data, name: words[1], versions: try VersionRange(parsing: words[2]),
                    flexible: try VersionRange(parsing: words[4])))
        default:
            throw DefinitionError("unknown line '\(words.joined(separator: " "))'")
        }
    }

    private static func parseField(_ words: [String]) throws -> FieldDefinition {
        guard words.count >= 3 else { throw DefinitionError("a field needs name, type and versions") }
        if words[0] == "struct" {
            return FieldDefinition(
                name: words[1], type: "struct", isArray: false, versions: try VersionRange(parsing: words[2]))
        }
        let isArray = words[1].hasPrefix("[]")
        var field = FieldDefinition(
            name: words[0], type: isArray ? String(words[1].dropFirst(2)) : words[1], isArray: isArray,
            versions: try VersionRange(parsing: words[2]))
        var index = 3
        func next() throws -> String {
            guard index + 1 < words.count else { throw DefinitionError("'\(words[index])' needs a value") }
            index += 1
            return words[index]
        }
        while index < words.count {
            switch words[index] {
            case "nullable": field.nullable = try VersionRange(parsing: try next())
            case "default": field.defaultValue = try next()
            case "tag":
                field.tag = Int(try next())
                field.taggedVersions = try VersionRange(parsing: try next())
            case "ignorable": field.isIgnorable = true
            default: throw DefinitionError("unknown attribute '\(words[index])'")
            }
            index += 1
        }
        return field
    }
}
