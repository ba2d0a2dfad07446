internal import COpenSSL

/// Puts what OpenSSL says into a user's words.
struct TLSFailure {
    var reason: String
    var role: TLSContext.Role
    /// The host that a client wants to talk to.
    var hostname: String?
    /// What was wrong with the peer's certificate.
    var verification: (code: Int32, words: String)?

    var error: TLSError {
        if reason.contains("certificate verify failed"), let verification { return certificateFault(verification) }
        if reason.contains("did not return a certificate") {
            return TLSError(
                .authentication, "the client shows no certificate, and ssl.client.auth=required asks for one")
        }
        if let alert = Self.alert(in: reason) { return refusal(alert) }
        if reason.contains("wrong version number") || reason.contains("http request") {
            return TLSError(.notTLS, "the peer does not speak TLS (\(reason))")
        }
        if reason.contains("unsupported protocol") || reason.contains("no shared cipher")
            || reason.contains("no protocols available")
        {
            return TLSError(
                .authentication,
                "the two sides have no version or cipher in common (\(reason)): look at ssl.enabled.protocols and "
                    + "ssl.cipher.suites")
        }
        return TLSError(.handshake, "TLS failed: \(reason)")
    }

    private func certificateFault(_ fault: (code: Int32, words: String)) -> TLSError {
        let whose = hostname.map { "the certificate of \($0)" } ?? "the client's certificate"
        switch fault.code {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return TLSError(.authentication, "\(whose), or one that it rests on, has expired: it must be renewed")
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return TLSError(.authentication, "\(whose) is not valid yet: are the clocks of both machines right?")
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return TLSError(
                .authentication,
                "\(whose) is for another host: connect by a name that is in it, or have one made with "
                    + "subjectAltName for this one (an empty ssl.endpoint.identification.algorithm skips the check)")
        case X509_V_ERR_INVALID_PURPOSE:
            return TLSError(
                .authentication,
                "\(whose) is not meant for this: its extendedKeyUsage must allow "
                    + (role == .client ? "serverAuth" : "clientAuth"))
        default:
            return TLSError(
                .authentication,
                "\(whose) is not signed by an authority that is trusted here (\(fault.words)): set "
                    + "ssl.truststore.location to the authority's certificate")
        }
    }

    /// The name of the alert that the peer has sent.
    private static func alert(in reason: String) -> String? {
        guard let range = reason.firstRange(of: " alert ") else { return nil }
        return String(reason[range.upperBound...].prefix { $0 != "," })
    }

    private func refusal(_ alert: String) -> TLSError {
        let peer = hostname ?? "the client"
        switch alert {
        case "certificate required":
            return TLSError(
                .authentication,
                "\(peer) asks for a certificate (\(alert)): set ssl.keystore.location to one that it trusts")
        case "handshake failure" where role == .client:
            return TLSError(
                .authentication,
                "\(peer) refused the handshake (\(alert)): it asks for a certificate (ssl.keystore.location), or has "
                    + "no cipher in common (ssl.cipher.suites)")
        case "unknown ca", "bad certificate", "certificate unknown", "certificate expired", "unsupported certificate",
            "certificate revoked", "access denied":
            return TLSError(.authentication, "\(peer) does not accept our certificate (\(alert))")
        case "protocol version":
            return TLSError(
                .authentication,
                "\(peer) speaks no version of TLS that is allowed here (\(alert)): look at ssl.enabled.protocols")
        default:
            return TLSError(.handshake, "\(peer) ended the TLS connection (\(alert))")
        }
    }
}
