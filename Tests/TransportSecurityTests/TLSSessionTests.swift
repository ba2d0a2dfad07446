import Foundation
import KafkaTesting
import NIOCore
import Testing

@testable import TransportSecurity

/// Two ends of a connection without a network between.
@Suite("TLS sessions")
struct TLSSessionTests {
    private func context(_ role: TLSContext.Role, _ properties: [String: String]) throws -> TLSContext {
        try TLSContext(try TLSSettings { properties[$0] }, role: role)
    }

    private struct Pair {
        var client: TLSSession
        var server: TLSSession

        /// Passes bytes on until both ends are done.
        func connect() throws {
            var (isClientDone, isServerDone) = (false, false)
            for _ in 0..<10 where !(isClientDone && isServerDone) {
                if !isClientDone { isClientDone = try client.handshake() == .done }
                if let bytes = client.takeOutgoing() { server.received(bytes) }
                if !isServerDone { isServerDone = try server.handshake() == .done }
                if let bytes = server.takeOutgoing() { client.received(bytes) }
            }
            #expect(isClientDone && isServerDone)
        }
    }

    private func pair(
        client: [String: String], server: [String: String] = [:], keystore: String = "server.keystore.pem",
        hostname: String = "localhost"
    ) async throws -> Pair {
        let files = try await TestCertificates.shared()
        let serverProperties = files.properties(keystore: keystore).merging(server) { $1 }
        return Pair(
            client: try TLSSession(try context(.client, client), hostname: hostname),
            server: try TLSSession(try context(.server, serverProperties), hostname: nil))
    }

