import Foundation

/// Certificates for tests of TLS, made with the `openssl` program: an authority, a broker's certificate for localhost
/// and 127.0.0.1, users' and bad ones.
///
/// The folder holds for each of `server`, `elsewhere` (for another host), `expired`, `alice`, `bob` and `mallory` (from
/// another authority) a `NAME.pem`, a `NAME.key` and both in `NAME.keystore.pem`; `ca.pem` and `other-ca.pem`; and
/// `server.p12`, `alice.p12`, `ca.p12` with the password ``storePassword``, `server.encrypted.pem` with
/// ``keyPassword``.
public final class TestCertificates: Sendable {
    /// The password of the PKCS12 stores.
    public static let storePassword = "store-secret"
    /// The password of the encrypted key.
    public static let keyPassword = "key-secret"

    private static let made = Result { try TestCertificates() }

    /// The certificates of this process, made at the first use.
    public static func shared() throws -> TestCertificates { try made.get() }

    /// The folder.
    public let folder: String

    private init() throws {
        folder = try TestBroker.makeTemporaryDirectory()
        atexit { (try? TestCertificates.shared()).map { TestBroker.removeDirectory($0.folder) } }
        _ = try MariaDBServer.run("/bin/bash", ["-c", "cd \"$0\" && { \(Self.script)\n} > log 2>&1", folder])
    }

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
        new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
        # authority NAME SUBJECT
        authority() { new_key "$1"; openssl req -x509 -new -key "$1.key" -subj "$2" -days 30 -out "$1.pem"; }
        # signed NAME AUTHORITY SUBJECT EXTENSIONS
        signed() {
            [ -f "$1.key" ] || new_key "$1"
            openssl req -utf8 -new -key "$1.key" -subj "$3" -out "$1.csr"
            printf '%s\n' "$4" > "$1.ext"
            openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.pem"
            openssl pkcs8 -topk8 -nocrypt -in "$1.key" -out "$1.pk8"
            cat "$1.pk8" "$1.pem" > "$1.keystore.pem"
        }
        authority ca '/CN=Test CA/O=Example'
        authority other-ca '/CN=Other CA'
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out server.key
        signed server ca '/CN=localhost' 'subjectAltName=DNS:localhost,IP:127.0.0.1'
        signed elsewhere ca '/CN=elsewhere.example' 'subjectAltName=DNS:elsewhere.example'
        signed alice ca '/C=NO/O=Example, Inc/OU=Users/CN=alice' 'extendedKeyUsage=clientAuth'
        signed bob ca '/DC=example/OU=Users/emailAddress=bob@example/CN=Bob "B" Løvås' 'extendedKeyUsage=clientAuth'
        signed mallory other-ca '/CN=alice' 'extendedKeyUsage=clientAuth'
        # One that was good in 2020 for a day.
        new_key expired
        openssl req -new -key expired.key -subj '/CN=localhost' -out expired.csr
        touch index.txt
        printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > ca.conf
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > expired.ext
        openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in expired.csr -out expired.pem -notext \
            -startdate 20200101000000Z -enddate 20200102000000Z -extfile expired.ext
        openssl pkcs8 -topk8 -nocrypt -in expired.key >> expired.keystore.pem; cat expired.pem >> expired.keystore.pem
        openssl pkcs8 -topk8 -v2 aes-256-cbc -in server.key -passout pass:key-secret -out server.encrypted.key
        cat server.encrypted.key server.pem > server.encrypted.pem
        openssl pkcs12 -export -inkey server.key -in server.pem -certfile ca.pem -passout pass:store-secret -out server.p12
        openssl pkcs12 -export -inkey alice.key -in alice.pem -passout pass:store-secret -out alice.p12
        openssl pkcs12 -export -nokeys -in ca.pem -passout pass:store-secret -out ca.p12
        """#
}
