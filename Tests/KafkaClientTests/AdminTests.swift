import Foundation
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Testing

/// The admin client's calls beyond topics, configurations and classic groups.
@Suite(.timeLimit(.minutes(1)))
struct AdminTests {
    private func withAdmin(
        _ properties: [String: String] = [:], _ body: (KafkaAdminClient, TestBroker) async throws -> Void
    ) async throws {
        let broker = try await TestBroker.start(properties: properties)
        let admin = try KafkaAdminClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
        do {
            _ = try await admin.createTopics([TopicToCreate(name: "orders", partitions: 2, replicationFactor: 1)])
            try await body(admin, broker)
        } catch {
            await admin.close()
            await broker.stop()
            throw error
        }
        await admin.close()
        await broker.stop()
    }

    private let partition = TopicPartition(topic: "orders", partition: 0)

    private func transactional(_ broker: TestBroker) throws -> KafkaProducer {
        var configuration = ProducerConfiguration(bootstrapServers: [broker.bootstrapServers])
        configuration.transactionalID = "t"
        return try KafkaProducer(configuration: configuration, logger: testLogger)
    }

    @Test func `transactions and producers are told, and one can be fenced`() async throws {
        try await withAdmin { admin, broker in
            let producer = try transactional(broker)
            try await producer.initTransactions()
            try producer.beginTransaction()
            _ = try await producer.send(ProducerRecord(topic: "orders", partition: 0, value: buffer("x")))
            #expect(try await admin.listTransactions(states: ["Ongoing"]).map(\.transactionalID) == ["t"])
            #expect(try await admin.listTransactions(states: ["Empty"]).isEmpty)
            #expect(try await admin.listTransactions(openFor: .seconds(3600)).isEmpty)
            await #expect(throws: KafkaError.self) { try await admin.listTransactions(states: ["Unheard"]) }
            let open = try #require(try await admin.describeTransactions(["t"])["t"]).get()
            #expect(open.state == "Ongoing" && open.partitions == [partition])
            #expect(open.timeout == .seconds(60) && open.startTime != nil)
            let active = try #require(try await admin.describeProducers([partition])[partition]).get()
            #expect(active.map(\.producerID) == [open.producerID])
            #expect(active.first?.transactionStartOffset == 0)
            let missing = try await admin.describeTransactions(["none"])["none"]
            #expect(throws: KafkaError.self) { try missing?.get() }

            let fenced = try #require(try await admin.fenceProducers(["t"])["t"]).get()
            #expect(fenced.producerID == open.producerID && fenced.epoch > open.producerEpoch)
            let error = await #expect(throws: KafkaError.self) { try await producer.commitTransaction() }
            #expect(error?.isFatal == true)
            let after = try #require(try await admin.describeProducers([partition])[partition]).get()
            #expect(after.first?.transactionStartOffset == nil, "the transaction was aborted")
            await producer.close()
        }
    }

    @Test func `a hanging transaction is ended in its partition`() async throws {
        try await withAdmin { admin, broker in
            let producer = try transactional(broker)
            try await producer.initTransactions()
            try producer.beginTransaction()
            _ = try await producer.send(ProducerRecord(topic: "orders", partition: 0, value: buffer("x")))
            let active = try #require(try await admin.describeProducers([partition])[partition]).get()
            try await admin.abortTransaction(try #require(active.first), in: partition)
            let after = try #require(try await admin.describeProducers([partition])[partition]).get()
            #expect(after.first?.transactionStartOffset == nil)
            await producer.close()
        }
    }

    @Test func `users and quotas`() async throws {
        try await withAdmin { admin, _ in
            let results = try await admin.alterUserScramCredentials([
                "ada": [.set(.sha256, password: "pencil"), .set(.sha512, password: "pencil", iterations: 8192)],
                "bob": [.remove(.sha256)],
            ])
            try results["ada"]?.get()
            #expect(throws: KafkaError.self) { try results["bob"]?.get() }
            let users = try await admin.describeUserScramCredentials()
            let ada = try #require(users["ada"]).get()
            #expect(
                Set(ada.map { "\($0.mechanism.name) \($0.iterations)" }) == [
                    "SCRAM-SHA-256 4096", "SCRAM-SHA-512 8192",
                ])
            #expect(!"\(ScramCredentialAlteration.set(.sha256, password: "pencil"))".contains("pencil"))

            let user: ClientQuotaEntity = ["user": "ada"]
            let all: ClientQuotaEntity = ["user": nil]
            let changes: [ClientQuotaEntity: [String: Double?]] = [
                user: ["producer_byte_rate": 1024], all: ["consumer_byte_rate": 2048],
            ]
            for result in try await admin.alterClientQuotas(changes).values { try result.get() }
            #expect(try await admin.describeClientQuotas(matching: user) == [user: ["producer_byte_rate": 1024]])
            #expect(try await admin.describeClientQuotas(anyOf: ["user"]).count == 2)
            let removal: [ClientQuotaEntity: [String: Double?]] = [user: ["producer_byte_rate": nil]]
            for result in try await admin.alterClientQuotas(removal).values { try result.get() }
            #expect(try await admin.describeClientQuotas(matching: user).isEmpty)
        }
    }

