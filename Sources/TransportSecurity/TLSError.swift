/// What can go wrong with TLS. The message names the peer, the setting or the file, and the remedy; no secret is in it.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure.
    public enum Kind: Sendable, Hashable {
        /// A setting or a file cannot be used, or OpenSSL is not installed.
        case configuration
        /// One side did not accept the other's certificate.
        case authentication
        /// The peer does not speak TLS.
        case notTLS
        /// Versions or ciphers do not fit, or the bytes are damaged.
        case handshake
        /// The peer was silent for too long, or has gone.
        case connection
    }

    /// The kind of failure.
    public var kind: Kind
    /// What failed, and what to do.
    public var message: String

    /// Makes an error.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Whether trying again may help: what was configured does not mend by itself.
    public var isRetriable: Bool { kind == .connection || kind == .handshake }
    /// The message.
    public var description: String { message }
}
