internal import COpenSSL

/// Certificates, and a private key, as OpenSSL has them. Owns them.
struct KeyMaterial: ~Copyable {
    private let openSSL: OpenSSL
    /// The own certificate first, then those that lead to the authority.
    private(set) var certificates: [OpaquePointer] = []
    private(set) var key: OpaquePointer?

    private init(_ openSSL: OpenSSL) {
        self.openSSL = openSSL
    }

    deinit {
        for certificate in certificates { openSSL.functions.pointee.X509_free(certificate) }
        if let key { openSSL.functions.pointee.EVP_PKEY_free(key) }
    }

    /// The certificate to show and its key; nil if none is configured.
    static func own(_ settings: TLSSettings, _ openSSL: OpenSSL) throws(TLSError) -> KeyMaterial? {
        var material = KeyMaterial(openSSL)
        let password = settings.keyPassword ?? settings.keystore.password
        if let chain = settings.chainText, let key = settings.keyText {
            try material.readCertificates(PEMText.inLines(chain), setting: "ssl.keystore.certificate.chain")
            try material.readKey(PEMText.inLines(key), password: password, setting: "ssl.keystore.key")
        } else if let path = settings.keystore.location {
            let setting = "ssl.keystore.location=\(path)"
            let bytes = try PEMText.bytes(path, setting: "ssl.keystore.location")
            switch try format(of: bytes, settings.keystore, path, setting: setting) {
            case .pem:
                let lines = PEMText.inLines(String(decoding: bytes, as: UTF8.self))
                try material.readKey(lines, password: password, setting: setting)
                try material.readCertificates(lines, setting: setting)
            case .pkcs12:
                try material.readPKCS12(
                    bytes, password: settings.keystore.password, setting: setting, which: "keystore")
                guard material.key != nil else { throw TLSError(.configuration, "\(setting): there is no key in it") }
            }
        } else {
            return nil
        }
        return material
    }

    /// The certificates of the authorities that are trusted; nil: the system's are.
    static func trusted(_ settings: TLSSettings, _ openSSL: OpenSSL) throws(TLSError) -> KeyMaterial? {
        var material = KeyMaterial(openSSL)
        if let text = settings.trustText {
            try material.readCertificates(PEMText.inLines(text), setting: "ssl.truststore.certificates")
        } else if let path = settings.truststore.location {
            let setting = "ssl.truststore.location=\(path)"
            let bytes = try PEMText.bytes(path, setting: "ssl.truststore.location")
            switch try format(of: bytes, settings.truststore, path, setting: setting) {
            case .pem:
                try material.readCertificates(
                    PEMText.inLines(String(decoding: bytes, as: UTF8.self)), setting: setting)
            case .pkcs12:
                let password = settings.truststore.password
                try material.readPKCS12(bytes, password: password, setting: setting, which: "truststore")
                guard !material.certificates.isEmpty else {
                    throw TLSError(.configuration, "\(setting): there is no certificate in it")
                }
            }
        } else {
            return nil
        }
        return material
    }

    private enum Format {
        case pem
        case pkcs12
    }

    private static func format(
        of bytes: [UInt8], _ store: TLSSettings.Store, _ path: String, setting: String
    ) throws(TLSError) -> Format {
        if bytes.starts(with: [0xFE, 0xED, 0xFE, 0xED]) || bytes.starts(with: [0xCE, 0xCE, 0xCE, 0xCE]) {
            throw TLSError(
                .configuration,
                "\(setting) is a JKS store, which only Java reads. Convert it: keytool -importkeystore -srckeystore "
                    + "\(path) -destkeystore \(path).p12 -deststoretype PKCS12")
        }
        if String(decoding: bytes.prefix(1 << 20), as: UTF8.self).contains("-----BEGIN ") { return .pem }
        // Java calls stores JKS that are PKCS12 inside: what counts is what is there.
        if bytes.first == 0x30, store.type?.uppercased() != "PEM" { return .pkcs12 }
        throw TLSError(.configuration, "\(setting) is neither PEM nor PKCS12")
    }

    private mutating func readCertificates(_ lines: [UInt8], setting: String) throws(TLSError) {
        let openSSL = openSSL
        let found = try openSSL.withBIO(lines) { bio throws(TLSError) in
            var found: [OpaquePointer] = []
            while let certificate = openSSL.functions.pointee.PEM_read_bio_X509(bio, nil, nil, nil) {
                found.append(certificate)
            }
            return found
        }
        // The end of the text counts as an error.
        let reason = openSSL.takeErrors()
        certificates += found
        guard !found.isEmpty else {
            throw TLSError(.configuration, "\(setting): no certificate can be read from it (\(reason))")
        }
    }

    private mutating func readKey(_ lines: [UInt8], password: String?, setting: String) throws(TLSError) {
        let openSSL = openSSL
        var password = Array((password ?? "").utf8CString)
        key = try openSSL.withBIO(lines) { bio throws(TLSError) in
            // Without a password of ours the library would ask at the terminal.
            password.withUnsafeMutableBytes {
                openSSL.functions.pointee.PEM_read_bio_PrivateKey(bio, nil, nil, $0.baseAddress)
            }
        }
        for index in password.indices { password[index] = 0 }
        guard key != nil else {
            let reason = openSSL.takeErrors()
            throw TLSError(
                .configuration,
                "\(setting): no private key can be read from it; is ssl.key.password right? (\(reason))")
        }
    }

    private mutating func readPKCS12(
        _ bytes: [UInt8], password: String?, setting: String, which: String
    ) throws(TLSError) {
        let openSSL = openSSL
        var (foundKey, certificate, others): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        let isRead = try openSSL.withBIO(bytes) { bio throws(TLSError) in
            guard let store = openSSL.functions.pointee.d2i_PKCS12_bio(bio, nil) else { return false }
            defer { openSSL.functions.pointee.PKCS12_free(store) }
            return openSSL.functions.pointee.PKCS12_parse(store, password ?? "", &foundKey, &certificate, &others) == 1
        }
        guard isRead else {
            let reason = openSSL.takeErrors()
            throw TLSError(
                .configuration,
                "\(setting) cannot be read as PKCS12; is ssl.\(which).password right? (\(reason))")
        }
        key = foundKey
        if let certificate { certificates.append(certificate) }
        if let others {
            for index in 0..<max(0, openSSL.functions.pointee.OPENSSL_sk_num(others)) {
                guard let one = openSSL.functions.pointee.OPENSSL_sk_value(others, index) else { continue }
                certificates.append(OpaquePointer(one))
            }
            openSSL.functions.pointee.OPENSSL_sk_free(others)
        }
    }
}