    @Test func `disks, controllers, features, leaders`() async throws {
        try await withAdmin { admin, broker in
            let producer = try KafkaProducer(
                configuration: ProducerConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
            _ = try await producer.send(ProducerRecord(topic: "orders", partition: 0, value: buffer("x")))
            await producer.close()
            let node = try #require(try await admin.describeCluster().brokers.first).id
            let folders = try #require(try await admin.describeLogDirectories(topics: ["orders"])[node])
            let folder = try #require(folders[broker.dataDirectory])
            let segment = broker.dataDirectory + "/orders-0/00000000000000000000.log"
            let size = try FileManager.default.attributesOfItem(atPath: segment)[.size] as? Int64
            #expect(folder.replicas[partition]?.size == size)
            #expect(folder.replicas.count == 2 && folder.error == nil)
            await #expect(throws: KafkaError.self) { try await admin.describeLogDirectories(of: [99]) }

            let quorum = try await admin.describeMetadataQuorum()
            #expect(quorum.leaderID == node && quorum.voters.map(\.nodeID) == [node])
            try await admin.updateFeatures(["transaction.version": 2], validateOnly: true)
            await #expect(throws: KafkaError.self) { try await admin.updateFeatures(["transaction.version": 99]) }
            await #expect(throws: KafkaError.self) { try await admin.unregisterBroker(99) }
            #expect(try await admin.listConfigResources()[2]?.contains("orders") == true)

            let elected = try await admin.electLeaders(.preferred, of: [partition])[partition]
            let refusal = #expect(throws: KafkaError.self) { try elected?.get() }
            #expect(refusal?.errorCode == .electionNotNeeded)
            #expect(try await admin.electLeaders(.preferred, of: nil).isEmpty)
            let moved = try await admin.alterPartitionReassignments([partition: [node]])[partition]
            try moved?.get()
            let elsewhere = try await admin.alterPartitionReassignments([partition: [node + 1]])[partition]
            #expect(throws: KafkaError.self) { try elsewhere?.get() }
            #expect(try await admin.listPartitionReassignments().isEmpty)
        }
    }

    @Test func `groups of both protocols are described, and members removed`() async throws {
        try await withAdmin { admin, broker in
            func consumer(_ group: String, _ type: ConsumerConfiguration.GroupProtocolType) throws -> KafkaConsumer {
                var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers], groupID: group)
                configuration.groupProtocol = type
                if type == .classic { configuration.groupInstanceID = "one" }
                return try KafkaConsumer(configuration: configuration, logger: testLogger)
            }
            let classic = try consumer("old", .classic)
            let next = try consumer("next", .consumer)
            for consumer in [classic, next] {
                try await consumer.subscribe(["orders"])
                try await consumer.waitForAssignment { $0.count == 2 }
            }
            // The coordinator must have heard that the member has taken its partitions.
            var found = try await admin.describeConsumerGroups(["old", "next", "none"])
            while try found["next"]?.get().members.first?.assignment.count != 2 {
                found = try await admin.describeConsumerGroups(["old", "next", "none"])
            }
            for group in ["old", "next"] {
                let description = try #require(found[group]).get()
                #expect(description.state == "Stable")
                #expect(description.members.first?.assignment.map(\.partition) == [0, 1])
            }
            #expect((try? found["none"]?.get().state) ?? "Dead" == "Dead")
            try await admin.removeMembers(["one"], fromGroup: "old")
            let after = try #require(try await admin.describeConsumerGroups(["old"])["old"]).get()
            #expect(after.members.isEmpty)
            await classic.close()
            await next.close()
        }
    }
}
