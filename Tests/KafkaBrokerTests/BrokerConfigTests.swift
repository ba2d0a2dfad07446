import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Settings of the broker that change while it runs (KIP-226).
@Suite("Broker settings", .serialized)
struct BrokerConfigTests {
    private typealias Alterable = IncrementalAlterConfigsRequest.AlterConfigsResource

    private func alter(
        _ resource: String, type: Int8 = 4, _ changes: [(String, Int8, String?)], validateOnly: Bool = false,
        _ connection: RawConnection
    ) throws -> IncrementalAlterConfigsHandler.Result {
        var entry = Alterable()
        (entry.resourceType, entry.resourceName) = (type, resource)
        entry.configs = changes.map { name, operation, value in
            var config = Alterable.AlterableConfig()
            (config.name, config.configOperation, config.value) = (name, operation, value)
            return config
        }
        var request = IncrementalAlterConfigsRequest()
        (request.resources, request.validateOnly) = ([entry], validateOnly)
        return try #require(try connection.call(request).responses.first)
    }

    private func describe(
        _ type: Int8, _ resource: String, _ name: String?, _ connection: RawConnection
    ) throws -> [DescribeConfigsHandler.Entry] {
        var entry = DescribeConfigsRequest.DescribeConfigsResource()
        (entry.resourceType, entry.resourceName, entry.configurationKeys) = (type, resource, name.map { [$0] })
        var request = DescribeConfigsRequest()
        (request.resources, request.includeSynonyms) = ([entry], true)
        return try #require(try connection.call(request).results.first).configs
    }

    /// The numbers of the sources are those of Kafka's DescribeConfigsResponse: 2 this broker, 3 the cluster's default,
    /// 4 the file, 5 Kafka's default.
    @Test("This broker's settings win over the cluster's, and those over the file; they take effect and stay")
    func layers() async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        var broker = try await TestBroker.start(
            dataDirectory: folder, properties: ["message.max.bytes": "2000"])
        var connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let large = try RawConnection.batch([String(repeating: "x", count: 1000)])
        #expect(try connection.produce("t", large).errorCode == .none)

        #expect(try alter("", [("message.max.bytes", 0, "500")], validateOnly: true, connection).errorCode == .none)
        #expect(try connection.produce("t", large).errorCode == .none)
        #expect(try alter("", [("message.max.bytes", 0, "500")], connection).errorCode == .none)
        #expect(try connection.produce("t", large).errorCode == .messageTooLarge)
        #expect(try describe(4, "", nil, connection).map(\.name) == ["message.max.bytes"])
        let cluster = try #require(try describe(4, "1", "message.max.bytes", connection).first)
        #expect(cluster.value == "500" && cluster.configSource == 3 && !cluster.readOnly)
        #expect(cluster.synonyms.map(\.source) == [3, 4, 5])
        #expect(cluster.synonyms.map(\.value) == ["500", "2000", "1048588"])

        #expect(try alter("1", [("message.max.bytes", 0, "3000")], connection).errorCode == .none)
        #expect(try connection.produce("t", large).errorCode == .none)
        let topic = try #require(try describe(2, "t", "max.message.bytes", connection).first)
        #expect(topic.value == "3000" && topic.configSource == 2)
        #expect(topic.synonyms.map(\.source) == [2, 3, 4, 5])

