import KafkaBroker
import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

/// Against our broker, in this process.
@Suite(.timeLimit(.minutes(1)))
struct OwnBrokerTests {
    /// Runs with a broker of its own.
    private func withBroker(
        _ properties: [String: String] = [:], _ body: (TestBroker) async throws -> Void
    ) async throws {
        let broker = try await TestBroker.start(properties: properties)
        do {
            try await body(broker)
        } catch {
            await broker.stop()
            throw error
        }
        await broker.stop()
    }

    private func producer(
        _ broker: TestBroker, _ change: (inout ProducerConfiguration) -> Void = { _ in }
    ) throws -> KafkaProducer {
        var configuration = ProducerConfiguration(bootstrapServers: [broker.bootstrapServers])
        change(&configuration)
        return try KafkaProducer(configuration: configuration, logger: testLogger)
    }

    private func consumer(
        _ broker: TestBroker, group: String? = nil, _ change: (inout ConsumerConfiguration) -> Void = { _ in }
    ) throws -> KafkaConsumer {
        var configuration = ConsumerConfiguration(bootstrapServers: [broker.bootstrapServers], groupID: group)
        configuration.autoOffsetReset = .earliest
        configuration.heartbeatInterval = .milliseconds(100)
        change(&configuration)
        return try KafkaConsumer(configuration: configuration, logger: testLogger)
    }

    private func admin(_ broker: TestBroker) throws -> KafkaAdminClient {
        try KafkaAdminClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
    }

    private func create(_ broker: TestBroker, _ name: String, partitions: Int32) async throws {
        let admin = try admin(broker)
        try await admin.createTopics([TopicToCreate(name: name, partitions: partitions, replicationFactor: 1)])[name]?
            .get()
        await admin.close()
    }

