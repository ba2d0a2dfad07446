/// How a listener or a client speaks TLS, under Kafka's names (`ssl.*`). Printing it shows no secret.
public struct TLSSettings: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// `ssl.client.auth`: whether clients show certificates.
    public enum ClientAuthentication: String, Sendable, Hashable {
        /// They are not asked.
        case none
        /// They may show one; what they show must be good.
        case requested
        /// They must.
        case required
    }

    /// A file, or a text in the PEM format, with keys or certificates.
    struct Store: Sendable, Hashable {
        /// PEM, PKCS12 or JKS; nil: the file's first bytes tell.
        var type: String?
        var location: String?
        var password: String?
    }

    /// Versions of the protocol that are served.
    enum Version: Int, Sendable, Hashable, Comparable {
        case tls12 = 0x0303
        case tls13 = 0x0304

        static func < (first: Version, second: Version) -> Bool { first.rawValue < second.rawValue }
    }

    /// All names that `init` asks for.
    public static let names = [
        "ssl.protocol", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.keystore.type", "ssl.keystore.location",
        "ssl.keystore.password", "ssl.key.password", "ssl.keystore.key", "ssl.keystore.certificate.chain",
        "ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.certificates",
        "ssl.endpoint.identification.algorithm", "ssl.client.auth",
    ]

    /// `ssl.client.auth`.
    public var clientAuthentication = ClientAuthentication.none
    /// `ssl.endpoint.identification.algorithm`: whether the server's certificate must be for its host (https, the
    /// default) or not (empty).
    public var checksHostname = true
    var keystore = Store()
    var truststore = Store()
    /// `ssl.keystore.certificate.chain` and `ssl.keystore.key`, in PEM.
    var chainText: String?
    var keyText: String?
    /// `ssl.key.password`.
    var keyPassword: String?
    /// `ssl.truststore.certificates`, in PEM.
    var trustText: String?
    var versions: ClosedRange<Version> = .tls12 ... .tls13
    var cipherSuites: [String] = []

    /// The defaults: the system's certificate authorities are trusted, and no certificate is shown.
    public init() {}

    /// Reads Kafka's settings; `value` gives the value of a name. librdkafka's `ssl.ca.location`,
    /// `ssl.certificate.location` and `ssl.key.location` are understood, too.
    ///
    /// - Throws: a configuration error that names the setting.
    public init(_ value: (String) -> String?) throws(TLSError) {
        func text(_ name: String) -> String? { value(name).flatMap { $0.isEmpty ? nil : $0 } }
        keystore = Store(
            type: text("ssl.keystore.type"), location: text("ssl.keystore.location"),
            password: text("ssl.keystore.password"))
        truststore = Store(
            type: text("ssl.truststore.type"), location: text("ssl.truststore.location") ?? text("ssl.ca.location"),
            password: text("ssl.truststore.password"))
        keyPassword = text("ssl.key.password")
        chainText = text("ssl.keystore.certificate.chain")
        keyText = text("ssl.keystore.key")
        trustText = text("ssl.truststore.certificates")
        if let chain = text("ssl.certificate.location"), let key = text("ssl.key.location") {
            chainText = try PEMText.read(chain, setting: "ssl.certificate.location")
            keyText = try PEMText.read(key, setting: "ssl.key.location")
        }
        guard (chainText == nil) == (keyText == nil) else {
            throw TLSError(
                .configuration, "ssl.keystore.key and ssl.keystore.certificate.chain belong together: set both")
        }
        for (name, store) in [("ssl.keystore.type", keystore), ("ssl.truststore.type", truststore)] {
            guard let type = store.type else { continue }
            guard ["PEM", "PKCS12", "JKS"].contains(type.uppercased()) else {
                throw TLSError(.configuration, "\(name)=\(type): PEM or PKCS12 is needed")
            }
        }
        if let name = text("ssl.client.auth") {
            guard let known = ClientAuthentication(rawValue: name.lowercased()) else {
                throw TLSError(.configuration, "ssl.client.auth=\(name): none, requested or required is needed")
            }
            clientAuthentication = known
        }
        if let algorithm = value("ssl.endpoint.identification.algorithm") {
            guard ["", "https", "none"].contains(algorithm.lowercased()) else {
                throw TLSError(
                    .configuration,
                    "ssl.endpoint.identification.algorithm=\(algorithm): https, or nothing to skip the check, is needed"
                )
            }
            checksHostname = algorithm.lowercased() == "https"
        }
        try readVersions(text("ssl.enabled.protocols") ?? text("ssl.protocol"))
        cipherSuites = Self.items(text("ssl.cipher.suites") ?? "")
    }

    private mutating func readVersions(_ text: String?) throws(TLSError) {
        guard let text else { return }
        var known: [Version] = []
        for name in Self.items(text) {
            switch name.uppercased() {
            case "TLSV1.3": known.append(.tls13)
            case "TLSV1.2": known.append(.tls12)
            case "TLS": known += [.tls12, .tls13]
            default: continue
            }
        }
        guard let lowest = known.min(), let highest = known.max() else {
            throw TLSError(
                .configuration,
                "ssl.enabled.protocols=\(text): TLSv1.2 or TLSv1.3 must be among them; older ones are not safe")
        }
        versions = lowest...highest
    }

    private static func items(_ text: String) -> [String] {
        text.split { $0 == "," || $0 == " " }.map { String($0) }
    }

    /// Whether there is a certificate to show.
    public var hasCertificate: Bool { keystore.location != nil || chainText != nil }

    /// Where the certificates come from, and nothing of the secrets.
    public var description: String {
        "TLS with keystore \(keystore.location ?? (chainText == nil ? "none" : "given")), truststore "
            + "\(truststore.location ?? (trustText == nil ? "the system's" : "given"))"
    }
    /// Nothing of the secrets.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
