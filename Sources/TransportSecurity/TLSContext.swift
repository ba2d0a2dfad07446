internal import COpenSSL

/// Keys, trusted authorities and rules of one listener or client, ready for use by any number of connections.
public final class TLSContext: @unchecked Sendable {
    /// Which side of the connection this is.
    public enum Role: Sendable {
        /// The side that connects.
        case client
        /// The side that listens.
        case server
    }

    let role: Role
    let settings: TLSSettings
    let openSSL: OpenSSL
    private let context: OpaquePointer

    /// Loads OpenSSL, if nobody has yet, and reads the files.
    ///
    /// - Throws: a configuration error that names the setting or the file.
    public init(_ settings: TLSSettings, role: Role) throws(TLSError) {
        let openSSL = try OpenSSL.load()
        let functions = openSSL.functions
        let method = role == .server ? functions.pointee.TLS_server_method() : functions.pointee.TLS_client_method()
        guard let context = functions.pointee.SSL_CTX_new(method) else {
            throw TLSError(.configuration, "OpenSSL cannot make a context: \(openSSL.takeErrors())")
        }
        self.role = role
        self.settings = settings
        self.openSSL = openSSL
        self.context = context
        try setRules()
        try showCertificate()
        try trust()
    }

    deinit { openSSL.functions.pointee.SSL_CTX_free(context) }

    func makeConnection() -> OpaquePointer? { openSSL.functions.pointee.SSL_new(context) }

    private func setRules() throws(TLSError) {
        let functions = openSSL.functions
        _ = functions.pointee.SSL_CTX_set_options(context, TLSOptions)
        // Kafka's connections live long: each has its own handshake, and nothing is kept of it.
        _ = functions.pointee.SSL_CTX_set_num_tickets(context, 0)
        _ = functions.pointee.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        // Memory of a connection that is idle is given back.
        _ = functions.pointee.SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        let (lowest, highest) = (settings.versions.lowerBound.rawValue, settings.versions.upperBound.rawValue)
        _ = functions.pointee.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, lowest, nil)
        _ = functions.pointee.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, highest, nil)
        guard !settings.cipherSuites.isEmpty else { return }
        // Java's names of TLS 1.3 are OpenSSL's; older ones have names of their own there.
        let newer = settings.cipherSuites.filter { $0.hasPrefix("TLS_") && !$0.contains("_WITH_") }
        let older = settings.cipherSuites.filter { !newer.contains($0) }
        let isSet =
            (newer.isEmpty
                || functions.pointee.SSL_CTX_set_ciphersuites(context, newer.joined(separator: ":")) == 1)
            && (older.isEmpty
                || functions.pointee.SSL_CTX_set_cipher_list(
                    context, older.map(CipherName.openSSL).joined(separator: ":")) == 1)
        guard isSet else {
            throw TLSError(
                .configuration,
                "ssl.cipher.suites=\(settings.cipherSuites.joined(separator: ",")): OpenSSL knows none of them "
                    + "(\(openSSL.takeErrors()))")
        }
    }

    private func showCertificate() throws(TLSError) {
        guard let own = try KeyMaterial.own(settings, openSSL) else {
            guard role == .client else {
                throw TLSError(
                    .configuration,
                    "a listener with TLS needs a certificate: set ssl.keystore.location to a PEM or PKCS12 file, or "
                        + "ssl.keystore.key and ssl.keystore.certificate.chain")
            }
            return
        }
        let functions = openSSL.functions
        functions.pointee.ERR_clear_error()
        guard let first = own.certificates.first, functions.pointee.SSL_CTX_use_certificate(context, first) == 1,
            functions.pointee.SSL_CTX_use_PrivateKey(context, own.key) == 1,
            functions.pointee.SSL_CTX_check_private_key(context) == 1
        else {
            throw TLSError(
                .configuration,
                "ssl.keystore: the private key does not belong to the first certificate, or is too weak "
                    + "(\(openSSL.takeErrors()))")
        }
        for certificate in own.certificates.dropFirst() {
            _ = functions.pointee.SSL_CTX_ctrl(context, SSL_CTRL_CHAIN_CERT, 1, UnsafeMutableRawPointer(certificate))
        }
    }

    private func trust() throws(TLSError) {
        let functions = openSSL.functions
        if let trusted = try KeyMaterial.trusted(settings, openSSL) {
            let store = functions.pointee.SSL_CTX_get_cert_store(context)
            for certificate in trusted.certificates {
                _ = functions.pointee.X509_STORE_add_cert(store, certificate)
                if role == .server { _ = functions.pointee.SSL_CTX_add_client_CA(context, certificate) }
            }
        } else if role == .client || settings.clientAuthentication != .none {
            _ = functions.pointee.SSL_CTX_set_default_verify_paths(context)
        }
        // As for Java, what is in the truststore is trusted, also where it is not the root.
        _ = functions.pointee.X509_VERIFY_PARAM_set_flags(
            functions.pointee.SSL_CTX_get0_param(context), UInt(X509_V_FLAG_PARTIAL_CHAIN))
        functions.pointee.ERR_clear_error()
        let mode: Int32 =
            switch (role, settings.clientAuthentication) {
            case (.client, _), (.server, .requested): SSL_VERIFY_PEER
            case (.server, .required): SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
            case (.server, .none): SSL_VERIFY_NONE
            }
        functions.pointee.SSL_CTX_set_verify(context, mode, nil)
    }
}

/// Names of cipher suites up to TLS 1.2: the registry's (Java's) as OpenSSL writes them.
enum CipherName {
    /// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256`.
    static func openSSL(_ name: String) -> String {
        guard name.hasPrefix("TLS_"), let with = name.firstRange(of: "_WITH_") else { return name }
        let exchange = name[name.index(name.startIndex, offsetBy: 4)..<with.lowerBound]
        var cipher = String(name[with.upperBound...])
        for (from, to) in [
            ("AES_128", "AES128"), ("AES_256", "AES256"), ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ]
        where cipher.hasPrefix(from) {
            cipher = to + cipher.dropFirst(from.count)
        }
        if cipher.contains("_CBC") {
            cipher = cipher.split(separator: "_").filter { $0 != "CBC" }.joined(separator: "_")
        }
        let text = exchange == "RSA" ? cipher : "\(exchange)_\(cipher)"
        return String(text.map { $0 == "_" ? "-" : $0 })
    }
}
