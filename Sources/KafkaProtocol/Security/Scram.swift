/// SCRAM's two mechanisms, with the numbers that Kafka gives them on the wire (KIP-554).
public enum ScramMechanism: Int8, Sendable, CaseIterable {
    /// SCRAM-SHA-256 (RFC 7677).
    case sha256 = 1
    /// SCRAM-SHA-512.
    case sha512 = 2

    /// The name that client and broker agree on.
    public var name: String { self == .sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512" }
    /// The digest.
    public var digest: SHA2 { self == .sha256 ? .sha256 : .sha512 }
    /// Fewest iterations that Kafka takes for a password.
    public static let minimumIterations: Int32 = 4096
    /// Most iterations that Kafka takes.
    public static let maximumIterations: Int32 = 16384

    /// The mechanism of a name; nil if it is not SCRAM.
    public init?(name: String) {
        guard let known = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = known
    }
}

/// What a broker keeps of a password: enough to check a proof, not enough to make one (RFC 5802). Printing it shows
/// nothing.
public struct ScramCredential: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// Random bytes that the password was mixed with.
    public var salt: [UInt8]
    /// `H(ClientKey)`.
    public var storedKey: [UInt8]
    /// Proves to the client that the broker knows the credential.
    public var serverKey: [UInt8]
    /// How often the password was hashed.
    public var iterations: Int32

    /// A credential read back from where it is kept.
    public init(salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8], iterations: Int32) {
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
        self.iterations = iterations
    }

    /// The credential of a password that a client has salted (AlterUserScramCredentials).
    public init(_ mechanism: ScramMechanism, saltedPassword: [UInt8], salt: [UInt8], iterations: Int32) {
        let digest = mechanism.digest
        self.init(
            salt: salt,
            storedKey: digest.hash(digest.hmac(key: saltedPassword, Array("Client Key".utf8))),
            serverKey: digest.hmac(key: saltedPassword, Array("Server Key".utf8)), iterations: iterations)
    }

    /// The credential of a password with a new random salt.
    public init(_ mechanism: ScramMechanism, password: String, iterations: Int32 = ScramMechanism.minimumIterations) {
        let salt = ScramNonce.bytes(24)
        let salted = mechanism.digest.derive(
            password: Array(password.utf8), salt: salt, iterations: Int(iterations))
        self.init(mechanism, saltedPassword: salted, salt: salt, iterations: iterations)
    }

    /// Nothing of the secret.
    public var description: String { "[hidden]" }
    /// Nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why an exchange ended; says nothing about passwords.
public struct ScramError: Error, Sendable, CustomStringConvertible {
    /// What was wrong.
    public var description: String
    init(_ description: String) { self.description = description }
}

/// Random text without a comma.
enum ScramNonce {
    static func bytes(_ count: Int) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    static func text() -> String { Base64.encode(bytes(24)) }
}

/// The `x=value` fields of a SCRAM message.
struct ScramFields {
    private var fields: [(name: Character, value: Substring)] = []

    init(_ text: Substring) throws(ScramError) {
        guard text.utf8.count <= 4096 else { throw ScramError("a message of \(text.utf8.count) bytes") }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let name = part.first, part.dropFirst().first == "=" else {
                throw ScramError("a message that is not SCRAM's")
            }
            fields.append((name, part.dropFirst(2)))
        }
    }

    /// The value of the field at a position, which must have this name.
    func value(_ position: Int, _ name: Character) throws(ScramError) -> Substring {
        guard position < fields.count, fields[position].name == name else {
            throw ScramError("a message without its field \(name)=")
        }
        return fields[position].value
    }

    var last: (name: Character, value: Substring)? { fields.last }
}

/// The broker's side of an exchange: two messages in, two out.
public struct ScramServer: Sendable {
    private enum State: Sendable {
        case start
        case challenged(credential: ScramCredential, nonce: String, messages: String, channel: String)
        case done
    }

    private let mechanism: ScramMechanism
    private let serverNonce: String
    private var state = State.start
    /// Who says to be there; proven when `isDone`.
    public private(set) var user = ""

    /// An exchange that begins.
    public init(_ mechanism: ScramMechanism) {
        self.init(mechanism, nonce: ScramNonce.text())
    }

    init(_ mechanism: ScramMechanism, nonce: String) {
        self.mechanism = mechanism
        serverNonce = nonce
    }

    /// Whether the client has proven that it knows the password.
    public var isDone: Bool {
        if case .done = state { true } else { false }
    }

    /// Takes a message of the client and gives the answer.
    /// - Parameter credential: looks up a user's credential; nil if there is no such user.
    public mutating func answer(
        _ message: [UInt8], credential: (String) -> ScramCredential?
    ) throws(ScramError) -> [UInt8] {
        guard let text = String(validating: message, as: UTF8.self) else {
            throw ScramError("a message that is no text")
        }
        switch state {
        case .start: return try challenge(text[...], credential)
        case .challenged(let credential, let nonce, let messages, let channel):
            return try finish(text[...], credential, nonce, messages, channel)
        case .done: throw ScramError("a message after the last one")
        }
    }

