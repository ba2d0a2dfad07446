import Foundation
import NIOConcurrencyHelpers

/// Certificates for tests of TLS, made with the `openssl` program: an authority, a broker's certificate for localhost
/// and 127.0.0.1, users' and bad ones.
///
/// The folder holds for each of `server`, `elsewhere` (for another host), `expired`, `alice`, `bob` and `mallory` (from
/// another authority) a `NAME.pem`, a `NAME.key` and both in `NAME.keystore.pem`; `ca.pem` and `other-ca.pem`; and
/// `server.p12`, `ca.p12` with the password ``storePassword``, `server.encrypted.pem` with
/// ``keyPassword``.
public final class TestCertificates: Sendable {
    /// The password of the PKCS12 stores.
    public static let storePassword = "store-secret"
    /// The password of the encrypted key.
    public static let keyPassword = "key-secret"

    /// Made off the cooperative threads, which other tests need meanwhile.
    private static let made = Task<TestCertificates, any Error> {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try TestCertificates() }) }
        }
    }

    /// The certificates of this process, made at the first use.
    public static func shared() async throws -> TestCertificates { try await made.value }

    /// The folder.
    public let folder: String

    private init() throws {
        folder = try TestBroker.makeTemporaryDirectory()
        Self.folders.withLockedValue { $0.append(folder) }
        atexit { TestCertificates.folders.withLockedValue { $0.forEach(TestBroker.removeDirectory) } }
        _ = try MariaDBServer.run("/bin/bash", ["-c", "cd \"$0\" && { \(Self.script)\n} > log 2>&1", folder])
    }

    private static let folders = NIOLockedValueBox<[String]>([])

    /// The path of a file in the folder.
    public func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Settings of a broker's SSL listener, or a client's, with this keystore and the authority.
    public func properties(keystore: String? = nil, truststore: String = "ca.pem") -> [String: String] {
        var result = ["ssl.truststore.location": path(truststore), "ssl.truststore.type": "PEM"]
        if let keystore {
            result["ssl.keystore.location"] = path(keystore)
            result["ssl.keystore.type"] = "PEM"
        }
        return result
    }

    private static let script = #"""
        set -eu
        # certificate NAME SUBJECT [OPTION…]: a key and a certificate.
        certificate() {
            openssl req -x509 -utf8 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "$2" \
                -keyout "$1.key" -out "$1.pem" "${@:3}"
        }
        # signed NAME AUTHORITY SUBJECT EXTENSION
        signed() {
            certificate "$1" "$3" -CA "$2.pem" -CAkey "$2.key" -addext 'basicConstraints=critical,CA:FALSE' -addext "$4"
            cat "$1.key" "$1.pem" > "$1.keystore.pem"
        }
        certificate ca '/CN=Test CA/O=Example'
        certificate other-ca '/CN=Other CA'
        signed server ca '/CN=localhost' 'subjectAltName=DNS:localhost,IP:127.0.0.1'
        signed elsewhere ca '/CN=elsewhere.example' 'subjectAltName=DNS:elsewhere.example'
        signed alice ca '/C=NO/O=Example, Inc/OU=Users/CN=alice' 'extendedKeyUsage=clientAuth'
        signed bob ca '/DC=example/OU=Users/emailAddress=bob@example/CN=Bob "B" Løvås' 'extendedKeyUsage=clientAuth'
        signed mallory other-ca '/CN=alice' 'extendedKeyUsage=clientAuth'
        openssl req -new -key server.key -subj '/CN=localhost' -out expired.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > expired.ext
        openssl x509 -req -in expired.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -extfile expired.ext -out expired.pem
        cat server.key expired.pem > expired.keystore.pem
        openssl pkcs8 -topk8 -v2 aes-256-cbc -in server.key -passout pass:key-secret -out server.encrypted.key
        cat server.encrypted.key server.pem > server.encrypted.pem
        openssl pkcs12 -export -inkey server.key -in server.pem -certfile ca.pem -passout pass:store-secret -out server.p12
        openssl pkcs12 -export -nokeys -in ca.pem -passout pass:store-secret -out ca.p12
        """#
}
