internal import COpenSSL
internal import NIOConcurrencyHelpers

/// Checks signed tokens (JWT, RFC 7519) by the keys of a file (JWKS, RFC 7517): RS256 and ES256.
public final class TokenVerifier: Sendable {
    /// What a token must be.
    public struct Rules: Sendable, Hashable {
        /// The file with the issuer's public keys; read again when a token names a key that is not in it.
        public var keyFile: String?
        /// Whether tokens without a signature are taken. Whoever can connect can then be anybody.
        public var allowsUnsecured = false
        /// The issuer that tokens must name; nil: any.
        public var issuer: String?
        /// The audiences of which tokens must name one; none: any.
        public var audiences: [String] = []
        /// Seconds by which the clocks may differ.
        public var clockSkew: Double = 30
        /// The claim that names the user.
        public var subjectClaim = "sub"

        /// No keys: nothing is accepted.
        public init() {}
    }

    /// What a token says.
    public struct Claims: Sendable, Hashable {
        /// The user.
        public var subject: String
        /// When the token ends, in seconds since 1970.
        public var expiry: Double
    }

    /// Why a token is not accepted; nothing of the token is in it.
    public struct Refusal: Error, Sendable, CustomStringConvertible {
        /// The reason.
        public let description: String
    }

    private struct Key {
        var id: String?
        var algorithm: String
        /// The public key as a SubjectPublicKeyInfo (RFC 5280).
        var encoded: [UInt8]
    }

    private struct Keys {
        var all: [Key] = []
        var readAt: Double = 0
    }

    /// Longer texts are no tokens.
    private static let longestToken = 16 * 1024
    /// Seconds between two looks at the file because of a key that is not known.
    private static let leastAge: Double = 1

    private let rules: Rules
    private let openSSL: OpenSSL
    private let keys = NIOLockedValueBox(Keys())

    /// Loads OpenSSL and reads the file of keys.
    ///
    /// - Throws: a configuration error that names the file.
    public init(_ rules: Rules) throws(TLSError) {
        self.rules = rules
        openSSL = try OpenSSL.load()
        if let keyFile = rules.keyFile {
            let read = try Self.read(keyFile, openSSL)
            keys.withLockedValue { $0.all = read }
        }
    }

    /// - Parameter now: seconds since 1970.
    public func verify(_ token: String, now: Double) throws(Refusal) -> Claims {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard token.utf8.count <= Self.longestToken, parts.count == 3,
            let header = Base64URL.decode(parts[0], openSSL).flatMap({ TokenJSON(parsing: $0) }),
            let claims = Base64URL.decode(parts[1], openSSL).flatMap({ TokenJSON(parsing: $0) }),
            let signature = Base64URL.decode(parts[2], openSSL), let algorithm = header["alg"]?.text
        else { throw Refusal(description: "the token is not a JWT") }
        guard header["crit"] == nil else { throw Refusal(description: "the token asks for an extension") }
        if algorithm == "none" {
            guard rules.allowsUnsecured, signature.isEmpty else {
                throw Refusal(description: "the token is not signed")
            }
        } else {
            try check(signature, of: Array("\(parts[0]).\(parts[1])".utf8), algorithm, header["kid"]?.text, now)
        }
        return try check(claims, now)
    }

    private func check(_ claims: TokenJSON, _ now: Double) throws(Refusal) -> Claims {
        guard let expiry = claims["exp"]?.number else { throw Refusal(description: "the token has no exp") }
        guard now - rules.clockSkew < expiry else { throw Refusal(description: "the token has expired") }
        if let start = claims["nbf"]?.number, now + rules.clockSkew < start {
            throw Refusal(description: "the token is not valid yet")
        }
        if let issuer = rules.issuer, claims["iss"]?.text != issuer {
            throw Refusal(description: "the token is of another issuer")
        }
        let audiences = claims["aud"].map { $0.items?.compactMap(\.text) ?? [$0.text].compactMap { $0 } } ?? []
        guard rules.audiences.isEmpty || !Set(rules.audiences).isDisjoint(with: audiences) else {
            throw Refusal(description: "the token is for another audience")
        }
        guard let subject = claims[rules.subjectClaim]?.text, !subject.isEmpty else {
            throw Refusal(description: "the token has no \(rules.subjectClaim)")
        }
        return Claims(subject: subject, expiry: expiry)
    }

    // MARK: Signatures

    private func check(
        _ signature: [UInt8], of data: [UInt8], _ algorithm: String, _ id: String?, _ now: Double
    ) throws(Refusal) {
        var encoded = signature
        switch algorithm {
        case "RS256": break
        case "ES256":
            guard signature.count == 64 else { throw Refusal(description: "the token's signature is damaged") }
            encoded = DER.element(0x30, DER.integer(signature[..<32]) + DER.integer(signature[32...]))
        default: throw Refusal(description: "the token is signed by \(algorithm.prefix(20)), not RS256 or ES256")
        }
        guard let key = key(algorithm, id, now) else {
            throw Refusal(description: "the token is signed with a key that is not known")
        }
        guard isGood(encoded, of: data, key) else { throw Refusal(description: "the token's signature is wrong") }
    }

