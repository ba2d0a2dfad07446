internal import COpenSSL
internal import NIOCore

/// The encryption of one connection: bytes in, bytes out, no socket and no clock. Not safe to use from several threads.
///
/// OpenSSL reads from `incoming` and writes to `outgoing` (through a BIO of ours), so that bytes are copied only by
/// the cipher itself.
final class TLSSession {
    /// How far the handshake is.
    enum Handshake {
        case done
        /// The peer's next message is needed.
        case waits
    }

    private let context: TLSContext
    private let functions: UnsafePointer<OpenSSLFunctions>
    private let connection: OpaquePointer
    private var incoming = ByteBuffer()
    private var outgoing = ByteBuffer()
    private let hostname: String?

    /// - Parameter hostname: for clients, the server's name or address.
    init(_ context: TLSContext, hostname: String?) throws(TLSError) {
        self.context = context
        self.hostname = hostname
        functions = context.openSSL.functions
        guard let connection = context.makeConnection() else {
            throw TLSError(.configuration, "OpenSSL cannot make a session: \(context.openSSL.takeErrors())")
        }
        self.connection = connection
        guard let bio = functions.pointee.BIO_new(context.openSSL.sessionMethod) else {
            throw TLSError(.configuration, "OpenSSL has no memory")
        }
        functions.pointee.BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        functions.pointee.BIO_set_init(bio, 1)
        // Freed with the connection.
        functions.pointee.SSL_set_bio(connection, bio, bio)
        if context.role == .server {
            functions.pointee.SSL_set_accept_state(connection)
        } else {
            functions.pointee.SSL_set_connect_state(connection)
            if let hostname { expect(hostname) }
        }
    }

    deinit { functions.pointee.SSL_free(connection) }

