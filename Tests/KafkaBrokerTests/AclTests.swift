import Foundation
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import Testing

@testable import KafkaBroker

@Suite("ACLs", .serialized)
struct AclTests {
    private static let compat = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Compat").path
    private static let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    private static let properties = [
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config":
            #"m required user_admin="secret" user_alice="secret" user_bob="secret";"#,
        "authorizer.class.name": authorizer, "super.users": "User:admin;User:CN=other",
    ]

    private func store(_ bindings: [AclBinding]) -> AclStore {
        let store = AclStore()
        for binding in bindings { store.apply(AclRecord(binding, isPresent: true)) }
        return store
    }

    private func authorizer(_ bindings: [AclBinding], _ more: [String: String] = [:]) throws -> Authorizer {
        let configuration = try BrokerConfiguration(properties: Self.properties.merging(more) { $1 })
        return try #require(
            Authorizer(
                configuration, acls: store(bindings), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    /// The rules of KIP-11 and KIP-290, and of Kafka's `StandardAuthorizer`.
    @Test("Denial beats, prefixes and wildcards fit, some operations come with others")
    func semantics() throws {
        let alice = Principal(name: "alice")
        let rules = try authorizer([
            AclBinding("User:alice", to: .read, on: .topic, "orders"),
            AclBinding("User:*", to: .write, on: .topic, "log-", patternType: .prefixed),
            AclBinding("User:alice", permission: .deny, to: .all, on: .topic, "log-secret"),
            AclBinding("User:alice", to: .alterConfigs, on: .topic, "orders"),
            AclBinding("User:bob", to: .read, on: .topic, "*", host: "10.0.0.1"),
            AclBinding("User:bob", permission: .deny, to: .describe, on: .topic, "quiet"),
            AclBinding("User:bob", to: .all, on: .group, "*"),
        ])
        func may(
            _ name: String, _ operation: AclOperation, _ topic: String, from host: String = "127.0.0.1"
        ) -> Bool { rules.isAllowed(Principal(name: name), host, operation, .topic, topic) }
        #expect(may("alice", .read, "orders") && may("alice", .describe, "orders"))
        #expect(!may("alice", .write, "orders") && !may("alice", .read, "orders2"))
        #expect(may("alice", .describeConfigs, "orders") && may("alice", .alterConfigs, "orders"))
        #expect(may("carol", .write, "log-1") && may("carol", .describe, "log-") && !may("carol", .read, "log-1"))
        #expect(!may("alice", .write, "log-secret") && may("carol", .write, "log-secret"))
        #expect(may("bob", .read, "any", from: "10.0.0.1") && !may("bob", .read, "any"))
        // Denied to describe is not denied to read.
        #expect(may("bob", .read, "quiet", from: "10.0.0.1") && !may("bob", .describe, "quiet", from: "10.0.0.1"))
        #expect(may("admin", .alter, "log-secret") && may("CN=other", .delete, "orders"))
        #expect(rules.isAllowed(Principal(name: "bob"), "h", .delete, .group, "g"))
        #expect(!rules.isAllowed(alice, "h", .create, .cluster, AclBinding.clusterName))
        #expect(rules.isAllowedAnywhere(alice, "h", .read, .topic))
        #expect(!rules.isAllowedAnywhere(alice, "h", .delete, .topic))

        let open = try authorizer(
            [AclBinding("User:bob", to: .read, on: .topic, "orders")], ["allow.everyone.if.no.acl.found": "true"])
        #expect(
            open.isAllowed(alice, "h", .write, .topic, "free") && !open.isAllowed(alice, "h", .write, .topic, "orders"))
        let shut = try authorizer([
            AclBinding("User:alice", to: .write, on: .topic, "a"),
            AclBinding("User:alice", permission: .deny, to: .write, on: .topic, "a"),
        ])
        #expect(!shut.isAllowedAnywhere(alice, "h", .write, .topic))
    }

    @Test("Settings of the authoriser are read, and what is wrong is named")
    func configuration() throws {
        let configuration = try BrokerConfiguration(properties: Self.properties)
        #expect(configuration.hasAuthorizer && configuration.superUsers == ["User:admin", "User:CN=other"])
        #expect(configuration.unknownNames.isEmpty)
        for (name, value) in [("authorizer.class.name", "org.example.Mine"), ("super.users", "admin")] {
            do {
                _ = try BrokerConfiguration(properties: Self.properties.merging([name: value]) { $1 })
                Issue.record("accepted")
            } catch { #expect(error.message.contains(name) && error.message.contains(value)) }
        }
    }

    @Test(
        "Foreign clients are refused what no ACL allows, and manage ACLs",
        arguments: [("confluent_kafka", "librdkafka"), ("kafka", "kafka-python")])
    func foreignClients(module: String, folder: String) async throws {
        guard ForeignClientTests.has(module) else { return }
        let broker = try await TestBroker.start(properties: Self.properties)
        let result = try await ForeignClientTests.run([
            "timeout", "120", "python3", "\(Self.compat)/\(folder)/acls.py", broker.bootstrapServers,
        ])
        #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(3000))")
        await broker.stop()
    }

    /// A connection that has logged in.
    private func login(_ user: String, _ broker: TestBroker) throws -> RawConnection {
        let connection = try RawConnection(port: broker.port)
        var handshake = SaslHandshakeRequest()
        handshake.mechanism = "PLAIN"
        #expect(try connection.call(handshake, version: 1).errorCode == .none)
        var message = SaslAuthenticateRequest()
        message.authBytes = ByteBuffer(string: "\0\(user)\0secret")
        #expect(try connection.call(message).errorCode == .none)
        return connection
    }

    private func creation(_ binding: AclBinding) -> CreateAclsRequest {
        var creation = CreateAclsRequest.AclCreation()
        creation.resourceType = binding.resourceType.rawValue
        creation.resourceName = binding.resourceName
        creation.resourcePatternType = binding.patternType.rawValue
        creation.principal = binding.principal
        creation.host = binding.host
        creation.operation = binding.operation.rawValue
        creation.permissionType = binding.permission.rawValue
        var request = CreateAclsRequest()
        request.creations = [creation]
        return request
    }

    @Test("ACLs survive a restart, and so does their removal")
    func restart() async throws {
        let first = try await TestBroker.start(properties: Self.properties)
        let kept = AclBinding("User:alice", to: .describe, on: .topic, "t", patternType: .prefixed, host: "127.0.0.1")
        let gone = AclBinding("User:alice", permission: .deny, to: .all, on: .cluster, AclBinding.clusterName)
        let admin = try login("admin", first)
        for binding in [kept, gone] {
            #expect(try admin.call(creation(binding)).results.first?.errorCode == ErrorCode.none)
        }
        var deletion = DeleteAclsRequest()
        var filter = DeleteAclsRequest.DeleteAclsFilter()
        filter.resourceTypeFilter = AclResourceType.cluster.rawValue
        filter.resourceNameFilter = nil
        filter.patternTypeFilter = AclPatternType.any.rawValue
        (filter.principalFilter, filter.hostFilter) = (nil, nil)
        (filter.operation, filter.permissionType) = (1, 1)
        deletion.filters = [filter]
        #expect(try admin.call(deletion).filterResults.first?.matchingAcls.count == 1)
        await first.stop(keepingData: true)
        let second = try await TestBroker.start(dataDirectory: first.dataDirectory, properties: Self.properties)
        var describe = DescribeAclsRequest()
        describe.resourceTypeFilter = 1
        (describe.resourceNameFilter, describe.principalFilter, describe.hostFilter) = (nil, nil, nil)
        (describe.patternTypeFilter, describe.operation, describe.permissionType) = (1, 1, 1)
        let found = try login("admin", second).call(describe).resources
        #expect(found.count == 1 && found.first?.resourceName == "t" && found.first?.patternType == 4)
        #expect(found.first?.acls.first?.host == "127.0.0.1" && found.first?.acls.first?.operation == 8)
        await second.stop()
        TestBroker.removeDirectory(first.dataDirectory)
    }

    @Test("ACLs that make no sense are refused; without an authoriser all are")
    func refusals() async throws {
        let broker = try await TestBroker.start(properties: Self.properties)
        let admin = try login("admin", broker)
        let wrong = [
            AclBinding("User:a", to: .any, on: .topic, "t"), AclBinding("User:a", to: .read, on: .any, "t"),
            AclBinding("User:a", to: .read, on: .topic, ""), AclBinding("User:a", to: .read, on: .cluster, "mine"),
            AclBinding("alice", to: .read, on: .topic, "t"),
            AclBinding("User:a", permission: .any, to: .read, on: .topic, "t"),
            AclBinding("User:a", to: .read, on: .topic, "t", patternType: .match),
        ]
        for binding in wrong {
            #expect(try admin.call(creation(binding)).results.first?.errorCode == .invalidRequest)
        }
        let good = AclBinding("User:a", to: .read, on: .topic, "t")
        let refused = try login("alice", broker).call(creation(good))
        #expect(refused.results.first?.errorCode == .clusterAuthorizationFailed)
        await broker.stop()
        let open = try await TestBroker.start()
        let answer = try RawConnection(port: open.port).call(creation(good))
        #expect(answer.results.first?.errorCode == .securityDisabled)
        await open.stop()
    }

    /// Every API that is served, asked by somebody who may do nothing.
    @Test("Nothing can be had without an ACL")
    func nothing() async throws {
        let broker = try await TestBroker.start(properties: Self.properties)
        let admin = try login("admin", broker)
        try admin.createTopic("t")
        try admin.produce("t", try RawConnection.batch(["a"]))
        let alice = try login("alice", broker)
        #expect(try alice.produce("t", try RawConnection.batch(["b"])).errorCode == .topicAuthorizationFailed)
        #expect(try alice.fetch("t", offset: 0).errorCode == .topicAuthorizationFailed)
        var offsets = ListOffsetsRequest()
        var topic = ListOffsetsRequest.ListOffsetsTopic()
        topic.name = "t"
        topic.partitions = [.init()]
        offsets.topics = [topic]
        #expect(
            try alice.call(offsets, version: 7).topics.first?.partitions.first?.errorCode == .topicAuthorizationFailed)
        var producer = InitProducerIdRequest()
        producer.transactionalId = nil
        #expect(try alice.call(producer, version: 4).errorCode == .clusterAuthorizationFailed)
        var heartbeat = HeartbeatRequest()
        heartbeat.groupId = "g"
        #expect(try alice.call(heartbeat).errorCode == .groupAuthorizationFailed)
        var coordinator = FindCoordinatorRequest()
        coordinator.coordinatorKeys = ["g"]
        #expect(try alice.call(coordinator, version: 4).coordinators.first?.errorCode == .groupAuthorizationFailed)
        var deletion = DeleteTopicsRequest()
        var state = DeleteTopicsRequest.DeleteTopicState()
        state.name = nil
        state.topicId = try #require(broker.broker.port > 0 ? topicID(admin) : nil)
        deletion.topics = [state]
        let deleted = try alice.call(deletion).responses.first
        #expect(deleted?.errorCode == .topicAuthorizationFailed && deleted?.name == nil)
        var cluster = DescribeClusterRequest()
        cluster.includeClusterAuthorizedOperations = true
        #expect(try alice.call(cluster, version: 0).clusterAuthorizedOperations == 0)
        #expect(try admin.call(cluster, version: 0).clusterAuthorizedOperations != 0)
        var metadata = MetadataRequest()
        metadata.topics = nil
        #expect(try alice.call(metadata, version: 12).topics.isEmpty)
        #expect(try alice.call(DescribeAclsRequest()).errorCode == .clusterAuthorizationFailed)
        #expect(try admin.call(DescribeLogDirsRequest()).errorCode == .none)
        #expect(try alice.call(DescribeLogDirsRequest()).errorCode == .clusterAuthorizationFailed)
        await broker.stop()
    }

    private func topicID(_ connection: RawConnection) throws -> KafkaUUID? {
        var metadata = MetadataRequest()
        metadata.topics = nil
        return try connection.call(metadata, version: 12).topics.first { $0.name == "t" }?.topicId
    }
}
