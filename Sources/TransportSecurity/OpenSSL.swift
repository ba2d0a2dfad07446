internal import COpenSSL
internal import LibraryLoading

/// The system's OpenSSL 3, loaded when a listener or a client first needs it.
struct OpenSSL: @unchecked Sendable {
    /// The library's functions.
    let functions: UnsafePointer<OpenSSLFunctions>
    /// How a `TLSSession` gives bytes to the library and takes them.
    let sessionMethod: OpaquePointer

    private static let loaded = Result { () throws(TLSError) in
        let library: SharedLibrary<OpenSSLFunctions>
        do throws(LibraryError) {
            library = try SharedLibrary(
                SharedLibrary<OpenSSLFunctions>.names("libssl", version: "3", formula: "openssl@3"),
                package: "libssl3", { OpenSSLFunctions_load($0, $1) })
        } catch {
            throw TLSError(.configuration, "TLS needs OpenSSL 3, which cannot be loaded: \(error)")
        }
        // At the end of the process other threads may be within the library: it must not tear itself down then.
        guard library.functions.pointee.OPENSSL_init_ssl(TLSWithoutExitHandler, nil) == 1,
            let method = TLSSession.makeMethod(library.functions)
        else { throw TLSError(.configuration, "OpenSSL cannot be initialised") }
        return OpenSSL(functions: library.functions, sessionMethod: method)
    }

    /// - Throws: a configuration error if the library is not installed.
    static func load() throws(TLSError) -> OpenSSL { try loaded.get() }

    /// What the calling thread's last failure was; its list of errors is empty afterwards.
    func takeErrors() -> String {
        var reasons: [String] = []
        while true {
            let code = functions.pointee.ERR_get_error()
            guard code != 0 else { break }
            guard let text = functions.pointee.ERR_reason_error_string(code) else { continue }
            reasons.append(String(cString: text))
        }
        return reasons.isEmpty ? "unknown error" : reasons.joined(separator: ", ")
    }

    /// Gives a body a BIO that reads these bytes.
    func withBIO<T>(_ bytes: [UInt8], _ body: (OpaquePointer) throws(TLSError) -> T) throws(TLSError) -> T {
        functions.pointee.ERR_clear_error()
        // Without a copy the BIO would read memory that may have moved.
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        _ = memory.initialize(from: bytes)
        defer {
            for index in memory.indices { memory[index] = 0 }
            memory.deallocate()
        }
        guard let bio = functions.pointee.BIO_new_mem_buf(memory.baseAddress, Int32(bytes.count)) else {
            throw TLSError(.configuration, "OpenSSL has no memory")
        }
        defer { _ = functions.pointee.BIO_free(bio) }
        return try body(bio)
    }
}