    @Test func `order is kept with five requests in flight, and many callers share them`() async throws {
        try await withBroker { broker in
            try await create(broker, "orders", partitions: 1)
            let producer = try producer(broker) { $0.batchSize = 300 }
            let records = (0..<2000).map { ProducerRecord(topic: "orders", value: buffer("\($0)")) }
            let places = try await producer.send(contentsOf: records)
            #expect(places.map(\.offset) == (0..<2000).map(Int64.init))
            try await withThrowingTaskGroup(of: Int64.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        try await producer.send(ProducerRecord(topic: "orders", value: buffer("\(2000 + index)")))
                            .offset
                    }
                }
                var offsets: Set<Int64> = []
                for try await offset in group { offsets.insert(offset) }
                #expect(offsets == Set(2000..<2100))
            }
            await producer.close()
            let consumer = try consumer(broker)
            try await consumer.assign([TopicPartition(topic: "orders", partition: 0)])
            let rows = try await consumer.take(2100)
            #expect(rows.prefix(2000).map { text($0.1.value) } == (0..<2000).map { "\($0)" })
            await consumer.close()
        }
    }

    @Test func `a waiting poll gets a record within milliseconds of its acknowledgement`() async throws {
        try await withBroker { broker in
            try await create(broker, "orders", partitions: 1)
            let producer = try producer(broker) { configuration in
                configuration.acks = .leader
                configuration.enableIdempotence = false
            }
            let consumer = try consumer(broker)
            try await consumer.assign([TopicPartition(topic: "orders", partition: 0)])
            _ = try await producer.send(ProducerRecord(topic: "orders", value: buffer("first")))
            _ = try await consumer.take(1)
            var waits: [Duration] = []
            for round in 0..<100 {
                async let arrival = {
                    let rows = try await consumer.take(1)
                    return (rows.first?.1.offset, ContinuousClock.now)
                }()
                let place = try await producer.send(ProducerRecord(topic: "orders", value: buffer("\(round)")))
                let acknowledged = ContinuousClock.now
                let (offset, arrived) = try await arrival
                #expect(offset == place.offset)
                waits.append(max(acknowledged.duration(to: arrived), .zero))
            }
            waits.sort()
            print("acknowledged → out of poll, our broker: median \(waits[50]), 90th \(waits[90])")
            // Loose, for busy machines: a poll that waited for the next fetch would need half a second.
            #expect(waits[50] < .milliseconds(50))
            await producer.close()
            await consumer.close()
        }
    }

    @Test(arguments: ["range", "cooperative-sticky"])
    func `a group: joins, divides, hands over, commits`(_ strategy: String) async throws {
        try await withBroker { broker in
            try await create(broker, "orders", partitions: 6)
            let events = EventLog()
            let assignors: [any PartitionAssignor] =
                strategy == "range" ? [RangeAssignor()] : [CooperativeStickyAssignor()]
            let first = try consumer(broker, group: "g") { $0.assignors = assignors }
            try await first.subscribe(["orders"]) { events.add($0) }
            try await first.waitForAssignment { $0.count == 6 }
            let second = try consumer(broker, group: "g") { $0.assignors = assignors }
            try await second.subscribe(["orders"])
            async let shrinking: Void = first.waitForAssignment { $0.count == 3 }
            try await second.waitForAssignment { $0.count == 3 }
            try await shrinking
            #expect(events.kinds.first == "assigned 6")
            // Eager members give everything up; cooperative ones only what goes to others.
            #expect(events.kinds.contains(strategy == "range" ? "revoked 6" : "revoked 3"))
            let producer = try producer(broker)
            _ = try await producer.send(
                contentsOf: (0..<6).map { ProducerRecord(topic: "orders", partition: $0, value: buffer("x")) })
            async let mine = first.take(3)
            #expect(try await second.take(3).count == 3)
            #expect(try await mine.count == 3)
            await second.close()
            try await first.waitForAssignment { $0.count == 6 }
            try await first.commit()
            let admin = try admin(broker)
            let offsets = try await admin.listConsumerGroupOffsets("g")
            #expect(offsets.count == 6)
            #expect(offsets.values.allSatisfy { $0.offset == 1 })
            let group = try #require(try await admin.describeConsumerGroups(["g"])["g"]).get()
            #expect(group.state == "Stable")
            #expect(group.members.first?.assignment.count == 6)
            await first.close()
            #expect(events.kinds.last == "revoked 6")
            let after = try #require(try await admin.describeConsumerGroups(["g"])["g"]).get()
            #expect(after.state == "Empty")
            try await admin.deleteConsumerGroups(["g"])["g"]?.get()
            #expect(try await admin.listConsumerGroups().isEmpty)
            await admin.close()
            await producer.close()
        }
    }

    @Test func `clients go on when the broker is restarted`() async throws {
        let directory = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(directory) }
        let broker = try await TestBroker.start(dataDirectory: directory)
        let port = broker.port
        try await create(broker, "orders", partitions: 1)
        let producer = try producer(broker)
        let consumer = try consumer(broker, group: "g")
        try await consumer.subscribe(["orders"])
        _ = try await producer.send(ProducerRecord(topic: "orders", value: buffer("before")))
        #expect(try await consumer.take(1).count == 1)
        try await consumer.commit()
        await broker.stop(keepingData: true)
        async let sent = producer.send(ProducerRecord(topic: "orders", value: buffer("after")))
        let again = try await TestBroker.start(dataDirectory: directory) { $0.port = port }
        #expect(try await sent.offset == 1)
        #expect(try await consumer.take(1).map { text($0.1.value) } == ["after"])
        await consumer.close()
        await producer.close()
        let reader = try self.consumer(again, group: "g")
        let partition = TopicPartition(topic: "orders", partition: 0)
        #expect(try await reader.committed([partition])[partition]?.offset == 2)
        await reader.close()
        await again.stop()
    }

    @Test func `admin: topics, partitions, configurations, offsets`() async throws {
        try await withBroker { broker in
            let admin = try admin(broker)
            let created = try await admin.createTopics([
                TopicToCreate(name: "a", partitions: 2, configs: ["cleanup.policy": "compact"]),
                TopicToCreate(name: "bad name!", partitions: 1),
            ])
            try created["a"]?.get()
            #expect(throws: KafkaError.self) { try created["bad name!"]?.get() }
            #expect(try await admin.listTopics().map(\.name) == ["a"])
            let again = try await admin.createTopics([TopicToCreate(name: "a")])
            guard case .failure(let exists)? = again["a"] else {
                Issue.record("it exists")
                return
            }
            #expect(exists.errorCode == .topicAlreadyExists)
            try await admin.createPartitions(["a": 4])["a"]?.get()
            let described = try await admin.describeTopics(["a", "nowhere"])
            #expect(try described["a"]?.get().partitions.map(\.id) == [0, 1, 2, 3])
            guard case .failure(let unknown)? = described["nowhere"] else {
                Issue.record("it does not exist")
                return
            }
            #expect(unknown.code == .unknownTopic)
            let topic = ConfigResource(.topic, "a")
            let entries = try #require(try await admin.describeConfigs([topic])[topic]).get()
            #expect(entries.first { $0.name == "cleanup.policy" }?.value == "compact")
            #expect(try await admin.describeCluster().brokers.count == 1)
            let producer = try producer(broker)
            let partition = TopicPartition(topic: "a", partition: 1)
            for time in [1000, 2000, 3000] as [Int64] {
                _ = try await producer.send(
                    ProducerRecord(topic: "a", partition: 1, key: buffer("k"), value: buffer("v"), timestamp: time))
            }
            #expect(try await admin.listOffsets([partition: .latest])[partition]?.get().offset == 3)
            #expect(try await admin.listOffsets([partition: .earliest])[partition]?.get().offset == 0)
            #expect(try await admin.listOffsets([partition: .timestamp(1500)])[partition]?.get().offset == 1)
            #expect(try await admin.listOffsets([partition: .timestamp(9999)])[partition]?.get().offset == -1)
            try await admin.alterConsumerGroupOffsets("g", offsets: [partition: OffsetAndMetadata(offset: 2)])
            #expect(try await admin.listConsumerGroupOffsets("g")[partition]?.offset == 2)
            try await admin.deleteTopics(["a"])["a"]?.get()
            #expect(try await admin.listTopics().isEmpty)
            await producer.close()
            await admin.close()
        }
    }

    @Test func `a batch that the topic finds too large is sent in parts`() async throws {
        try await withBroker { broker in
            let admin = try admin(broker)
            let topic = TopicToCreate(
                name: "small", partitions: 1, replicationFactor: 1, configs: ["max.message.bytes": "2000"])
            try await admin.createTopics([topic])["small"]?.get()
            await admin.close()
            let producer = try producer(broker)
            let records = (0..<100).map {
                ProducerRecord(topic: "small", value: buffer("\($0) " + String(repeating: "x", count: 100)))
            }
            let places = try await producer.send(contentsOf: records)
            #expect(places.map(\.offset) == (0..<100).map(Int64.init))
            await #expect(throws: KafkaError.self) {
                _ = try await producer.send(
                    ProducerRecord(topic: "small", value: ByteBuffer(repeating: 1, count: 3000)))
            }
            #expect(try await producer.send(records[0]).offset == 100)
            await producer.close()
            let consumer = try consumer(broker)
            try await consumer.assign([TopicPartition(topic: "small", partition: 0)])
            let rows = try await consumer.take(101)
            #expect(rows.prefix(100).map { text($0.1.value) } == records.map { text($0.value) })
            await consumer.close()
        }
    }

    @Test func `an offset out of range is reset as configured, or told`() async throws {
        try await withBroker { broker in
            try await create(broker, "orders", partitions: 1)
            let partition = TopicPartition(topic: "orders", partition: 0)
            let producer = try producer(broker)
            _ = try await producer.send(contentsOf: [
                ProducerRecord(topic: "orders", value: buffer("a")),
                ProducerRecord(topic: "orders", value: buffer("b")),
            ])
            let lenient = try consumer(broker)
            try await lenient.assign([partition])
            try lenient.seek(partition, to: 99)
            #expect(try await lenient.take(2).map(\.1.offset) == [0, 1])
            let strict = try consumer(broker) { $0.autoOffsetReset = .none }
            try await strict.assign([partition])
            await #expect {
                while true { _ = try await strict.poll(timeout: .seconds(10)) }
            } throws: { error in
                (error as? KafkaError)?.code == .noOffset
            }
            await producer.close()
            await lenient.close()
            await strict.close()
        }
    }
}

