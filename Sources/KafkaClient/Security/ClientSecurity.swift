internal import KafkaProtocol
public import TransportSecurity

/// How connections are protected and prove who the client is: `security.protocol`, `sasl.*` and `ssl.*`. Printing it
/// shows no password.
public struct ClientSecurity: Sendable, CustomStringConvertible, CustomReflectable {
    enum Mechanism: Sendable, Equatable {
        case plain
        case scram(ScramMechanism)
        case token

        var name: String {
            switch self {
            case .plain: "PLAIN"
            case .token: "OAUTHBEARER"
            case .scram(let mechanism): mechanism.name
            }
        }
    }

    struct User: Sendable {
        var mechanism: Mechanism
        var name: String
        var password: String
        var token: TokenProvider?
    }

    /// Gives a token (a JWT, as a rule) for a new connection; asked again for each one.
    public typealias TokenProvider = @Sendable () async throws -> String

    /// Who logs in; nil on a listener that does not ask.
    private(set) var user: User?
    /// How connections are enciphered; nil: they are not.
    public var tls: TLSSettings?

    /// No authentication.
    public init() {}

    /// OAUTHBEARER with tokens from a closure, for instance one that asks the issuer when the last token is about to end.
    public mutating func useTokens(_ provider: @escaping TokenProvider) {
        user = User(mechanism: .token, name: "OAUTHBEARER", password: "", token: provider)
    }

    /// Kafka's properties: `security.protocol` PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; `sasl.mechanism` PLAIN,
    /// SCRAM-SHA-256 or SCRAM-SHA-512, and the user in `sasl.jaas.config`, or in librdkafka's `sasl.username` and
    /// `sasl.password`; for TLS what ``TLSSettings`` reads.
    init(reader: inout PropertyReader) throws(KafkaError) {
        let name = reader.string("security.protocol")?.uppercased() ?? "PLAINTEXT"
        let settings: TLSSettings
        do throws(TLSError) {
            settings = try TLSSettings { reader.string($0) }
        } catch {
            throw KafkaError(.invalidConfiguration, error.message, isRetriable: false, cause: error)
        }
        if name == "SSL" || name == "SASL_SSL" { tls = settings }
        let mechanism = reader.string("sasl.mechanism") ?? reader.string("sasl.mechanisms")
        let jaas = reader.string("sasl.jaas.config")
        let (username, password) = (reader.string("sasl.username"), reader.string("sasl.password"))
        switch name {
        case "PLAINTEXT", "SSL": return
        case "SASL_PLAINTEXT", "SASL_SSL": break
        default:
            throw KafkaError(
                .invalidConfiguration,
                "security.protocol=\(name): PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL is needed")
        }
        let tokenURL = reader.string("sasl.oauthbearer.token.endpoint.url")
        if mechanism == "OAUTHBEARER" {
            let claims = jaas.map(Self.options) ?? [:]
            useTokens(try Self.provider(tokenURL, unsecuredSubject: claims["unsecuredLoginStringClaim_sub"]))
            return
        }
        let chosen: Mechanism
        if mechanism == "PLAIN" {
            chosen = .plain
        } else if let scram = mechanism.flatMap({ ScramMechanism(name: $0) }) {
            chosen = .scram(scram)
        } else {
            throw KafkaError(
                .invalidConfiguration,
                "sasl.mechanism=\(mechanism ?? ""): PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER is needed")
        }
        let options = jaas.map(Self.options) ?? [:]
        guard let user = username ?? options["username"], let secret = password ?? options["password"] else {
            throw KafkaError(
                .invalidConfiguration,
                "security.protocol=\(name) needs a user: set sasl.jaas.config to … required username=\"NAME\" "
                    + "password=\"PASSWORD\"; or set sasl.username and sasl.password")
        }
        self.user = User(mechanism: chosen, name: user, password: secret)
    }

    private static func provider(
        _ url: String?, unsecuredSubject subject: String?
    ) throws(KafkaError) -> TokenProvider {
        if let url {
            guard url.hasPrefix("file://"), url.count > 7 else {
                throw KafkaError(
                    .invalidConfiguration,
                    "sasl.oauthbearer.token.endpoint.url=\(url): only file:///path of a token is supported; in a program, "
                        + "give ClientSecurity.useTokens a closure")
            }
            let path = String(url.dropFirst(7))
            return { try BearerToken.read(path) }
        }
        guard let subject else {
            throw KafkaError(
                .invalidConfiguration,
                "OAUTHBEARER needs a token: set sasl.oauthbearer.token.endpoint.url to file:///path, or give "
                    + "ClientSecurity.useTokens a closure")
        }
        return { BearerToken.unsecured(subject: subject) }
    }

    /// The `name="value"` words of a login module's configuration.
    private static func options(_ jaas: String) -> [String: String] {
        var result: [String: String] = [:]
        var word = ""
        var isQuoted = false
        var rest = jaas[...]
        func take() {
            if let equals = word.firstIndex(of: "=") {
                result[String(word[..<equals])] = String(word[word.index(after: equals)...])
            }
            word = ""
        }
        while let character = rest.popFirst() {
            switch character {
            case "\"": isQuoted.toggle()
            case "\\" where isQuoted: word += rest.popFirst().map { String($0) } ?? ""
            case _ where !isQuoted && (character.isWhitespace || character == ";"): take()
            default: word.append(character)
            }
        }
        take()
        return result
    }

    /// The mechanism, and nothing of the user.
    public var description: String {
        (user.map { "SASL \($0.mechanism.name)" } ?? "no authentication") + (tls.map { ", \($0)" } ?? "")
    }
    /// Nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
