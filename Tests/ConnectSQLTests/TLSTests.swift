import ConnectAPI
import Foundation
import KafkaTesting
import Testing

@testable import ConnectSQL

/// TLS to real servers with an authority of our own, as the URL asks for it.
@Suite(.serialized) struct TLSTests {
    /// Who runs PostgreSQL, if it must be someone else.
    private static let user: (user: uid_t, group: gid_t)? =
        geteuid() == 0 ? getpwnam("postgres").map { ($0.pointee.pw_uid, $0.pointee.pw_gid) } : nil
    private static let authority = Result { try Authority() }

    /// A folder with `ca.pem`, `other.pem` (another authority), and a server's `server.pem` and `server.key`, made out to
    /// the name localhost alone.
    private final class Authority: Sendable {
        let folder = NSTemporaryDirectory() + "sluice-tls-\(UUID().uuidString.prefix(8))"

        init() throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
            for name in ["ca", "other"] {
                try run(
                    ["req", "-x509", "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).pem"] + key)
            }
            try run(
                [
                    "req", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key",
                    "-out", "server.csr",
                ] + key.dropLast(2))
            try run([
                "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "1",
                "-copy_extensions", "copy", "-out", "server.pem",
            ])
            // PostgreSQL takes a key only from its own user, who must be able to reach it.
            chmod(folder, 0o755)
            chmod(folder + "/server.key", 0o600)
            if let owner = TLSTests.user { chown(folder + "/server.key", owner.user, owner.group) }
        }

        deinit {
            try? FileManager.default.removeItem(atPath: folder)
        }

        private func run(_ arguments: [String]) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["openssl"] + arguments
            process.currentDirectoryURL = URL(fileURLWithPath: folder)
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "openssl \(arguments)")
        }
    }

    /// The first value that a statement gives over a connection of its own.
    private func ask(_ url: String, _ user: String, _ password: String, _ sql: String) throws -> String? {
        let config = [
            "connection.url": url, "connection.user": user, "connection.password": password, "topic.prefix": "t",
            "mode": "bulk", "connection.attempts": "1",
        ]
        let connection = try SourceOptions(config).database.connect()
        defer { connection.close() }
        return try connection.rows(sql).first?.last ?? nil
    }

    private func refusal(_ body: () throws -> String?) -> String {
        do {
            return "connected: \(try body() ?? "")"
        } catch {
            return "\(error)"
        }
    }

    @Test func postgreSQL() throws {
        let files = try Self.authority.get().folder
        let server = try PostgreSQLServer(extraArguments: [
            "-c", "ssl=on", "-c", "ssl_cert_file=\(files)/server.pem", "-c", "ssl_key_file=\(files)/server.key",
        ])
        defer { server.stop() }
        func isEncrypted(_ host: String, _ parameters: String) throws -> String? {
            try ask(
                "jdbc:postgresql://\(host):\(server.port)/postgres?\(parameters)", PostgreSQLServer.user,
                PostgreSQLServer.password, "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        }
        let ca = "&sslrootcert=\(files)/ca.pem"
        #expect(try isEncrypted("localhost", "sslmode=disable") == "false")
        #expect(try isEncrypted("127.0.0.1", "sslmode=require") == "true")
        #expect(try isEncrypted("127.0.0.1", "sslmode=verify-ca" + ca) == "true")
        #expect(try isEncrypted("localhost", "sslmode=verify-full" + ca) == "true")
        #expect(try isEncrypted("localhost", "ssl=true" + ca) == "true")
        let wrongName = refusal { try isEncrypted("127.0.0.1", "sslmode=verify-full" + ca) }
        #expect(wrongName.contains("does not match host name"), "\(wrongName)")
        let wrongAuthority = refusal {
            try isEncrypted("localhost", "sslmode=verify-ca&sslrootcert=\(files)/other.pem")
        }
        #expect(wrongAuthority.contains("certificate verify failed"), "\(wrongAuthority)")
        for text in [wrongName, wrongAuthority] { #expect(!text.contains(PostgreSQLServer.password)) }
    }

    @Test func mariaDB() throws {
        let files = try Self.authority.get().folder
        // The server opens its files as root before it becomes another user.
        let server = try MariaDBServer(extraArguments: [
            "--ssl-ca=\(files)/ca.pem", "--ssl-cert=\(files)/server.pem", "--ssl-key=\(files)/server.key",
        ])
        defer { server.stop() }
        func version(_ host: String, _ parameters: String) throws -> String? {
            try ask(
                "jdbc:mysql://\(host):\(server.port)/mysql?\(parameters)", "root", MariaDBServer.password,
                "SHOW SESSION STATUS LIKE 'Ssl_version'")
        }
        let ca = "&serverSslCert=\(files)/ca.pem"
        #expect(try version("127.0.0.1", "sslMode=DISABLED") == "")
        #expect(try version("127.0.0.1", "sslMode=REQUIRED")?.hasPrefix("TLSv1") == true)
        #expect(try version("localhost", "sslMode=VERIFY_IDENTITY" + ca)?.hasPrefix("TLSv1") == true)
        #expect(try version("localhost", "sslMode=REQUIRED&tlsVersions=TLSv1.2") == "TLSv1.2")
        let wrongName = refusal { try version("127.0.0.1", "sslMode=VERIFY_IDENTITY" + ca) }
        #expect(wrongName.contains("2026"), "\(wrongName)")
        let wrongAuthority = refusal { try version("localhost", "sslMode=VERIFY_CA&serverSslCert=\(files)/other.pem") }
        #expect(wrongAuthority.contains("2026"), "\(wrongAuthority)")
        for text in [wrongName, wrongAuthority] { #expect(!text.contains(MariaDBServer.password)) }
    }
}
