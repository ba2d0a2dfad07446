import Foundation
import KafkaProtocol
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing
import TransportSecurity

@testable import KafkaBroker

/// Keeps what a broker logs.
private final class LogLines: Sendable {
    private let lines = NIOLockedValueBox<[String]>([])

    private struct Handler: LogHandler {
        let lines: NIOLockedValueBox<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            lines.withLockedValue { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self.lines) } }

    /// Whether a line with these words is there.
    func has(_ words: String) -> Bool { lines.withLockedValue { $0.contains { $0.contains(words) } } }

    /// Waits until a line with these words is there.
    func wait(for words: String) async {
        let deadline = ContinuousClock.now + .seconds(20)
        while !has(words) {
            guard ContinuousClock.now < deadline else {
                Issue.record("not logged: \(words); but \(lines.withLockedValue { $0 })")
                return
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}

@Suite("TLS", .serialized)
struct TLSTests {
    private static let compat = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Compat").path

    /// Three listeners: encrypted, encrypted with a login, encrypted with a client's certificate; and a plain one.
    private func properties(_ files: TestCertificates) -> [String: String] {
        files.properties(keystore: "server.keystore.pem").merging([
            "listeners": "SSL://127.0.0.1:0,LOGIN://127.0.0.1:0,MUTUAL://127.0.0.1:0,PLAIN://127.0.0.1:0",
            "listener.security.protocol.map": "LOGIN:SASL_SSL,MUTUAL:SSL,PLAIN:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN", "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.login.plain.sasl.jaas.config":
                #"org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";"#,
        ]) { $1 }
    }

    private func withBroker(
        _ more: [String: String] = [:], logger: Logger? = nil,
        _ body: (TestBroker, TestCertificates) async throws -> Void
    ) async throws {
        let files = try await TestCertificates.shared()
        let broker = try await TestBroker.start(
            properties: properties(files).merging(more) { $1 }, logger: logger)
        do {
            try await body(broker, files)
        } catch {
            await broker.stop()
            throw error
        }
        await broker.stop()
    }

    @Test(
        "Foreign clients speak TLS, log in and show certificates; what is wrong is refused",
        arguments: [("confluent_kafka", "librdkafka"), ("kafka", "kafka-python"), ("aiokafka", "aiokafka")])
    func foreignClients(module: String, folder: String) async throws {
        guard ForeignClientTests.has(module) else { return }
        try await withBroker { broker, files in
            let ports = broker.broker.ports
            let result = try await ForeignClientTests.run(
                ["timeout", "120", "python3", "\(Self.compat)/\(folder)/tls.py"]
                    + ["SSL", "LOGIN", "MUTUAL"].map { String(ports[$0] ?? 0) } + [files.folder])
            #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(3000))")
        }
    }

    @Test("kcat, of an older librdkafka, logs in over TLS", .enabled(if: ForeignClientTests.has("kcat")))
    func kcat() async throws {
        try await withBroker { broker, files in
            let security =
                "-b localhost:\(broker.broker.ports["LOGIN"] ?? 0) -X security.protocol=SASL_SSL "
                + "-X ssl.ca.location=\(files.path("ca.pem")) -X sasl.mechanism=PLAIN -X sasl.username=alice "
                + "-X sasl.password=alice-secret -X broker.address.family=v4 -t kcat"
            let result = try await ForeignClientTests.run([
                "timeout", "60", "bash", "-c", "echo value | kcat \(security) -P && kcat \(security) -C -e -q",
            ])
            #expect(result.status == 0 && result.output.hasSuffix("value\n"), "\(result.output.suffix(2000))")
        }
    }

    @Test("A client that does not fit the listener is told so, and so is the log")
    func strangers() async throws {
        let log = LogLines()
        try await withBroker(logger: log.logger) { broker, _ in
            let ports = broker.broker.ports
            let plain = try RawConnection(port: try #require(ports["SSL"]))
            var versions = ApiVersionsRequest()
            versions.clientSoftwareName = "raw"
            versions.clientSoftwareVersion = "1"
            try plain.send(versions, version: 3)
            // An alert of TLS: protocol_version.
            #expect(try plain.receiveBytes(7) == [21, 3, 3, 0, 2, 2, 70])
            #expect(plain.isClosedByPeer())
            await log.wait(for: "the client does not speak TLS")

            let enciphered = try RawConnection(port: try #require(ports["PLAIN"]))
            try enciphered.send(ByteBuffer(bytes: [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))
            #expect(enciphered.isClosedByPeer())
            await log.wait(for: "speaks TLS to a listener without")
        }
    }

    @Test("Settings of TLS are read per listener, and kept from those who ask")
    func configuration() async throws {
        let files = try await TestCertificates.shared()
        var properties = properties(files)
        properties["ssl.client.auth"] = "requested"
        properties["ssl.keystore.password"] = "hush-hush"
        let configuration = try BrokerConfiguration(properties: properties)
        #expect(configuration.unknownNames.isEmpty)
        // As in Kafka, the setting without a listener's name is not for SASL_SSL.
        let modes: [TLSSettings.ClientAuthentication?] = [
            .requested, TLSSettings.ClientAuthentication.none, .required, nil,
        ]
        #expect(configuration.listeners.map { $0.tls?.clientAuthentication } == modes)
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!configuration.properties.values.contains("hush-hush"))
        #expect(!"\(configuration.listeners)".contains("hush-hush"))
        properties["ssl.client.auth"] = "perhaps"
        do {
            _ = try BrokerConfiguration(properties: properties)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains("ssl.client.auth") && error.message.contains("SSL"))
        }
    }

    @Test("A broker without a certificate does not start, and says what is missing")
    func missing() async throws {
        do {
            _ = try await TestBroker.start(properties: ["listeners": "SSL://127.0.0.1:0"])
            Issue.record("started")
        } catch let error as BrokerError {
            #expect(error.message.contains("SSL") && error.message.contains("ssl.keystore.location"))
        }
    }

    /// The examples of Kafka's documentation (Security, `ssl.principal.mapping.rules`).
    @Test(
        "Certificates' names become users' names by Kafka's rules",
        arguments: [
            ("DEFAULT", "CN=a,OU=b", "CN=a,OU=b"),
            (
                "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "CN=serviceuser,OU=ServiceUsers,O=Unknown,C=Unknown",
                "serviceuser"
            ),
            (
                "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L",
                "CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "adminuser@admin"
            ),
            ("RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L,DEFAULT", "O=x,CN=Bob.B,C=NO", "bob.b"),
            ("RULE:^OU=x$/$1/, RULE:CN=(\\w+)/$1/U", "CN=bob", "BOB"),
        ])
    func mapping(rules: String, subject: String, name: String) throws {
        #expect(try PrincipalRules(rules).name(of: subject) == name)
    }

    @Test("Rules that fit nothing refuse, and those that are none are named")
    func badMapping() throws {
        #expect(try PrincipalRules("RULE:^CN=x$/x/").name(of: "CN=y") == nil)
        for text in ["RULE:^CN=x", "RULE:(/x/", "RULE:a/b/Q", "nonsense"] {
            do {
                _ = try PrincipalRules(text)
                Issue.record("accepted: \(text)")
            } catch { #expect(error.message.contains("ssl.principal.mapping.rules")) }
        }
    }

    /// The certificate that a listener shows, by the `openssl` program: its subject.
    private func subject(_ broker: TestBroker, _ listener: String) async throws -> String {
        let command = "openssl s_client -connect 127.0.0.1:\(broker.broker.ports[listener] ?? 0) </dev/null 2>/dev/null"
        return try await ForeignClientTests.run(["bash", "-c", command + " | openssl x509 -noout -subject"]).output
    }

    @Test("A renewed certificate is shown to new connections; one that cannot be used is logged, and the old one stays")
    func renewal() async throws {
        let files = try await TestCertificates.shared()
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        let keystore = "\(folder)/keystore.pem"
        func put(_ text: String) throws {
            // Put in place as a whole, as certbot and cert-manager do.
            try text.write(toFile: keystore, atomically: true, encoding: .utf8)
        }
        try put(String(contentsOfFile: files.path("server.keystore.pem"), encoding: .utf8))
        let log = LogLines()
        try await withBroker(["ssl.keystore.location": keystore], logger: log.logger) { broker, _ in
            #expect(try await subject(broker, "SSL").contains("localhost"))
            try put("no certificate")
            try await eventually {
                _ = try await subject(broker, "SSL"); return log.has("cannot be used")
            }
            #expect(try await subject(broker, "SSL").contains("localhost"))
            try put(String(contentsOfFile: files.path("elsewhere.keystore.pem"), encoding: .utf8))
            try await eventually { try await subject(broker, "SSL").contains("elsewhere.example") }
            try await eventually { try await subject(broker, "LOGIN").contains("elsewhere.example") }
        }
    }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<100 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("it did not come to pass")
    }
}
