import ConnectAPI
import KafkaProtocol
import OrderedCollections

/// The key with which workers of a group sign requests to each other (KIP-507); it is kept in the config topic.
struct SessionKey: Sendable, Hashable {
    /// The only algorithm there is here; Kafka's default.
    static let algorithm = "HmacSHA256"

    var key: [UInt8]
    var algorithm: String
    /// Milliseconds since 1970.
    var created: Int64

    /// A key of 32 random bytes.
    static func generate(now: Int64 = WallClock.now()) -> SessionKey {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return SessionKey(key: bytes, algorithm: algorithm, created: now)
    }

    init(key: [UInt8], algorithm: String, created: Int64) {
        self.key = key
        self.algorithm = algorithm
        self.created = created
    }

    init?(json: JSONValue) {
        guard let text = json["key"]?.stringValue, let key = Base64.decode(text.utf8), !key.isEmpty,
            let algorithm = json["algorithm"]?.stringValue, let created = json["creation-timestamp"]?.integerValue
        else { return nil }
        self.init(key: key, algorithm: algorithm, created: created)
    }

    var json: JSONValue {
        .object([
            "key": .string(Base64.text(key)), "algorithm": .string(algorithm), "creation-timestamp": .integer(created),
        ])
    }

    /// Tells configurations apart without telling what is in them.
    func mark(of config: ConnectorProperties) -> String {
        var bytes: [UInt8] = []
        for (name, value) in config.sorted(by: { $0.key < $1.key }) {
            for text in [name, value] {
                bytes += text.utf8
                bytes.append(0)
            }
        }
        return Base64.text(SHA2.sha256.hmac(key: key, bytes))
    }

    /// The headers of a request with this body.
    func sign(_ body: [UInt8]) -> [(name: String, value: String)] {
        [
            (InternalSignature.authorization, Base64.text(SHA2.sha256.hmac(key: key, body))),
            (InternalSignature.algorithm, algorithm),
        ]
    }
}

/// What an internal request says of its sender (KIP-507).
public struct InternalSignature: Sendable {
    static let authorization = "X-Connect-Authorization"
    static let algorithm = "X-Connect-Request-Signature-Algorithm"

    /// Beyond KIP-507: ``SessionKey/mark(of:)`` of the connector configuration that task configurations were made for.
    static let configMark = "X-Sluice-Config-Mark"

    /// Base64 of the code; nil if the request has none.
    public var code: String?
    /// The algorithm's name; nil if the request has none.
    public var algorithm: String?
    /// The exact bytes that were signed.
    public var body: [UInt8]
    /// Which connector configuration the request was made for; nil if the sender is not one of ours.
    public var configMark: String?

    /// Makes a signature that is to be checked.
    public init(code: String?, algorithm: String?, body: [UInt8], configMark: String? = nil) {
        self.code = code
        self.algorithm = algorithm
        self.body = body
        self.configMark = configMark
    }

    /// Throws what Connect answers to a request whose signature is missing or wrong.
    func check(with key: SessionKey?) throws(HerderError) {
        guard let code, let algorithm else {
            throw HerderError(status: 400, message: "Internal request missing required signature")
        }
        guard algorithm == SessionKey.algorithm else {
            throw HerderError(
                status: 400, message: "This worker does not support the '\(algorithm)' key signing algorithm")
        }
        guard let key else {
            throw HerderError(status: 503, message: "This worker is still starting up")
        }
        guard let given = Base64.decode(code.utf8),
            SHA2.isEqual(given, SHA2.sha256.hmac(key: key.key, body))
        else { throw HerderError(status: 403, message: "Internal request contained invalid signature.") }
    }

    /// Throws if the request was made for what the connector was, not for what it is: it may have been overtaken by the
    /// request of its successor, and would undo that one's work.
    func check(isFor plan: ConnectorLifecycle.Plan, _ name: String, with key: SessionKey?) throws(HerderError) {
        guard let configMark, let key else { return }
        guard plan.target == .started, key.mark(of: plan.config) == configMark else {
            throw HerderError(
                status: 409, message: "Connector \(name) has been changed since these task configurations were made")
        }
    }
}