    private func key(_ algorithm: String, _ id: String?, _ now: Double) -> Key? {
        keys.withLockedValue { keys in
            func find() -> Key? {
                let fitting = keys.all.filter { $0.algorithm == algorithm && (id == nil || $0.id == id) }
                return fitting.count == 1 ? fitting[0] : nil
            }
            if let key = find() { return key }
            guard let file = rules.keyFile, abs(now - keys.readAt) > Self.leastAge else { return nil }
            keys.readAt = now
            if let read = try? Self.read(file, openSSL) { keys.all = read }
            return find()
        }
    }

    private func isGood(_ signature: [UInt8], of data: [UInt8], _ key: Key) -> Bool {
        let functions = openSSL.functions
        functions.pointee.ERR_clear_error()
        let publicKey = key.encoded.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            return functions.pointee.d2i_PUBKEY(nil, &position, bytes.count)
        }
        guard let publicKey else { return false }
        defer { functions.pointee.EVP_PKEY_free(publicKey) }
        guard let context = functions.pointee.EVP_MD_CTX_new() else { return false }
        defer { functions.pointee.EVP_MD_CTX_free(context) }
        guard
            functions.pointee.EVP_DigestVerifyInit(context, nil, functions.pointee.EVP_sha256(), nil, publicKey) == 1
        else { return false }
        return functions.pointee.EVP_DigestVerify(context, signature, signature.count, data, data.count) == 1
    }

    // MARK: Keys

    private static func read(_ path: String, _ openSSL: OpenSSL) throws(TLSError) -> [Key] {
        let bytes = try PEMText.bytes(path, setting: "sasl.oauthbearer.jwks.endpoint.url")
        guard let items = TokenJSON(parsing: bytes)?["keys"]?.items else {
            throw TLSError(
                .configuration, "sasl.oauthbearer.jwks.endpoint.url=\(path): the file is not a JSON Web Key Set")
        }
        let keys = items.compactMap { key($0, openSSL) }
        guard !keys.isEmpty else {
            throw TLSError(
                .configuration,
                "sasl.oauthbearer.jwks.endpoint.url=\(path): there is no key for RS256 or ES256 in the file")
        }
        return keys
    }

    /// Nil for keys of other kinds.
    private static func key(_ item: TokenJSON, _ openSSL: OpenSSL) -> Key? {
        func number(_ name: String) -> [UInt8]? {
            item[name]?.text.flatMap { Base64URL.decode(Substring($0), openSSL) }
        }
        if let use = item["use"]?.text, use != "sig" { return nil }
        switch item["kty"]?.text {
        case "RSA":
            guard item["alg"] == nil || item["alg"]?.text == "RS256", let modulus = number("n"),
                let exponent = number("e"), modulus.count >= 256
            else { return nil }
            let key = DER.element(0x30, DER.integer(modulus[...]) + DER.integer(exponent[...]))
            let kind = DER.element(0x30, DER.rsaEncryption + [5, 0])
            return Key(
                id: item["kid"]?.text, algorithm: "RS256",
                encoded: DER.element(0x30, kind + DER.element(0x03, [0] + key)))
        case "EC":
            guard item["crv"]?.text == "P-256", let first = number("x"), let second = number("y"), first.count == 32,
                second.count == 32
            else { return nil }
            let kind = DER.element(0x30, DER.ecPublicKey + DER.prime256v1)
            return Key(
                id: item["kid"]?.text, algorithm: "ES256",
                encoded: DER.element(0x30, kind + DER.element(0x03, [0, 4] + first + second)))
        default: return nil
        }
    }
}

/// Base64 as tokens have it (RFC 7515): other letters, no padding.
enum Base64URL {
    static func decode(_ text: Substring, _ openSSL: OpenSSL) -> [UInt8]? {
        var standard: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "-"): standard.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): standard.append(UInt8(ascii: "/"))
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                standard.append(byte)
            default: return nil
            }
        }
        guard standard.count % 4 != 1 else { return nil }
        let padding = (4 - standard.count % 4) % 4
        standard += [UInt8](repeating: UInt8(ascii: "="), count: padding)
        guard !standard.isEmpty else { return [] }
        var bytes = [UInt8](repeating: 0, count: standard.count / 4 * 3)
        guard openSSL.functions.pointee.EVP_DecodeBlock(&bytes, standard, Int32(standard.count)) >= 0 else {
            return nil
        }
        return Array(bytes.dropLast(padding))
    }
}

extension DER {
    static let rsaEncryption: [UInt8] = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1]
    static let ecPublicKey: [UInt8] = [6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1]
    static let prime256v1: [UInt8] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7]

    /// A number that is not negative.
    static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.isEmpty || digits[0] >= 0x80 { digits.insert(0, at: 0) }
        return element(2, digits)
    }
}