/// Several clients on one set of connections.
@Suite(.timeLimit(.minutes(1)))
struct SharedConnectionTests {
    @Test func `a consumer that waits does not hold up another on the same connections`() async throws {
        let broker = try await TestBroker.start()
        let configuration = ClientConfiguration(bootstrapServers: [broker.bootstrapServers])
        let cluster = ClusterClient(configuration: configuration, logger: testLogger)
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(client: configuration), cluster: cluster, logger: testLogger)
        _ = try await producer.send(ProducerRecord(topic: "full", partition: 0, value: buffer("x")))
        let admin = KafkaAdminClient(cluster: cluster)
        try await admin.createTopics([TopicToCreate(name: "empty", partitions: 1)])["empty"]?.get()
        var reading = ConsumerConfiguration(client: configuration)
        reading.autoOffsetReset = .earliest
        reading.fetchMaxWait = .seconds(20)
        let waiting = try KafkaConsumer(configuration: reading, cluster: cluster, logger: testLogger)
        let empty = TopicPartition(topic: "empty", partition: 0)
        try await waiting.assign([empty])
        #expect(try await waiting.position(empty) == 0)
        #expect(try await waiting.poll(timeout: .milliseconds(50)).isEmpty)
        let start = ContinuousClock.now
        for _ in 0..<3 {
            let reader = try KafkaConsumer(configuration: reading, cluster: cluster, logger: testLogger)
            try await reader.assign([TopicPartition(topic: "full", partition: 0)])
            #expect(try await reader.take(1).count == 1)
            await reader.close()
        }
        #expect(start.duration(to: .now) < .seconds(15))
        await waiting.close()
        await producer.close()
        cluster.close()
        await broker.stop()
    }
}
