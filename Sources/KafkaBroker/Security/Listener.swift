import KafkaProtocol
public import TransportSecurity

/// How a listener talks: Kafka's four names.
public enum SecurityProtocol: String, Sendable, CaseIterable {
    /// Neither encrypted nor authenticated.
    case plaintext = "PLAINTEXT"
    /// Encrypted; the client may have to show a certificate.
    case ssl = "SSL"
    /// Authenticated by SASL, not encrypted.
    case saslPlaintext = "SASL_PLAINTEXT"
    /// Authenticated by SASL, encrypted.
    case saslSSL = "SASL_SSL"

    /// Whether clients must authenticate with SASL.
    public var usesSASL: Bool { self == .saslPlaintext || self == .saslSSL }
    /// Whether connections are encrypted.
    public var usesTLS: Bool { self == .ssl || self == .saslSSL }
}

/// One address that the broker listens on, and what it asks of those who come there.
public struct Listener: Sendable, Equatable {
    /// Its name, `PLAINTEXT` unless `listeners` says otherwise.
    public var name = "PLAINTEXT"
    /// How it talks.
    public var securityProtocol = SecurityProtocol.plaintext
    /// Address to listen on.
    public var host = "127.0.0.1"
    /// Port to listen on; 0 takes any free one.
    public var port = 9092
    /// Host that clients are told to use; nil: `host`, or for a wildcard address the one the client came by.
    public var advertisedHost: String?
    /// Port that clients are told to use; nil: the one listened on.
    public var advertisedPort: Int?
    /// `sasl.enabled.mechanisms`, without those that are not known.
    public var mechanisms: [String] = []
    /// `connections.max.reauth.ms` of each mechanism: milliseconds that a client is known for; 0 for ever.
    public var maxReauth: [String: Int64] = [:]
    /// The users of the mechanism PLAIN and their passwords.
    public var plainUsers = PlainUsers()
    /// What tokens of OAUTHBEARER must be.
    public var tokenRules = TokenVerifier.Rules()
    /// Keys and rules of TLS, if the protocol uses it.
    public var tls: TLSSettings?
    /// `ssl.principal.mapping.rules`.
    var principalRules = PrincipalRules()

    /// A plaintext listener on 127.0.0.1:9092.
    public init() {}
}

/// Names and passwords for the mechanism PLAIN. Printing it shows no password.
public struct PlainUsers: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    private var passwords: [String: String] = [:]

    /// No users.
    public init() {}

    /// Reads Kafka's form: `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";`
    ///
    /// - Parameter setting: the name of the setting, for the error, which shows nothing of its value.
    public init(jaas: String, setting: String) throws(BrokerError) {
        for (name, value) in try JAAS.options(jaas, setting: setting) where name.hasPrefix("user_") {
            passwords[String(name.dropFirst(5))] = value
        }
    }

    /// Whether there is no user.
    public var isEmpty: Bool { passwords.isEmpty }

    /// Whether this is the user's password. Takes as long for a wrong one as for the right one of that length.
    func accepts(user: String, password: String) -> Bool {
        guard let known = passwords[user].map({ Array($0.utf8) }) else { return false }
        let given = Array(password.utf8)
        guard known.count == given.count else { return false }
        return zip(known, given).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// How many there are.
    public var description: String { "\(passwords.count) users" }
    /// Nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The options of a login module as Java writes them.
enum JAAS {
    /// `module flag name="value" name=value;`
    static func options(_ text: String, setting: String) throws(BrokerError) -> [(name: String, value: String)] {
        let fault = BrokerError(
            .configuration,
            "\(setting) is not of the form: module required name=\"value\" …; (with the semicolon at its end)")
        var rest = ConfigKey.trimmed(text)[...]
        guard rest.popLast() == ";" else { throw fault }
        var words: [String] = []
        var word = ""
        var isQuoted = false
        while let character = rest.popFirst() {
            if character == "\"" {
                isQuoted.toggle()
            } else if isQuoted, character == "\\", let escaped = rest.popFirst() {
                word.append(escaped)
            } else if !isQuoted, character == " " || character == "\t" || character == "\n" {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        guard !isQuoted else { throw fault }
        if !word.isEmpty { words.append(word) }
        guard words.count >= 2 else { throw fault }
        var options: [(name: String, value: String)] = []
        for word in words.dropFirst(2) {
            guard let equals = word.firstIndex(of: "=") else { throw fault }
            options.append((String(word[..<equals]), String(word[word.index(after: equals)...])))
        }
        return options
    }
}
