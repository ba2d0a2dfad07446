import Foundation
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import Testing

@testable import KafkaBroker

@Suite("SASL") struct SaslTests {
    private static let jaas =
        #"org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret" user_carl="c";"#
    private static let properties = [
        "listeners": "SECURE://127.0.0.1:0", "listener.security.protocol.map": "SECURE:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.secure.plain.sasl.jaas.config": jaas,
    ]
    private static let compat = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Compat").path

    /// A broker with alice, whose password for SCRAM was set before the first start.
    private func withBroker(_ body: (TestBroker) async throws -> Void) async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        var configuration = try BrokerConfiguration(properties: Self.properties)
        configuration.dataDirectory = folder
        let user = try ScramUser(parsing: "SCRAM-SHA-512=[name=alice,password=scram-secret]")
        _ = try BrokerStorage.format(
            configuration, users: [user], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let broker = try await TestBroker.start(dataDirectory: folder, properties: Self.properties)
        do {
            try await body(broker)
        } catch {
            await broker.stop()
            TestBroker.removeDirectory(folder)
            throw error
        }
        await broker.stop()
        TestBroker.removeDirectory(folder)
    }

    @Test(
        "Foreign clients authenticate, and are refused with a wrong password",
        arguments: [("confluent_kafka", "librdkafka"), ("kafka", "kafka-python")])
    func foreignClients(module: String, folder: String) async throws {
        guard ForeignClientTests.has(module) else { return }
        try await withBroker { broker in
            let result = try await ForeignClientTests.run([
                "timeout", "120", "python3", "\(Self.compat)/\(folder)/sasl.py", broker.bootstrapServers,
            ])
            #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(3000))")
        }
    }

    @Test("Listeners are read as Kafka reads them; what is missing is named")
    func configuration() throws {
        var properties = Self.properties
        properties["listeners"] = "PLAINTEXT://127.0.0.1:9092,SECURE://[::1]:9093,CONTROLLER://:9094"
        properties["advertised.listeners"] = "SECURE://kafka.example:19093"
        let listeners = try BrokerConfiguration(properties: properties).listeners
        #expect(listeners.map(\.name) == ["PLAINTEXT", "SECURE"])
        #expect(listeners.map(\.port) == [9092, 9093])
        #expect(listeners[1].host == "::1" && listeners[1].advertisedHost == "kafka.example")
        #expect(listeners[1].advertisedPort == 19093 && listeners[0].advertisedHost == nil)
        #expect(listeners[1].mechanisms == ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
        #expect(try BrokerConfiguration(properties: properties).unknownNames.isEmpty)

        func fault(_ name: String, _ value: String?) -> String {
            var changed = properties
            changed[name] = value
            do {
                _ = try BrokerConfiguration(properties: changed)
                return ""
            } catch {
                return error.message
            }
        }
        #expect(fault("listener.security.protocol.map", nil).contains("SECURE"))
        #expect(fault("sasl.enabled.mechanisms", "GSSAPI").contains("GSSAPI"))
        let setting = "listener.name.secure.plain.sasl.jaas.config"
        #expect(fault(setting, nil).contains(setting))
        let broken = fault(setting, "org.example.Module required user_alice=\"hush-hush\"")
        #expect(broken.contains(setting) && !broken.contains("hush-hush"))
        #expect(fault("listeners", "SECURE://127.0.0.1:1,SECURE://127.0.0.1:2").contains("twice"))
    }

    @Test("No password is shown")
    func secretsAreHidden() throws {
        let configuration = try BrokerConfiguration(properties: Self.properties)
        var dumped = ""
        dump(configuration.listeners, to: &dumped)
        #expect(!dumped.contains("alice-secret") && !"\(configuration.listeners)".contains("alice-secret"))
        #expect(!configuration.properties.values.contains { $0.contains("alice-secret") })
        let text = "SCRAM-SHA-256=[name=bob,password=hush-hush"
        #expect(throws: BrokerError.self) { try ScramUser(parsing: text) }
        do { _ = try ScramUser(parsing: text) } catch { #expect(!error.message.contains("hush-hush")) }
    }

    @Test("A session takes its messages in order and nothing else")
    func session() throws {
        let listener = try #require(try BrokerConfiguration(properties: Self.properties).listeners.first)
        var session = SaslSession(listener)
        #expect(!session.isAuthenticated && session.allows(.apiVersions) && !session.allows(.metadata))
        #expect(!session.allows(.saslAuthenticate))
        #expect(session.handshake("GSSAPI") == .unsupportedSaslMechanism)
        #expect(session.handshake("PLAIN") == nil)
        #expect(session.handshake("PLAIN") == .illegalSaslState)
        #expect(session.allows(.saslAuthenticate) && !session.allows(.produce))
        guard case .answer = session.authenticate(Array("\0alice\0alice-secret".utf8), credential: { _, _ in nil })
        else {
            Issue.record("refused")
            return
        }
        #expect(session.isAuthenticated && session.allows(.produce))
        for message in ["", "\0alice\0alice-secreT", "\0alice\0", "bob\0alice\0alice-secret", "\0\0", "alice"] {
            var session = SaslSession(listener)
            #expect(session.handshake("PLAIN") == nil)
            guard
                case .refuse(.saslAuthenticationFailed, let words) = session.authenticate(
                    Array(message.utf8), credential: { _, _ in nil })
            else {
                Issue.record("accepted: \(message)")
                continue
            }
            #expect(!words.contains("secret") && !session.isAuthenticated && !session.allows(.saslAuthenticate))
        }
        #expect(SaslSession(Listener()).isAuthenticated)
    }

    @Test("A request before the authentication closes the connection")
    func gate() async throws {
        try await withBroker { broker in
            let early = try RawConnection(port: broker.port)
            var versions = ApiVersionsRequest()
            versions.clientSoftwareName = "raw"
            versions.clientSoftwareVersion = "1"
            let keys = try early.call(versions).apiKeys.map(\.apiKey)
            #expect(keys.contains(17) && keys.contains(36) && keys.contains(50) && keys.contains(51))
            try early.send(MetadataRequest(), version: 12)
            #expect(early.isClosedByPeer())

            // Until then no request is large.
            let large = try RawConnection(port: broker.port)
            try large.send(ByteBuffer(integer: Int32(600_000)))
            #expect(large.isClosedByPeer())

            let unknown = try RawConnection(port: broker.port)
            var handshake = SaslHandshakeRequest()
            handshake.mechanism = "GSSAPI"
            let answer = try unknown.call(handshake, version: 1)
            #expect(answer.errorCode == .unsupportedSaslMechanism)
            #expect(answer.mechanisms == ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
            handshake.mechanism = "PLAIN"
            let accepted = try unknown.call(handshake, version: 1)
            #expect(accepted.errorCode == .none)
            var message = SaslAuthenticateRequest()
            message.authBytes = ByteBuffer(string: "\0alice\0wrong")
            let refusal = try unknown.call(message)
            #expect(refusal.errorCode == .saslAuthenticationFailed)
            #expect(unknown.isClosedByPeer())
        }
    }
}
