import ConnectAPI

/// Renames topics by a regular expression that matches the whole name (Kafka's `RegexRouter`). See ``JavaRegex`` for
/// where expressions differ from Java's.
final class RegexRouter: Transformation {
    static let className = Transformations.package + "RegexRouter"
    static let configDefinition = ConfigDefinition([
        Transformations.option(
            "regex", .string, .required, .high, "The expression that must match the whole topic.", .regularExpression),
        Transformations.option(
            "replacement", .string, .required, .high, "The new topic, with $1 or ${name} for groups."),
    ])

    private var regex: JavaRegex?
    private var replacement = ""
    /// The last topic and its new name: a task has few topics.
    private var last: (topic: String, routed: String)?

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        regex = try JavaRegex(parsed.string("regex"))
        replacement = parsed.string("replacement")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        if let last, last.topic == record.topic {
            record.topic = last.routed
            return true
        }
        let routed = try regex?.replacingWhole(record.topic, with: replacement) ?? record.topic
        last = (record.topic, routed)
        record.topic = routed
        return true
    }
}

/// A regular expression in the syntax of Swift's standard library, over Unicode scalars.
///
/// What topics, transformations and predicates use is the same as in `java.util.regex`: groups and named groups, back
/// references, classes and their intersection, alternation, greedy, reluctant and possessive quantifiers, look-ahead,
/// anchors, `\Q…\E`, escapes and the inline flags `i m s x`. Not supported, and an error of the configuration:
/// look-behind and the inline flags `d` and `u`.
struct JavaRegex {
    private let regex: Regex<AnyRegexOutput>

    /// - Throws: a config error with the reason.
    init(_ pattern: String) throws(ConnectError) {
        do {
            regex = try Regex(pattern).matchingSemantics(.unicodeScalar)
        } catch {
            throw .config("Invalid regular expression \(pattern): \(error)")
        }
    }

    /// Whether the whole text matches.
    func matches(_ text: String) -> Bool {
        (try? regex.wholeMatch(in: text)) != nil
    }

    /// The replacement with its groups filled in; nil if the whole text does not match.
    func replacingWhole(_ text: String, with replacement: String) throws(ConnectError) -> String? {
        guard let match = try? regex.wholeMatch(in: text) else { return nil }
        var result = ""
        var rest = Array(replacement)[...]
        while let character = rest.popFirst() {
            if character == "\\", let escaped = rest.popFirst() {
                result.append(escaped)
            } else if character == "$" {
                result += try Self.group(&rest, match, replacement)
            } else {
                result.append(character)
            }
        }
        return result
    }

    /// Reads `1` or `{name}`. As in Java, more digits belong to the number as long as there is such a group.
    private static func group(
        _ rest: inout ArraySlice<Character>, _ match: Regex<AnyRegexOutput>.Match, _ replacement: String
    ) throws(ConnectError) -> Substring {
        if rest.first == "{" {
            let name = String(rest.dropFirst().prefix { $0 != "}" })
            guard rest.count > name.count + 1, let group = match[name] else {
                throw .data("No group with name {\(name)} in the regular expression (replacement \(replacement))")
            }
            rest = rest.dropFirst(name.count + 2)
            return group.substring ?? ""
        }
        guard var number = rest.first?.wholeNumberValue, number < match.count else {
            throw .data("Illegal group reference in the replacement \(replacement)")
        }
        rest = rest.dropFirst()
        while let digit = rest.first?.wholeNumberValue, number * 10 + digit < match.count {
            number = number * 10 + digit
            rest = rest.dropFirst()
        }
        return match[number].substring ?? ""
    }
}
