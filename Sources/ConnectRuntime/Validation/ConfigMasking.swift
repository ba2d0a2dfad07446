import ConnectAPI
import OrderedCollections

/// Keeps secrets out of REST answers (an extension over Kafka Connect, which shows them): values of PASSWORD options
/// and passwords inside URLs become `[hidden]`. A configuration that comes back with `[hidden]` in it keeps the
/// stored secret, so that what `GET` shows can be edited and `PUT`.
struct ConfigMasking: Sendable {
    /// Secrets shorter than this are not searched for in texts: they would blot out half of every message.
    static let minimumSearchedLength = 6

    private let passwordNames: Set<String>

    /// - Parameter passwordNames: the PASSWORD options of the connector's plugin. Options whose names say that they
    ///   are secret count too, so that a configuration of an unknown plugin is safe.
    init(passwordNames: some Sequence<String> = []) {
        self.passwordNames = Set(passwordNames)
    }

    /// The configuration with its secrets hidden.
    func masked(_ config: OrderedDictionary<String, String>) -> OrderedDictionary<String, String> {
        var result = config
        for (name, value) in config {
            result[name] = isSecret(name) ? hidden(value) : URLSecrets.masked(value)
        }
        return result
    }

    /// A text in which the configuration's secrets, and passwords in URLs, are hidden.
    func masked(text: String, secretsOf config: OrderedDictionary<String, String>) -> String {
        var result = URLSecrets.masked(text)
        for secret in secrets(of: config) { result = result.replacingAll(secret, with: Secret.hidden) }
        return result
    }

    /// Puts the stored secrets where the configuration says `[hidden]`.
    /// - Returns: the names of options for which there is no stored secret, beside the configuration.
    func restored(
        _ config: OrderedDictionary<String, String>, from stored: OrderedDictionary<String, String>
    ) -> (config: OrderedDictionary<String, String>, missing: [String]) {
        var result = config
        var missing: [String] = []
        for (name, value) in config where value.contains(Secret.hidden) {
            if value == Secret.hidden, isSecret(name) {
                if let secret = stored[name] { result[name] = secret } else { missing.append(name) }
            } else if !isSecret(name), URLSecrets.ranges(in: value).contains(where: { value[$0] == Secret.hidden }) {
                let restored = stored[name].flatMap { URLSecrets.restored(value, from: $0) }
                if let restored { result[name] = restored } else { missing.append(name) }
            }
        }
        return (result, missing)
    }

    private func isSecret(_ name: String) -> Bool {
        if passwordNames.contains(name) { return true }
        let name = name.lowercased()
        return ["password", "passphrase", "secret", "jaas.config", "token", "private.key"].contains {
            name.hasSuffix($0)
        }
    }

    /// A reference to a config provider is no secret, and worth seeing.
    private func hidden(_ value: String) -> String {
        value.isEmpty || (value.hasPrefix("${") && value.hasSuffix("}")) ? value : Secret.hidden
    }

    /// What must not be seen in a text: longest first, so that one secret inside another leaves nothing behind.
    private func secrets(of config: OrderedDictionary<String, String>) -> [String] {
        var found: Set<String> = []
        var open: Set<String> = []
        for (name, value) in config {
            if isSecret(name) {
                if hidden(value) == Secret.hidden { found.insert(value) }
            } else {
                open.insert(value)
                for range in URLSecrets.ranges(in: value) { found.insert(String(value[range])) }
            }
        }
        return found.subtracting(open).filter { $0.count >= Self.minimumSearchedLength }.sorted { $0.count > $1.count }
    }
}

/// Passwords in URLs: `scheme://user:password@host` and parameters such as `?password=…`.
enum URLSecrets {
    private static let parameters = ["password", "passwd", "pwd", "passphrase", "secret", "token"]

    static func masked(_ text: String) -> String {
        var result = text
        for range in ranges(in: text).reversed() { result.replaceSubrange(range, with: Secret.hidden) }
        return result
    }

    /// The new text with the secrets of the stored one; nil if they do not correspond.
    static func restored(_ text: String, from stored: String) -> String? {
        let places = ranges(in: text)
        let secrets = ranges(in: stored).map { String(stored[$0]) }
        guard places.count == secrets.count else { return nil }
        var result = text
        for (range, secret) in zip(places, secrets).reversed() where text[range] == Secret.hidden {
            result.replaceSubrange(range, with: secret)
        }
        return result
    }

    /// Where the passwords are, in order.
    static func ranges(in text: String) -> [Range<String.Index>] {
        guard text.contains("://") || text.hasPrefix("jdbc:") else { return [] }
        var found = userPasswords(in: text)
        for name in parameters { found += parameterValues(name, in: text) }
        return found.sorted { $0.lowerBound < $1.lowerBound }
    }

    private static func userPasswords(in text: String) -> [Range<String.Index>] {
        var found: [Range<String.Index>] = []
        var rest = text[...]
        while let start = rest.firstRange(of: "://") {
            let authority = rest[start.upperBound...].prefix { !"/?# \n\t\"'".contains($0) }
            if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
                let password = authority.index(after: colon)..<at
                if !password.isEmpty { found.append(password) }
            }
            rest = rest[authority.endIndex...]
        }
        return found
    }

    private static func parameterValues(_ name: String, in text: String) -> [Range<String.Index>] {
        var found: [Range<String.Index>] = []
        var index = text.startIndex
        while let start = text[index...].firstIndex(where: { "?&;".contains($0) }) {
            index = text.index(after: start)
            let parameter = text[index...].prefix { !"&; \n\t\"'".contains($0) }
            guard let equals = parameter.firstIndex(of: "=") else { continue }
            let key = parameter[..<equals].lowercased()
            let value = parameter.index(after: equals)..<parameter.endIndex
            if !value.isEmpty, key.hasSuffix(name), !(name == "password" && key.hasPrefix("use")) {
                found.append(value)
            }
        }
        return found
    }
}