    @Test("Bytes pass both ways, in TLS 1.2 and 1.3", arguments: ["TLSv1.2", "TLSv1.3"])
    func bytes(version: String) async throws {
        let files = try await TestCertificates.shared()
        let pair = try await pair(client: files.properties().merging(["ssl.enabled.protocols": version]) { $1 })
        try pair.connect()
        #expect(pair.client.result().protocolVersion == version && pair.server.result().protocolVersion == version)
        #expect(pair.client.result().peerSubject == "CN=localhost" && pair.server.result().peerSubject == nil)
        for size in [0, 1, 16_384, 16_385, 3_000_000] {
            let sent = ByteBuffer(bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            try pair.client.encrypt(sent)
            var rest = pair.client.takeOutgoing() ?? ByteBuffer()
            var got = ByteBuffer()
            // In pieces that cut records anywhere.
            while let piece = rest.readSlice(length: min(70_001, rest.readableBytes)), piece.readableBytes > 0 {
                pair.server.received(piece)
                got.writeImmutableBuffer(try #require(try pair.server.decrypt()))
            }
            #expect(got == sent)
        }
        pair.client.shutDown()
        pair.server.received(try #require(pair.client.takeOutgoing()))
        #expect(try pair.server.decrypt() == nil)
    }

    /// Subjects as Java 17's `X500Principal.getName()` gave them for these certificates.
    @Test(
        "A client's certificate names it as Java would",
        arguments: [
            ("alice", #"CN=alice,OU=Users,O=Example\, Inc,C=NO"#),
            ("bob", #"CN=Bob \"B\" Løvås,1.2.840.113549.1.9.1=#160b626f62406578616d706c65,OU=Users,DC=example"#),
        ])
    func subject(user: String, name: String) async throws {
        let files = try await TestCertificates.shared()
        let pair = try await pair(
            client: files.properties(keystore: "\(user).keystore.pem"), server: ["ssl.client.auth": "required"])
        try pair.connect()
        #expect(pair.server.result().peerSubject == name)
    }

    @Test("Keys come from PEM, in one line or many, encrypted or not, and from PKCS12")
    func stores() async throws {
        let files = try await TestCertificates.shared()
        let password = TestCertificates.storePassword
        func text(_ name: String) throws -> String {
            String(decoding: try PEMText.bytes(files.path(name), setting: ""), as: UTF8.self)
        }
        let inOneLine = { (text: String) in text.split(separator: "\n").joined(separator: " ") }
        let servers: [[String: String]] = [
            ["ssl.keystore.location": files.path("server.p12"), "ssl.keystore.password": password],
            [
                "ssl.keystore.type": "PKCS12", "ssl.keystore.location": files.path("server.p12"),
                "ssl.keystore.password": password,
            ],
            [
                "ssl.keystore.type": "PEM", "ssl.keystore.location": files.path("server.encrypted.pem"),
                "ssl.key.password": TestCertificates.keyPassword,
            ],
            [
                "ssl.keystore.certificate.chain": inOneLine(try text("server.pem")),
                "ssl.keystore.key": inOneLine(try text("server.encrypted.key")),
                "ssl.key.password": TestCertificates.keyPassword,
            ],
        ]
        let clients: [[String: String]] = [
            ["ssl.truststore.location": files.path("ca.p12"), "ssl.truststore.password": password],
            ["ssl.truststore.certificates": inOneLine(try text("ca.pem"))],
            ["ssl.ca.location": files.path("ca.pem")],
            // As for Java, the certificate itself may be what is trusted.
            ["ssl.truststore.location": files.path("server.pem")],
        ]
        for (server, client) in zip(servers, clients) {
            let pair = Pair(
                client: try TLSSession(try context(.client, client), hostname: "127.0.0.1"),
                server: try TLSSession(try context(.server, server), hostname: nil))
            try pair.connect()
        }
    }

    @Test("Each fault is named, with its remedy and without secrets")
    func faults() async throws {
        let files = try await TestCertificates.shared()
        func fault(_ properties: [String: String], _ role: TLSContext.Role = .server) -> String {
            do throws(TLSError) {
                _ = try TLSContext(try TLSSettings { properties[$0] }, role: role)
                return ""
            } catch {
                #expect(error.kind == .configuration && !error.isRetriable)
                #expect(!error.message.contains("hush-hush"))
                return error.message
            }
        }
        #expect(fault([:]).contains("ssl.keystore.location"))
        #expect(fault(["ssl.keystore.location": "/no/such/file"]).contains("/no/such/file"))
        let p12 = ["ssl.keystore.location": files.path("server.p12"), "ssl.keystore.password": "hush-hush"]
        #expect(fault(p12).contains("ssl.keystore.password"))
        let pem = ["ssl.keystore.location": files.path("server.encrypted.pem")]
        #expect(fault(pem).contains("ssl.key.password"))
        #expect(fault(pem.merging(["ssl.key.password": "hush-hush"]) { $1 }).contains("ssl.key.password"))
        let trust = ["ssl.truststore.location": files.path("ca.p12"), "ssl.truststore.password": "hush-hush"]
        #expect(fault(trust, .client).contains("ssl.truststore.password"))
        #expect(
            fault(["ssl.truststore.location": files.path("expired.ext")], .client).contains("neither PEM nor PKCS12"))
        #expect(fault(["ssl.enabled.protocols": "TLSv1,SSLv3"], .client).contains("ssl.enabled.protocols"))
        #expect(fault(["ssl.client.auth": "maybe"]).contains("ssl.client.auth"))
        #expect(fault(["ssl.cipher.suites": "NONSENSE"], .client).contains("ssl.cipher.suites"))
        #expect(fault(["ssl.keystore.key": "x"]).contains("ssl.keystore.certificate.chain"))
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        try Data([0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2]).write(to: URL(fileURLWithPath: "\(folder)/store.jks"))
        #expect(fault(["ssl.keystore.location": "\(folder)/store.jks"]).contains("keytool -importkeystore"))
        // A key that is not the certificate's.
        let mixed = [
            "ssl.certificate.location": files.path("server.pem"), "ssl.key.location": files.path("alice.key"),
        ]
        #expect(fault(mixed).contains("does not belong"))
        var dumped = ""
        dump(try TLSSettings { p12[$0] }, to: &dumped)
        let printed = "\(try TLSSettings { p12[$0] })"
        #expect(!dumped.contains("hush-hush") && !printed.contains("hush-hush"))
    }

    @Test("A certificate that is not good is refused, and the reason told")
    func refusals() async throws {
        let files = try await TestCertificates.shared()
        func clientFault(
            _ keystore: String, _ client: [String: String], host: String = "localhost"
        ) async -> String {
            do {
                try await pair(client: client, keystore: keystore, hostname: host).connect()
                return ""
            } catch let error as TLSError {
                #expect(error.kind == .authentication && !error.isRetriable)
                return error.message
            } catch {
                return "\(error)"
            }
        }
        let trusting = files.properties()
        #expect(await clientFault("expired.keystore.pem", trusting).contains("has expired"))
        #expect(await clientFault("elsewhere.keystore.pem", trusting).contains("for another host"))
        #expect(await clientFault("server.keystore.pem", trusting, host: "127.0.0.2").contains("for another host"))
        #expect(
            await clientFault("server.keystore.pem", files.properties(truststore: "other-ca.pem"))
                .contains("ssl.truststore.location"))
        #expect(await clientFault("alice.keystore.pem", trusting, host: "alice").contains("serverAuth"))
        #expect(
            await clientFault(
                "elsewhere.keystore.pem", trusting.merging(["ssl.endpoint.identification.algorithm": ""]) { $1 }) == "")
    }

    @Test("Damaged bytes end a session with an error, whatever they are", arguments: 0..<40)
    func damage(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let files = try await TestCertificates.shared()
        let pair = try await pair(client: files.properties())
        _ = try pair.client.handshake()
        var hello = try #require(pair.client.takeOutgoing())
        if seed % 2 == 0 {
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let position = Int.random(in: 0..<hello.readableBytes, using: &random)
                hello.setInteger(UInt8.random(in: 0...255, using: &random), at: position)
            }
        } else {
            hello = ByteBuffer(bytes: (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) })
            hello.setBytes([22, 3, 1, 1, 0], at: 0)
        }
        pair.server.received(hello)
        // Either it is still a good beginning, or an error: never more.
        _ = try? pair.server.handshake()
    }
}

private struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