    /// Names the server (RFC 6066), and has its certificate checked for that name.
    private func expect(_ hostname: String) {
        let isAddress = (try? SocketAddress(ipAddress: hostname, port: 0)) != nil
        if !isAddress {
            var name = Array(hostname.utf8CString)
            _ = name.withUnsafeMutableBytes {
                functions.pointee.SSL_ctrl(
                    connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), $0.baseAddress)
            }
        }
        guard context.settings.checksHostname else { return }
        if isAddress {
            _ = functions.pointee.X509_VERIFY_PARAM_set1_ip_asc(
                functions.pointee.SSL_get0_param(connection), hostname)
        } else {
            _ = functions.pointee.SSL_set1_host(connection, hostname)
        }
    }

    /// Takes bytes that the peer has sent.
    func received(_ bytes: ByteBuffer) {
        if incoming.readableBytes == 0 { incoming = bytes } else { incoming.writeImmutableBuffer(bytes) }
    }

    /// Goes on with the handshake.
    func handshake() throws(TLSError) -> Handshake {
        functions.pointee.ERR_clear_error()
        let result = functions.pointee.SSL_do_handshake(connection)
        if result == 1 { return .done }
        guard functions.pointee.SSL_get_error(connection, result) == SSL_ERROR_WANT_READ else { throw failure() }
        return .waits
    }

    /// Deciphers what has come, as far as there are whole records.
    ///
    /// - Returns: nil when the peer has said that it is done.
    func decrypt() throws(TLSError) -> ByteBuffer? {
        guard incoming.readableBytes > 0 else { return ByteBuffer() }
        functions.pointee.ERR_clear_error()
        var plain = ByteBufferAllocator().buffer(capacity: incoming.readableBytes)
        while true {
            var result: Int32 = 0
            plain.writeWithUnsafeMutableBytes(minimumWritableBytes: 64) { target in
                result = functions.pointee.SSL_read(connection, target.baseAddress, Int32(clamping: target.count))
                return max(0, Int(result))
            }
            if result > 0 { continue }
            switch functions.pointee.SSL_get_error(connection, result) {
            case SSL_ERROR_WANT_READ: return plain
            case SSL_ERROR_ZERO_RETURN: return plain.readableBytes > 0 ? plain : nil
            default: throw failure()
            }
        }
    }

    /// Enciphers bytes; `takeOutgoing` gives the result.
    func encrypt(_ bytes: ByteBuffer) throws(TLSError) {
        guard bytes.readableBytes > 0 else { return }
        functions.pointee.ERR_clear_error()
        // Each record of 16 KB carries its header and its tag.
        outgoing.reserveCapacity(minimumWritableBytes: bytes.readableBytes + (bytes.readableBytes >> 14 + 1) * 64)
        let isWritten = bytes.withUnsafeReadableBytes { source in
            var position = 0
            while position < source.count {
                let count = Int32(clamping: source.count - position)
                let written = functions.pointee.SSL_write(connection, source.baseAddress?.advanced(by: position), count)
                guard written > 0 else { return false }
                position += Int(written)
            }
            return true
        }
        if !isWritten { throw failure() }
    }

    /// Says to the peer that nothing more will come.
    func shutDown() {
        functions.pointee.ERR_clear_error()
        _ = functions.pointee.SSL_shutdown(connection)
        functions.pointee.ERR_clear_error()
    }

    /// How many bytes wait to be sent.
    var outgoingBytes: Int { outgoing.readableBytes }

    /// What is to be sent to the peer.
    func takeOutgoing() -> ByteBuffer? {
        guard outgoing.readableBytes > 0 else { return nil }
        defer { outgoing = ByteBuffer() }
        return outgoing
    }

    /// What the handshake came to.
    func result() -> TLSHandshakeResult {
        var subject: String?
        if let certificate = functions.pointee.SSL_get1_peer_certificate(connection) {
            subject = DistinguishedName.text(functions.pointee.X509_get_subject_name(certificate), context.openSSL)
            functions.pointee.X509_free(certificate)
        }
        let version = functions.pointee.SSL_get_version(connection).map { String(cString: $0) }
        let cipher = functions.pointee.SSL_get_current_cipher(connection)
            .flatMap { functions.pointee.SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
        return TLSHandshakeResult(peerSubject: subject, protocolVersion: version ?? "", cipherSuite: cipher ?? "")
    }

    private func failure() -> TLSError {
        let code = Int32(clamping: functions.pointee.SSL_get_verify_result(connection))
        let words = functions.pointee.X509_verify_cert_error_string(Int(code)).map { String(cString: $0) }
        return TLSFailure(
            reason: context.openSSL.takeErrors(), role: context.role, hostname: hostname,
            verification: code == X509_V_OK ? nil : (code, words ?? "")
        ).error
    }

    // MARK: The library's way to the buffers

    /// Hands the peer's bytes to the library; -1 when there are none.
    private func provide(_ target: UnsafeMutableRawBufferPointer) -> Int32 {
        let count = min(target.count, incoming.readableBytes)
        guard count > 0 else { return -1 }
        incoming.readWithUnsafeReadableBytes { source in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
            return count
        }
        if incoming.readableBytes == 0 { incoming = ByteBuffer() }
        return Int32(count)
    }

    private static func session(of bio: OpaquePointer?, _ functions: UnsafePointer<OpenSSLFunctions>) -> TLSSession? {
        functions.pointee.BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The methods of a BIO that stands on the buffers of a session.
    static func makeMethod(_ functions: UnsafePointer<OpenSSLFunctions>) -> OpaquePointer? {
        let kind = functions.pointee.BIO_get_new_index() | TLSSourceSink
        guard let method = functions.pointee.BIO_meth_new(kind, "sluice") else { return nil }
        _ = functions.pointee.BIO_meth_set_read(method) { bio, bytes, count in
            guard let functions = try? OpenSSL.load().functions, let bytes, count > 0,
                let session = TLSSession.session(of: bio, functions)
            else { return -1 }
            functions.pointee.BIO_clear_flags(bio, TLSRetryFlags)
            let result = session.provide(UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
            if result < 0 { functions.pointee.BIO_set_flags(bio, TLSRetryRead) }
            return result
        }
        _ = functions.pointee.BIO_meth_set_write(method) { bio, bytes, count in
            guard let functions = try? OpenSSL.load().functions, let bytes, count > 0,
                let session = TLSSession.session(of: bio, functions)
            else { return -1 }
            functions.pointee.BIO_clear_flags(bio, TLSRetryFlags)
            session.outgoing.writeBytes(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        _ = functions.pointee.BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }
}

/// What a handshake came to. Fired through the pipeline as an event, before the first bytes.
public struct TLSHandshakeResult: Sendable, Hashable {
    /// The distinguished name in the peer's certificate, in the form of RFC 2253 as Java writes it; nil if it showed
    /// none.
    public var peerSubject: String?
    /// Such as `TLSv1.3`.
    public var protocolVersion: String
    /// Such as `TLS_AES_256_GCM_SHA384`.
    public var cipherSuite: String
}
