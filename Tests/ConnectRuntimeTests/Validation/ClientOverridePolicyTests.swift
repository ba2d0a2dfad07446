import ConnectAPI
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Kafka's policies for settings of a connector's clients (KIP-458, KIP-1188).
struct ClientOverridePolicyTests {
    private func policy(_ value: String, allowed: String = "") throws -> ClientOverridePolicy {
        var reader = WorkerProperties([
            "connector.client.config.override.policy": value, "connector.client.config.override.allowlist": allowed,
        ])
        return try ClientOverridePolicy.read(&reader)
    }

    @Test(arguments: [
        ("All", "acks", true), ("all", "sasl.jaas.config", true), ("None", "acks", false),
        ("Principal", "sasl.jaas.config", true), ("Principal", "security.protocol", true), ("Principal", "acks", false),
        ("Allowlist", "linger.ms", true), ("Allowlist", "acks", false),
        ("org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy", "acks", false),
    ])
    func whatMayBeSet(_ value: String, _ name: String, _ isAllowed: Bool) throws {
        #expect((try policy(value, allowed: "linger.ms, batch.size").refusal(of: name) == nil) == isAllowed)
    }

    @Test func anUnknownPolicyIsRefused() {
        #expect(throws: ConnectError.self) { try policy("Some") }
    }

    @Test func aConnectorThatSetsWhatItMayNotIsRefused() async throws {
        let environment = ConnectorValidator.Environment(
            keyConverter: "k", valueConverter: "v", headerConverter: "h", converters: [], headerConverters: [],
            converterVersion: "1", hasConverter: { _ in true }, hasHeaderConverter: { _ in true },
            plugins: PluginRegistry(), clientOverrides: .none)
        let infos = await ConnectorValidator(environment: environment).validate(
            FakeSource(), type: .source,
            config: [
                "name": "x", "connector.class": FakeSource.className, "producer.override.acks": "1",
                "consumer.override.sasl.jaas.config": "s3cret",
            ])
        #expect(infos.errorCount == 2)
        #expect(ConnectorValidator.refusal(infos)?.message.contains("s3cret") == false)
    }
}
