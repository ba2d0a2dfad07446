import ConnectAPI
import KafkaClient
import KafkaTesting
import Logging
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// `topic.creation.*` (KIP-158), with the groups of its own example.
@Suite(.timeLimit(.minutes(1)))
struct TopicCreationTests {
    private let config: ConnectorProperties = [
        "connector.class": RowSource.className, "system": "creation", "topic": "t",
        "topic.creation.groups": "compacted,highly_parallel", "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "2", "topic.creation.highly_parallel.include": "hpc.*,parallel.*",
        "topic.creation.highly_parallel.exclude": ".*internal,.*metadata",
        "topic.creation.highly_parallel.partitions": "5", "topic.creation.compacted.include": "configurations",
        "topic.creation.compacted.cleanup.policy": "compact",
    ]

    @Test func groupsSayHowTopicsAreMade() async throws {
        let broker = try await TestBroker.start()
        FakeSystem.named("creation").rows = 1
        let worker = try await startWorker(broker)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let admin = try KafkaAdminClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: logger)
        let expected: OrderedDictionary = [
            "plain": 2, "hpc.rows": 5, "parallel-1": 5, "hpc.metadata": 2, "configurations": 2,
        ]
        for topic in expected.keys {
            _ = try await worker.herder.createConnector(
                name: "c-\(topic)", config: config.merging(["topic": topic]) { $1 }, initialState: nil)
        }
        for (topic, count) in expected {
            try await until { try await worker.herder.activeTopics(of: "c-\(topic)") == [topic] }
            let description = try await admin.describeTopics([topic])[topic]?.get()
            #expect(description?.partitions.count == count, "\(topic)")
        }
        let resources = ["configurations", "plain"].map { ConfigResource(.topic, $0) }
        let configs = try await admin.describeConfigs(resources, keys: ["cleanup.policy"])
        #expect(try resources.map { try configs[$0]?.get().first?.value } == ["compact", "delete"])
        await admin.close()
        await worker.shutdown()
        await broker.stop()
    }

    @Test(arguments: [
        ("topic.creation.default.partitions", nil), ("topic.creation.default.replication.factor", nil),
        ("topic.creation.default.partitions", "0"), ("topic.creation.highly_parallel.partitions", "many"),
        ("topic.creation.compacted.include", "("), ("topic.creation.groups", "compacted,compacted"),
        ("topic.creation.groups", "default"),
    ])
    func mistakesAreNamed(_ option: String, _ value: String?) async throws {
        var config = config
        config[option] = value
        let entries = TopicCreationValidation.entries(config.plain)
        let wrong = entries.filter { !$0.value.errors.isEmpty }.map(\.value.name)
        #expect(wrong == (option == "topic.creation.groups" ? [] : [option]))
        #expect((TopicCreationValidation.problem(config.plain) != nil) == (option == "topic.creation.groups"))
        let infos = await ConnectorValidatorTests().validator.validate(RowSource(), type: .source, config: config)
        #expect(infos.configs.filter { !$0.value.errors.isEmpty }.map(\.value.name).contains(option))
    }

    @Test func withoutThemTheBrokerMakesTopics() {
        #expect(TopicCreationValidation.entries(["topic": "t"]).isEmpty)
        let problems = TopicCreationValidation.entries(config.plain).flatMap(\.value.errors)
        #expect(problems == [])
    }
}
