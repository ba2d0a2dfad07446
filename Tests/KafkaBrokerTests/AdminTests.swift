import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Topics and settings.
@Suite("Administration")
struct AdminTests {
    private func create(
        _ connection: RawConnection, _ name: String, partitions: Int32 = 1, replicas: Int16 = 1,
        configs: [(String, String?)] = [], validateOnly: Bool = false
    ) throws -> CreateTopicsResponse.CreatableTopicResult {
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = replicas
        topic.configs = configs.map { key, value in
            var config = CreateTopicsRequest.CreatableTopic.CreatableTopicConfig()
            config.name = key
            config.value = value
            return config
        }
        var request = CreateTopicsRequest()
        request.topics = [topic]
        request.validateOnly = validateOnly
        return try #require(try connection.call(request).topics.first)
    }

    private func metadata(
        _ connection: RawConnection, _ name: String, create: Bool
    ) throws -> MetadataResponse.MetadataResponseTopic {
        var topic = MetadataRequest.MetadataRequestTopic()
        topic.name = name
        var request = MetadataRequest()
        request.topics = [topic]
        request.allowAutoTopicCreation = create
        return try #require(try connection.call(request).topics.first)
    }

    @Test("What CreateTopics refuses, with a message that says why")
    func createTopics() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        let made = try create(connection, "a.b", partitions: 3, configs: [("retention.ms", "60000")])
        #expect(made.errorCode == .none && made.numPartitions == 3 && made.replicationFactor == 1)
        #expect(made.topicId != .zero && made.errorMessage == nil)
        #expect(made.configs?.first { $0.name == "retention.ms" }?.value == "60000")
        let refusals: [(CreateTopicsResponse.CreatableTopicResult, ErrorCode, String)] = [
            (try create(connection, "a.b"), .topicAlreadyExists, "already exists"),
            (try create(connection, "a_b"), .invalidTopicException, "collides with existing topic: a.b"),
            (try create(connection, "no spaces"), .invalidTopicException, "ASCII alphanumerics"),
            (try create(connection, ".."), .invalidTopicException, "'.' or '..'"),
            (try create(connection, ""), .invalidTopicException, "empty"),
            (try create(connection, String(repeating: "x", count: 250)), .invalidTopicException, "249"),
            (try create(connection, "__cluster_metadata"), .invalidTopicException, "reserved"),
            (try create(connection, "p", partitions: 0), .invalidPartitions, "larger than 0"),
            (try create(connection, "p", partitions: .max), .invalidPartitions, "at most"),
            (try create(connection, "p", replicas: 3), .invalidReplicationFactor, "only 1 broker"),
            (try create(connection, "p", configs: [("no.such", "1")]), .invalidConfig, "no.such"),
            (try create(connection, "p", configs: [("retention.ms", "soon")]), .invalidConfig, "LONG"),
            (try create(connection, "p", configs: [("cleanup.policy", "burn")]), .invalidConfig, "compact"),
        ]
        for (result, code, words) in refusals {
            #expect(result.errorCode == code)
            #expect(result.errorMessage?.contains(words) == true, "\(result.errorMessage ?? "nil")")
        }
        #expect(try create(connection, "p", validateOnly: true).errorCode == .none)
        #expect(try metadata(connection, "p", create: false).errorCode == .unknownTopicOrPartition)
        await broker.stop()
    }

    @Test("Metadata creates topics if both sides want it, and can be asked by id")
    func autoCreation() async throws {
        let broker = try await TestBroker.start(properties: ["num.partitions": "4"])
        let connection = try RawConnection(port: broker.port)
        #expect(try metadata(connection, "auto", create: false).errorCode == .unknownTopicOrPartition)
        let made = try metadata(connection, "auto", create: true)
        #expect(made.errorCode == .none && made.partitions.count == 4)
        #expect(try metadata(connection, "not/ok", create: true).errorCode == .invalidTopicException)
        var byID = MetadataRequest.MetadataRequestTopic()
        byID.name = nil
        byID.topicId = made.topicId
        var unknown = byID
        unknown.topicId = .random()
        var request = MetadataRequest()
        request.topics = [byID, unknown]
        let answer = try connection.call(request)
        #expect(answer.topics.map(\.name) == ["auto", nil])
        #expect(answer.topics.map(\.errorCode) == [.none, .unknownTopicId])
        #expect(answer.clusterId == broker.broker.clusterID && answer.controllerId == 1)
        await broker.stop()

        let strict = try await TestBroker.start(properties: ["auto.create.topics.enable": "false"])
        let other = try RawConnection(port: strict.port)
        #expect(try metadata(other, "auto", create: true).errorCode == .unknownTopicOrPartition)
        await strict.stop()
    }

    @Test("Settings: set, append, subtract, delete; described with source and synonyms; they take effect")
    func configs() async throws {
        let broker = try await TestBroker.start(properties: ["log.retention.hours": "2"])
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        func alter(_ changes: [(String, Int8, String?)]) throws -> IncrementalAlterConfigsHandler.Result {
            var resource = IncrementalAlterConfigsRequest.AlterConfigsResource()
            resource.resourceType = 2
            resource.resourceName = "t"
            resource.configs = changes.map { name, operation, value in
                var config = IncrementalAlterConfigsRequest.AlterConfigsResource.AlterableConfig()
                config.name = name
                config.configOperation = operation
                config.value = value
                return config
            }
            var request = IncrementalAlterConfigsRequest()
            request.resources = [resource]
            return try #require(try connection.call(request).responses.first)
        }
        func describe(_ name: String) throws -> DescribeConfigsHandler.Entry {
            var resource = DescribeConfigsRequest.DescribeConfigsResource()
            resource.resourceType = 2
            resource.resourceName = "t"
            resource.configurationKeys = [name]
            var request = DescribeConfigsRequest()
            request.resources = [resource]
            request.includeSynonyms = true
            request.includeDocumentation = true
            return try #require(try connection.call(request).results.first?.configs.first)
        }
        let inherited = try describe("retention.ms")
        #expect(inherited.value == "7200000" && inherited.configSource == 4 && inherited.configType == 5)
        #expect(inherited.synonyms.map(\.source) == [4, 5] && inherited.documentation?.isEmpty == false)

        #expect(try alter([("cleanup.policy", 2, "compact")]).errorCode == .none)
        #expect(try describe("cleanup.policy").value == "delete,compact")
        #expect(try connection.produce("t", RawConnection.batch(["x"], key: nil)).errorCode == .invalidRecord)
        #expect(try alter([("cleanup.policy", 3, "compact"), ("max.message.bytes", 0, "100")]).errorCode == .none)
        #expect(try connection.produce("t", RawConnection.batch(["x"], key: nil)).errorCode == .none)
        let large = try RawConnection.batch([String(repeating: "x", count: 100)])
        #expect(try connection.produce("t", large).errorCode == .messageTooLarge)
        let own = try describe("max.message.bytes")
        #expect(own.value == "100" && own.configSource == 1 && own.synonyms.map(\.value) == ["100", "1048588"])
        #expect(try alter([("max.message.bytes", 1, nil)]).errorCode == .none)
        #expect(try describe("max.message.bytes").configSource == 5)
        #expect(try connection.produce("t", large).errorCode == .none)
        #expect(try alter([("retention.ms", 2, "5")]).errorCode == .invalidConfig)
        #expect(try alter([("nonsense", 0, "5")]).errorMessage?.contains("nonsense") == true)
        await broker.stop()
    }

    @Test("Partitions can only become more; topics are deleted by name and id; paging of partitions")
    func partitions() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        let id = try create(connection, "t", partitions: 2).topicId
        try connection.createTopic("u", partitions: 3)
        func grow(_ name: String, _ count: Int32) throws -> ErrorCode? {
            var topic = CreatePartitionsRequest.CreatePartitionsTopic()
            topic.name = name
            topic.count = count
            topic.assignments = nil
            var request = CreatePartitionsRequest()
            request.topics = [topic]
            return try connection.call(request).results.first?.errorCode
        }
        #expect(try grow("t", 2) == .invalidPartitions)
        #expect(try grow("t", 1) == .invalidPartitions)
        #expect(try grow("v", 2) == .unknownTopicOrPartition)
        #expect(try grow("t", 5) == ErrorCode.none)
        #expect(try connection.produce("t", RawConnection.batch(["x"]), partition: 4).baseOffset == 0)

        var page = DescribeTopicPartitionsRequest()
        page.responsePartitionLimit = 4
        let first = try connection.call(page)
        #expect(first.topics.map { $0.partitions.map(\.partitionIndex) } == [[0, 1, 2, 3]])
        #expect(first.nextCursor?.topicName == "t" && first.nextCursor?.partitionIndex == 4)
        var cursor = DescribeTopicPartitionsRequest.Cursor()
        cursor.topicName = "t"
        cursor.partitionIndex = 4
        page.cursor = cursor
        let second = try connection.call(page)
        #expect(second.topics.map { $0.partitions.map(\.partitionIndex) } == [[4], [0, 1, 2]])
        #expect(second.nextCursor == nil)

        var topic = DeleteTopicsRequest.DeleteTopicState()
        topic.name = nil
        topic.topicId = id
        var delete = DeleteTopicsRequest()
        delete.topics = [topic, topic]
        let deleted = try connection.call(delete).responses
        #expect(deleted.map(\.errorCode) == [.none, .unknownTopicId] && deleted.first?.name == "t")
        await broker.stop()
    }

    @Test("A broker's settings file: Kafka's names, clear refusals, unknown names reported")
    func configuration() throws {
        var configuration = try BrokerConfiguration(properties: [
            "listeners": "PLAINTEXT://:19092,CONTROLLER://:9093", "advertised.listeners": "PLAINTEXT://[::1]:29092",
            "log.dirs": "/tmp/x", "node.id": "7", "num.partitions": "3", "process.roles": "broker,controller",
            "controller.quorum.voters": "1@localhost:9093", "no.such.name": "1", "log.retention.minutes": "5",
            "offsets.topic.num.partitions": "10", "group.initial.rebalance.delay.ms": "3000",
        ])
        #expect(configuration.host == "0.0.0.0" && configuration.port == 19092)
        #expect(configuration.advertisedHost == "::1" && configuration.advertisedPort == 29092)
        #expect(configuration.dataDirectory == "/tmp/x" && configuration.nodeID == 7)
        #expect(configuration.numPartitions == 3 && configuration.offsetsTopicPartitions == 10)
        #expect(configuration.groupInitialRebalanceDelay == 3000)
        #expect(configuration.unknownNames == ["no.such.name"])
        let retention = try #require(TopicConfigKeys.key("retention.ms"))
        #expect(configuration.topicDefault(retention).value == "300000")
        for bad in [
            ["num.partitions": "many"], ["num.partitions": "0"], ["listeners": "nowhere"], ["log.dirs": "/a,/b"],
            ["listeners": "SSL://:1"], ["listeners": "PLAINTEXT://h:99999"], ["auto.create.topics.enable": "perhaps"],
        ] {
            #expect(throws: BrokerError.self) { try configuration.apply(bad) }
        }
        #expect(BrokerConfiguration().host == "127.0.0.1")
    }

    /// The bits are those of Kafka's AclOperation: a group can be read (3), deleted (6), described (8), and its settings
    /// described (10) and altered (11).
    @Test("A group of the consumer protocol tells what the client may do with it, if asked")
    func operationsOfAGroup() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        var join = ConsumerGroupHeartbeatRequest()
        (join.groupId, join.memberId, join.memberEpoch) = ("g", "AAAAAAAAAAAAAAAAAAAAAQ", 0)
        (join.rebalanceTimeoutMs, join.subscribedTopicNames, join.topicPartitions) = (60_000, ["t"], [])
        #expect(try connection.call(join, version: 0).errorCode == .none)
        var describe = ConsumerGroupDescribeRequest()
        describe.groupIds = ["g"]
        #expect(try connection.call(describe).groups.first?.authorizedOperations == Int32.min)
        describe.includeAuthorizedOperations = true
        let group = try #require(try connection.call(describe).groups.first)
        #expect(group.errorCode == .none && group.members.count == 1)
        #expect(group.authorizedOperations == [3, 6, 8, 10, 11].reduce(0) { $0 | 1 << $1 })
        describe.groupIds = ["none"]
        #expect(try connection.call(describe).groups.first?.authorizedOperations == Int32.min)
        await broker.stop()
    }
}
