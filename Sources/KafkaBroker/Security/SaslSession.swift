import KafkaProtocol
import TransportSecurity

/// How far a connection has come with proving who it is. A pure state machine: handshake, then one message after the
/// other until the mechanism is satisfied.
struct SaslSession {
    /// The answer to a message of the client.
    enum Step {
        /// Send these bytes; the client is authenticated when `isAuthenticated` says so.
        case answer([UInt8])
        /// Refuse with this error, after the pause of a failed attempt, and close.
        case refuse(ErrorCode, String)
    }

    private enum State {
        case open
        case required
        case plain
        case scram(ScramServer, String)
        case token
        /// The client knows that its token is refused, and must say so (RFC 7628).
        case tokenRefused
        case authenticated(user: String)
        case failed
    }

    private var state: State
    private let listener: Listener

    init(_ listener: Listener) {
        self.listener = listener
        state = listener.securityProtocol.usesSASL ? .required : .open
    }

    /// Whether requests other than those of the authentication are served.
    var isAuthenticated: Bool {
        switch state {
        case .open, .authenticated: true
        case .required, .plain, .scram, .token, .tokenRefused, .failed: false
        }
    }

    /// Who has logged in.
    var user: String? {
        if case .authenticated(let user) = state { user } else { nil }
    }

    /// Whether a request may be served now. Before the end of the authentication only what belongs to it is.
    func allows(_ key: APIKey) -> Bool {
        switch state {
        case .open, .authenticated: true
        case .required: key == .apiVersions || key == .saslHandshake
        case .plain, .scram, .token, .tokenRefused: key == .saslAuthenticate
        case .failed: false
        }
    }

    /// The client chooses a mechanism; nil if it may go on with it.
    mutating func handshake(_ mechanism: String) -> ErrorCode? {
        guard case .required = state else { return .illegalSaslState }
        guard listener.mechanisms.contains(mechanism) else { return .unsupportedSaslMechanism }
        if let scram = ScramMechanism(name: mechanism) {
            state = .scram(ScramServer(scram), mechanism)
        } else if mechanism == "OAUTHBEARER" {
            state = .token
        } else {
            state = .plain
        }
        return nil
    }

    /// A message of the mechanism.
    mutating func authenticate(
        _ message: [UInt8], tokens: TokenVerifier? = nil, now: Double = 0,
        credential: (String, ScramMechanism) -> ScramCredential?
    ) -> Step {
        switch state {
        case .plain: return authenticatePlain(message)
        case .token: return authenticateToken(message, tokens, now)
        case .tokenRefused: return refuse("OAUTHBEARER")
        case .scram(var server, let name):
            do throws(ScramError) {
                let mechanism = ScramMechanism(name: name)
                let answer = try server.answer(message) { user in mechanism.flatMap { credential(user, $0) } }
                state = server.isDone ? .authenticated(user: server.user) : .scram(server, name)
                return .answer(answer)
            } catch {
                return refuse(name)
            }
        case .open, .required, .authenticated, .failed:
            return .refuse(.illegalSaslState, "SaslAuthenticate without a SaslHandshake before it")
        }
    }

    /// `[authorization id] NUL user NUL password` (RFC 4616).
    private mutating func authenticatePlain(_ message: [UInt8]) -> Step {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self), parts[0].isEmpty || parts[0] == parts[1],
            listener.plainUsers.accepts(user: user, password: password)
        else { return refuse("PLAIN") }
        state = .authenticated(user: user)
        return .answer([])
    }

    /// `n,a=authorization id,` `auth=Bearer TOKEN`, each ended by ^A, and a ^A (RFC 7628). A token that is not accepted is
    /// answered with a JSON text, which the client acknowledges before it is refused.
    private mutating func authenticateToken(_ message: [UInt8], _ tokens: TokenVerifier?, _ now: Double) -> Step {
        let parts = message.split(separator: 1, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let tokens, let first = parts.first, first.hasPrefix("n,"),
            let bearer = parts.dropFirst().first(where: { $0.lowercased().hasPrefix("auth=bearer ") })
        else { return refuse("OAUTHBEARER") }
        let authorization = first.split(separator: ",").first { $0.hasPrefix("a=") }.map { String($0.dropFirst(2)) }
        do throws(TokenVerifier.Refusal) {
            let claims = try tokens.verify(String(bearer.dropFirst(12)), now: now)
            guard authorization == nil || authorization == claims.subject else { return refuse("OAUTHBEARER") }
            state = .authenticated(user: claims.subject)
            return .answer([])
        } catch {
            state = .tokenRefused
            return .answer(Array("{\"status\":\"invalid_token\"}".utf8))
        }
    }

    /// The same words for a wrong name and a wrong password.
    private mutating func refuse(_ mechanism: String) -> Step {
        state = .failed
        return .refuse(
            .saslAuthenticationFailed,
            "Authentication failed: invalid credentials with SASL mechanism \(mechanism)")
    }
}
