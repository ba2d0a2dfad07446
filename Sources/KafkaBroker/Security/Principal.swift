import TransportSecurity

/// Who a client has proven to be, for ACLs and quotas: Kafka's `User:name`.
struct Principal: Sendable, Hashable, CustomStringConvertible {
    /// Clients of listeners that do not ask, or who show no certificate.
    static let anonymous = Principal(name: "ANONYMOUS")

    /// `User`: the only type that Kafka's own principals have.
    var type = "User"
    var name: String

    init(type: String = "User", name: String) {
        self.type = type
        self.name = name
    }

    /// Reads `User:name`; nil if it is not of that form.
    init?(parsing text: String) {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return nil }
        type = String(text[..<colon])
        name = String(text[text.index(after: colon)...])
        if name.isEmpty { return nil }
    }

    var description: String { "\(type):\(name)" }
}

extension Listener {
    /// The principal of a client on a listener without SASL, by its certificate.
    func principal(certificateSubject: String?) throws(TLSError) -> Principal {
        guard let certificateSubject else { return .anonymous }
        guard let name = principalRules.name(of: certificateSubject) else {
            throw TLSError(
                .authentication, "no rule of ssl.principal.mapping.rules applies to \(certificateSubject)")
        }
        return Principal(name: name)
    }
}

/// `ssl.principal.mapping.rules` (KIP-371): how a certificate's distinguished name becomes a user's name.
/// `RULE:pattern/replacement/[LU]`, separated by commas, and `DEFAULT` for the whole name. The first that fits counts.
struct PrincipalRules: Sendable, Equatable {
    private struct Rule: Sendable, Equatable {
        var pattern: String
        var replacement: String
        /// L, U or nothing.
        var letterCase: Character?
    }

    /// nil stands for DEFAULT.
    private var rules: [Rule?] = [nil]

    /// DEFAULT.
    init() {}

    /// - Throws: a configuration error that names the rule.
    init(_ text: String) throws(BrokerError) {
        rules = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0 == " " || $0 == "," || $0 == "\n" || $0 == "\t" }
            guard !rest.isEmpty else { break }
            let rule = try Self.next(&rest)
            rules.append(rule)
        }
        if rules.isEmpty { rules = [nil] }
    }

    private static func next(_ rest: inout Substring) throws(BrokerError) -> Rule? {
        let given = rest
        let fault = BrokerError(
            .configuration,
            "ssl.principal.mapping.rules: \(given) is neither DEFAULT nor of the form RULE:pattern/replacement/[LU].")
        if rest.hasPrefix("DEFAULT") {
            rest = rest.dropFirst(7)
            return nil
        }
        guard rest.hasPrefix("RULE:") else { throw fault }
        rest = rest.dropFirst(5)
        guard let pattern = part(&rest), let replacement = part(&rest), (try? Regex(pattern)) != nil else {
            throw fault
        }
        var letterCase: Character?
        if let first = rest.first, first == "L" || first == "U" {
            letterCase = first
            rest = rest.dropFirst()
        }
        guard rest.first.map({ " ,\n\t".contains($0) }) ?? true else { throw fault }
        return Rule(pattern: pattern, replacement: replacement, letterCase: letterCase)
    }

    /// What comes before a slash that no backslash escapes.
    private static func part(_ rest: inout Substring) -> String? {
        var result = ""
        while let character = rest.popFirst() {
            if character == "/" { return result }
            result.append(character)
            if character == "\\", let next = rest.popFirst() { result.append(next) }
        }
        return nil
    }

    /// The user's name; nil if no rule fits.
    func name(of distinguishedName: String) -> String? {
        for rule in rules {
            guard let rule else { return distinguishedName }
            guard let match = try? Regex(rule.pattern).wholeMatch(in: distinguishedName) else { continue }
            let name = Self.fill(rule.replacement, match.output.map { $0.substring.map { String($0) } ?? "" })
            switch rule.letterCase {
            case "L": return name.lowercased()
            case "U": return name.uppercased()
            default: return name
            }
        }
        return nil
    }

    /// Puts the groups in place of `$1`, `$2` ….
    private static func fill(_ replacement: String, _ groups: [String]) -> String {
        var result = ""
        var rest = replacement[...]
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.popFirst() {
                result.append(next)
            } else if character == "$", let digit = rest.first?.wholeNumberValue, groups.indices.contains(digit) {
                rest = rest.dropFirst()
                result += groups[digit]
            } else {
                result.append(character)
            }
        }
        return result
    }
}
