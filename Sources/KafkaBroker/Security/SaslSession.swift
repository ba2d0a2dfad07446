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
        /// The next message is refused with these words.
        case refused(String)
        case failed
    }

    /// What a client has proven before, and must prove again (KIP-368).
    private struct Identity {
        var user: String
        var mechanism: String
    }

    /// Clients authenticate anew no more often than this, in milliseconds.
    private static let leastInterval: Int64 = 1000

    private var state: State
    private let listener: Listener
    private var mechanism = ""
    private var identity: Identity?
    /// When the client must have authenticated anew, on the clock that `now` counts by.
    private var expiry: Int64?
    private var lastBegin: Int64?
    /// Milliseconds that the client is known for since it authenticated last; 0: for ever.
    private(set) var lifetime: Int64 = 0

    init(_ listener: Listener) {
        self.listener = listener
        state = listener.securityProtocol.usesSASL ? .required : .open
    }

    /// Whether requests other than those of the authentication are served.
    var isAuthenticated: Bool {
        switch state {
        case .open, .authenticated: true
        case .required, .plain, .scram, .token, .tokenRefused, .refused, .failed: false
        }
    }

    /// Who has logged in.
    var user: String? {
        if case .authenticated(let user) = state { user } else { nil }
    }

    /// Whether a request may be served now. Before the end of the authentication only what belongs to it is; after the end
    /// of a session, a new authentication.
    ///
    /// - Parameter now: milliseconds.
    func allows(_ key: APIKey, now: @autoclosure () -> Int64 = 0) -> Bool {
        switch state {
        case .open: true
        case .authenticated: expiry.map { now() < $0 } ?? true || key == .saslHandshake
        case .required: key == .apiVersions || key == .saslHandshake
        case .plain, .scram, .token, .tokenRefused, .refused: key == .saslAuthenticate
        case .failed: false
        }
    }

    /// The client chooses a mechanism; nil if it may go on with it.
    ///
    /// Who has authenticated may do it again if its session has an end, by the same mechanism and once a second at most.
    mutating func handshake(_ mechanism: String, now: Int64 = 0) -> ErrorCode? {
        switch state {
        case .required: break
        case .authenticated where expiry != nil:
            if let lastBegin, now - lastBegin < Self.leastInterval { return .illegalSaslState }
            lastBegin = now
        default: return .illegalSaslState
        }
        guard listener.mechanisms.contains(mechanism) else { return .unsupportedSaslMechanism }
        if let identity, identity.mechanism != mechanism {
            state = .refused(
                "SASL mechanism '\(mechanism)' requested by client is not supported for re-authentication of mechanism "
                    + "'\(identity.mechanism)'")
            return nil
        }
        self.mechanism = mechanism
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
    ///
    /// - Parameters:
    ///   - wallClock: seconds since 1970, for the times in tokens.
    ///   - now: milliseconds, for the end of the session.
    mutating func authenticate(
        _ message: [UInt8], tokens: TokenVerifier? = nil, wallClock: Double = 0, now: Int64 = 0,
        credential: (String, ScramMechanism) -> ScramCredential?
    ) -> Step {
        switch state {
        case .plain: return authenticatePlain(message, now)
        case .token: return authenticateToken(message, tokens, wallClock, now)
        case .tokenRefused: return refuse("OAUTHBEARER")
        case .refused(let words):
            state = .failed
            return .refuse(.saslAuthenticationFailed, words)
        case .scram(var server, let name):
            do throws(ScramError) {
                let mechanism = ScramMechanism(name: name)
                let answer = try server.answer(message) { user in mechanism.flatMap { credential(user, $0) } }
                guard server.isDone else {
                    state = .scram(server, name)
                    return .answer(answer)
                }
                return accept(server.user, answer, now)
            } catch {
                return refuse(name)
            }
        case .open, .required, .authenticated, .failed:
            return .refuse(.illegalSaslState, "SaslAuthenticate without a SaslHandshake before it")
        }
    }

    /// `[authorization id] NUL user NUL password` (RFC 4616).
    private mutating func authenticatePlain(_ message: [UInt8], _ now: Int64) -> Step {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = String(validating: parts[1], as: UTF8.self),
            let password = String(validating: parts[2], as: UTF8.self), parts[0].isEmpty || parts[0] == parts[1],
            listener.plainUsers.accepts(user: user, password: password)
        else { return refuse("PLAIN") }
        return accept(user, [], now)
    }

    /// `n,a=authorization id,` `auth=Bearer TOKEN`, each ended by ^A, and a ^A (RFC 7628). A token that is not accepted is
    /// answered with a JSON text, which the client acknowledges before it is refused.
    private mutating func authenticateToken(
        _ message: [UInt8], _ tokens: TokenVerifier?, _ wallClock: Double, _ now: Int64
    ) -> Step {
        let parts = message.split(separator: 1, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let tokens, let first = parts.first, first.hasPrefix("n,"),
            let bearer = parts.dropFirst().first(where: { $0.lowercased().hasPrefix("auth=bearer ") })
        else { return refuse("OAUTHBEARER") }
        let authorization = first.split(separator: ",").first { $0.hasPrefix("a=") }.map { String($0.dropFirst(2)) }
        do throws(TokenVerifier.Refusal) {
            let claims = try tokens.verify(String(bearer.dropFirst(12)), now: wallClock)
            guard authorization == nil || authorization == claims.subject else { return refuse("OAUTHBEARER") }
            let rest = max(0, (claims.expiry - wallClock) * 1000)
            return accept(claims.subject, [], now, credentialLifetime: Int64(min(rest, Double(Int32.max))))
        } catch {
            state = .tokenRefused
            return .answer(Array("{\"status\":\"invalid_token\"}".utf8))
        }
    }

    /// The client is who it says, and when it was known before, who it was.
    ///
    /// - Parameter credentialLifetime: the milliseconds that a token is good for. As in Kafka the session ends with it, or
    ///   after `connections.max.reauth.ms` if that is sooner.
    private mutating func accept(
        _ user: String, _ answer: [UInt8], _ now: Int64, credentialLifetime: Int64? = nil
    ) -> Step {
        if let identity, identity.user != user {
            state = .failed
            return .refuse(
                .saslAuthenticationFailed,
                "Cannot change principals during re-authentication from User:\(identity.user) to User:\(user)")
        }
        let longest = listener.maxReauth[mechanism].flatMap { $0 > 0 ? $0 : nil }
        let session = [credentialLifetime, longest].compactMap { $0 }.min()
        lifetime = session ?? 0
        expiry = session.map { now + min($0, Int64.max - now) }
        identity = Identity(user: user, mechanism: mechanism)
        state = .authenticated(user: user)
        return .answer(answer)
    }

    /// The same words for a wrong name and a wrong password.
    private mutating func refuse(_ mechanism: String) -> Step {
        state = .failed
        return .refuse(
            .saslAuthenticationFailed,
            "Authentication failed: invalid credentials with SASL mechanism \(mechanism)")
    }
}
