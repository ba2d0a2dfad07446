import Foundation
import KafkaProtocol
import KafkaTesting
import Testing
import TransportSecurity

@testable import KafkaBroker

@Suite("OAUTHBEARER")
struct OAuthTests {
    private static let compat = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Compat").path
    private static let script = "\(compat)/librdkafka/oauth.py"

    @Test(
        "librdkafka logs in with signed tokens, and others are refused",
        .enabled(if: ForeignClientTests.has("confluent_kafka")))
    func librdkafka() async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        let made = try await ForeignClientTests.run(["python3", Self.script, "keys", folder])
        try #require(made.status == 0, "\(made.output)")
        let broker = try await TestBroker.start(properties: [
            "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "OAUTHBEARER",
            "sasl.oauthbearer.jwks.endpoint.url": "file://\(folder)/jwks.json",
            "sasl.oauthbearer.expected.issuer": "me", "sasl.oauthbearer.expected.audience": "kafka,other-broker",
        ])
        let result = try await ForeignClientTests.run([
            "timeout", "120", "python3", Self.script, "run", broker.bootstrapServers, folder,
        ])
        #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(3000))")
        await broker.stop()
    }

    @Test("What is missing or cannot be used is named")
    func configuration() throws {
        func fault(_ more: [String: String]) -> String {
            let properties = ["listeners": "SASL_SSL://:0", "sasl.enabled.mechanisms": "OAUTHBEARER"]
            do {
                _ = try BrokerConfiguration(properties: properties.merging(more) { $1 })
                return ""
            } catch { return error.message }
        }
        #expect(fault([:]).contains("sasl.oauthbearer.jwks.endpoint.url"))
        #expect(fault(["sasl.oauthbearer.jwks.endpoint.url": "https://issuer/keys"]).contains("file:///"))
        #expect(fault(["sasl.oauthbearer.unsecured.tokens.allow": "true"]) == "")
        let skew = ["sasl.oauthbearer.unsecured.tokens.allow": "true", "sasl.oauthbearer.clock.skew.seconds": "x"]
        #expect(fault(skew).contains("clock.skew"))
    }

    /// The dialogue of RFC 7628, section 4.
    @Test("A token that is refused is answered, acknowledged and then refused")
    func dialogue() throws {
        var properties = ["listeners": "SASL_PLAINTEXT://:0", "sasl.enabled.mechanisms": "OAUTHBEARER"]
        properties["sasl.oauthbearer.unsecured.tokens.allow"] = "true"
        let listener = try #require(try BrokerConfiguration(properties: properties).listeners.first)
        var session = SaslSession(listener)
        #expect(session.handshake("OAUTHBEARER") == nil && session.allows(.saslAuthenticate))
        let message = Array("n,,\u{1}auth=Bearer x.y.z\u{1}\u{1}".utf8)
        let tokens = try TokenVerifier(listener.tokenRules)
        guard case .answer(let bytes) = session.authenticate(message, tokens: tokens, credential: { _, _ in nil })
        else {
            Issue.record("refused at once")
            return
        }
        #expect(String(decoding: bytes, as: UTF8.self).contains("invalid_token") && !session.isAuthenticated)
        guard case .refuse(.saslAuthenticationFailed, _) = session.authenticate([1], credential: { _, _ in nil })
        else {
            Issue.record("not refused")
            return
        }
        #expect(!session.isAuthenticated && !session.allows(.saslAuthenticate))
    }
}