        await broker.stop(keepingData: true)
        broker = try await TestBroker.start(dataDirectory: folder)
        connection = try RawConnection(port: broker.port)
        let kept = try #require(try describe(4, "1", "message.max.bytes", connection).first)
        #expect(kept.synonyms.map(\.source) == [2, 3, 5] && kept.value == "3000")
        #expect(try alter("1", [("message.max.bytes", 1, nil)], connection).errorCode == .none)
        #expect(try connection.produce("t", large).errorCode == .messageTooLarge)
        #expect(try alter("", [("message.max.bytes", 1, nil)], connection).errorCode == .none)
        #expect(try connection.produce("t", large).errorCode == .none)
        #expect(try describe(4, "", nil, connection).isEmpty)
        await broker.stop()
    }

    @Test("Lists are appended to; limits of connections change at once and come back")
    func limits() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        #expect(try alter("1", [("log.cleanup.policy", 2, "compact")], connection).errorCode == .none)
        #expect(try describe(4, "1", "log.cleanup.policy", connection).first?.value == "delete,compact")
        #expect(try alter("", [("max.connections.per.ip.overrides", 0, "127.0.0.1:1")], connection).errorCode == .none)
        #expect(try RawConnection(port: broker.port).isClosedByPeer())
        // AlterConfigs replaces all that was set.
        var config = AlterConfigsRequest.AlterConfigsResource.AlterableConfig()
        (config.name, config.value) = ("log.retention.ms", "1000")
        var resource = AlterConfigsRequest.AlterConfigsResource()
        (resource.resourceType, resource.configs) = (4, [config])
        var request = AlterConfigsRequest()
        request.resources = [resource]
        #expect(try connection.call(request).responses.first?.errorCode == ErrorCode.none)
        #expect(try describe(4, "", nil, connection).map(\.name) == ["log.retention.ms"])
        _ = try RawConnection(port: broker.port).call(MetadataRequest(), version: 12)
        await broker.stop()
    }

    /// Kafka's GroupConfig: 8 is the source, the bounds are those of group.consumer.{min,max}.*.
    @Test("A group has settings of its own, which its members are told, within the broker's bounds")
    func groups() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let name = "consumer.heartbeat.interval.ms"
        #expect(try alter("g", type: 32, [(name, 0, "7000")], connection).errorCode == .none)
        let own = try #require(try describe(32, "g", name, connection).first)
        #expect(own.value == "7000" && own.configSource == 8 && own.synonyms.map(\.source) == [8, 5])
        let timeout = try #require(try describe(32, "g", "consumer.session.timeout.ms", connection).first)
        #expect(timeout.value == "45000" && timeout.configSource == 5)
        func interval(_ group: String) throws -> Int32 {
            var join = ConsumerGroupHeartbeatRequest()
            (join.groupId, join.memberId, join.memberEpoch) = (group, KafkaUUID.random().description, 0)
            (join.rebalanceTimeoutMs, join.subscribedTopicNames, join.topicPartitions) = (60_000, ["t"], [])
            return try connection.call(join).heartbeatIntervalMs
        }
        #expect(try interval("g") == 7000 && interval("other") == 5000)
        var list = ListConfigResourcesRequest()
        list.resourceTypes = [32]
        #expect(try connection.call(list).configResources.map(\.resourceName) == ["g"])
        let late = try alter("g", type: 32, [("consumer.session.timeout.ms", 0, "60001")], connection)
        #expect(late.errorCode == .invalidConfig)
        #expect(late.errorMessage?.contains("group.consumer.max.session.timeout.ms") == true)
        #expect(try alter("g", type: 32, [("nonsense", 0, "1")], connection).errorCode == .invalidConfig)
        #expect(try alter("g", type: 32, [(name, 1, nil)], connection).errorCode == .none)
        #expect(try describe(32, "g", name, connection).first?.configSource == 5)
        await broker.stop()
    }

    @Test("What cannot be changed while the broker runs is refused by name")
    func refusals() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        func refusal(_ resource: String, _ name: String, _ value: String?) throws -> String {
            let answer = try alter(resource, [(name, 0, value)], connection)
            #expect(answer.errorCode == .invalidRequest)
            return answer.errorMessage ?? ""
        }
        #expect(
            try refusal("1", "log.dirs", "/tmp").hasPrefix("Cannot update these configs dynamically: Set(log.dirs)"))
        #expect(try refusal("1", "nonsense", "1").contains("nonsense"))
        #expect(try refusal("1", "message.max.bytes", "x").contains("Not a number of type INT"))
        #expect(try refusal("1", "max.connections.per.ip.overrides", "here").contains("address:count"))
        #expect(try refusal("7", "message.max.bytes", "1").contains("expected 1"))
        #expect(try refusal("x", "message.max.bytes", "1").contains("must be an integer"))
        #expect(try describe(4, "1", "log.dirs", connection).first?.readOnly == true)
        await broker.stop()
    }

    @Test("librdkafka changes and shows them", .enabled(if: ForeignClientTests.has("confluent_kafka")))
    func librdkafka() async throws {
        let broker = try await TestBroker.start()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Compat/librdkafka/broker_configs.py").path
        let result = try await ForeignClientTests.run([
            "timeout", "60", "python3", script, broker.bootstrapServers,
        ])
        #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(2000))")
        await broker.stop()
    }
}