    /// `n,[a=authorization id],n=user,r=nonce`
    private mutating func challenge(
        _ text: Substring, _ lookUp: (String) -> ScramCredential?
    ) throws(ScramError) -> [UInt8] {
        let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "n" || parts[0] == "y" else {
            throw ScramError("a first message without header")
        }
        let fields = try ScramFields(parts[2])
        user = try Self.unescaped(fields.value(0, "n"))
        if !parts[1].isEmpty {
            guard parts[1].hasPrefix("a="), try Self.unescaped(parts[1].dropFirst(2)) == user else {
                throw ScramError("an authorization id that is not the user's name")
            }
        }
        let clientNonce = try fields.value(1, "r")
        guard !clientNonce.isEmpty, let credential = lookUp(user) else { throw ScramError("invalid credentials") }
        let nonce = clientNonce + serverNonce
        let answer = "r=\(nonce),s=\(Base64.encode(credential.salt)),i=\(credential.iterations)"
        state = .challenged(
            credential: credential, nonce: String(nonce), messages: "\(parts[2]),\(answer)",
            channel: "\(parts[0]),\(parts[1]),")
        return Array(answer.utf8)
    }

    /// `c=header,r=nonce,p=proof`
    private mutating func finish(
        _ text: Substring, _ credential: ScramCredential, _ nonce: String, _ messages: String, _ channel: String
    ) throws(ScramError) -> [UInt8] {
        let fields = try ScramFields(text)
        guard Base64.decode(try fields.value(0, "c")) == Array(channel.utf8), try fields.value(1, "r") == nonce,
            let last = fields.last, last.name == "p", let proof = Base64.decode(last.value),
            proof.count == mechanism.digest.digestBytes
        else { throw ScramError("a last message that does not fit the first") }
        let digest = mechanism.digest
        let signed = Array("\(messages),\(text.dropLast(last.value.count + 3))".utf8)
        let signature = digest.hmac(key: credential.storedKey, signed)
        let storedKey = digest.hash(zip(proof, signature).map { $0 ^ $1 })
        // Every byte is looked at, so that the time tells nothing.
        guard zip(storedKey, credential.storedKey).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0 else {
            throw ScramError("invalid credentials")
        }
        state = .done
        return Array("v=\(Base64.encode(digest.hmac(key: credential.serverKey, signed)))".utf8)
    }

    private static func unescaped(_ name: Substring) throws(ScramError) -> String {
        var result = ""
        var rest = name
        while let character = rest.popFirst() {
            guard character == "=" else {
                result.append(character)
                continue
            }
            switch rest.prefix(2) {
            case "2C": result.append(",")
            case "3D": result.append("=")
            default: throw ScramError("a user name with a bare =")
            }
            rest = rest.dropFirst(2)
        }
        return result
    }
}

/// The client's side of an exchange.
public struct ScramClient: Sendable {
    private let mechanism: ScramMechanism
    private let password: [UInt8]
    private let nonce: String
    private let bare: String
    private var serverSignature: [UInt8]?

    /// An exchange for a user with a password.
    public init(_ mechanism: ScramMechanism, user: String, password: String) {
        self.init(mechanism, user: user, password: password, nonce: ScramNonce.text())
    }

    init(_ mechanism: ScramMechanism, user: String, password: String, nonce: String) {
        self.mechanism = mechanism
        self.password = Array(password.utf8)
        self.nonce = nonce
        var escaped = ""
        for character in user {
            escaped += character == "=" ? "=3D" : character == "," ? "=2C" : String(character)
        }
        bare = "n=\(escaped),r=\(nonce)"
    }

    /// The first message.
    public var first: [UInt8] { Array("n,,\(bare)".utf8) }

    /// The last message, from the broker's challenge.
    public mutating func final(_ challenge: [UInt8]) throws(ScramError) -> [UInt8] {
        let text = String(decoding: challenge, as: UTF8.self)
        let fields = try ScramFields(text[...])
        let both = try fields.value(0, "r")
        guard both.hasPrefix(nonce), both.count > nonce.count, let salt = Base64.decode(try fields.value(1, "s")),
            let iterations = Int32(try fields.value(2, "i")),
            (ScramMechanism.minimumIterations...1_000_000).contains(iterations)
        else { throw ScramError("the broker's challenge cannot be answered") }
        let digest = mechanism.digest
        let salted = digest.derive(password: password, salt: salt, iterations: Int(iterations))
        let clientKey = digest.hmac(key: salted, Array("Client Key".utf8))
        let unproven = "c=biws,r=\(both)"
        let signed = Array("\(bare),\(text),\(unproven)".utf8)
        let signature = digest.hmac(key: digest.hash(clientKey), signed)
        serverSignature = digest.hmac(key: digest.hmac(key: salted, Array("Server Key".utf8)), signed)
        return Array("\(unproven),p=\(Base64.encode(zip(clientKey, signature).map { $0 ^ $1 }))".utf8)
    }

    /// Checks that the broker knows the credential too.
    public func verify(_ last: [UInt8]) throws(ScramError) {
        let fields = try ScramFields(String(decoding: last, as: UTF8.self)[...])
        guard let serverSignature, Base64.decode(try fields.value(0, "v")) == serverSignature else {
            throw ScramError("the broker has not proven that it knows the password")
        }
    }
}
