import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

/// What brokers and networks do to single requests, done by ``BrokerInterceptor``.
@Suite(.timeLimit(.minutes(2)))
struct InterceptionTests {
    private func withBroker(_ body: (TestBroker, BrokerInterceptor) async throws -> Void) async throws {
        let broker = try await TestBroker.startIntercepted(
            properties: ["num.partitions": "1", "group.min.session.timeout.ms": "100"])
        let interceptor = try #require(broker.interceptor)
        do {
            try await body(broker, interceptor)
        } catch {
            await broker.stop()
            throw error
        }
        await broker.stop()
    }

    private func client(_ broker: TestBroker) -> ClientConfiguration {
        var client = ClientConfiguration(bootstrapServers: [broker.bootstrapServers])
        client.retryBackoff = .milliseconds(10)
        client.retryBackoffMax = .milliseconds(50)
        client.reconnectBackoff = .milliseconds(5)
        return client
    }

    private func consumer(
        _ broker: TestBroker, group: String? = nil, _ change: (inout ConsumerConfiguration) -> Void = { _ in }
    ) throws -> KafkaConsumer {
        var configuration = ConsumerConfiguration(client: client(broker), groupID: group)
        configuration.autoOffsetReset = .earliest
        configuration.heartbeatInterval = .milliseconds(50)
        change(&configuration)
        return try KafkaConsumer(configuration: configuration, logger: testLogger)
    }

    private func records(_ range: Range<Int>) -> [ProducerRecord] {
        range.map { ProducerRecord(topic: "orders", value: buffer("\($0)")) }
    }

    private func produce(_ broker: TestBroker, _ range: Range<Int>) async throws {
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(client: client(broker)), logger: testLogger)
        _ = try await producer.send(contentsOf: records(range))
        await producer.close()
    }

    @Test func `refused, lost and unanswered batches arrive once and in order`() async throws {
        try await withBroker { broker, interceptor in
            var configuration = ProducerConfiguration(client: client(broker))
            configuration.batchSize = 500
            let producer = try KafkaProducer(configuration: configuration, logger: testLogger)
            _ = try await producer.send(contentsOf: records(0..<1))
            let chance = NIOLockedValueBox(0)
            interceptor.intercept(.produce) { _ in
                switch chance.withLockedValue({ count in
                    count += 1
                    return count % 7
                }) {
                case 1: .error(.notLeaderOrFollower)
                case 3: .dropAnswer
                case 4: .drop
                case 5: .delay(.milliseconds(20))
                default: .pass
                }
            }
            let places = try await producer.send(contentsOf: records(1..<400))
            #expect(places.map(\.offset) == (1..<400).map(Int64.init))
            interceptor.clear()
            let consumer = try consumer(broker)
            try await consumer.assign([TopicPartition(topic: "orders", partition: 0)])
            #expect(try await consumer.take(400).map { text($0.1.value) } == (0..<400).map { "\($0)" })
            #expect(interceptor.count(of: .produce) > 20)
            await consumer.close()
            await producer.close()
        }
    }

    @Test func `the client keeps silent for as long as the broker asks it to`() async throws {
        try await withBroker { broker, interceptor in
            try await produce(broker, 0..<1)
            let partition = TopicPartition(topic: "orders", partition: 0)
            let consumer = try consumer(broker, group: "g") { $0.enableAutoCommit = false }
            try await consumer.assign([partition])
            _ = try await consumer.take(1)
            let times = NIOLockedValueBox<[NIODeadline]>([])
            interceptor.intercept(.offsetCommit) { request in
                let count = times.withLockedValue { times in
                    times.append(.now())
                    return times.count
                }
                guard count == 1, let asked = try? request.decode(as: OffsetCommitRequest.self) else { return .pass }
                var response = OffsetCommitResponse()
                response.throttleTimeMs = 400
                response.topics = asked.topics.map { topic in
                    var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
                    (answer.name, answer.topicId) = (topic.name, topic.topicId)
                    answer.partitions = topic.partitions.map {
                        var partition = OffsetCommitResponse.OffsetCommitResponseTopic.OffsetCommitResponsePartition()
                        partition.partitionIndex = $0.partitionIndex
                        return partition
                    }
                    return answer
                }
                return .answer(response)
            }
            try await consumer.commit([partition: OffsetAndMetadata(offset: 0)])
            try await consumer.commit([partition: OffsetAndMetadata(offset: 1)])
            let seen = times.withLockedValue { $0 }
            #expect(seen.count == 2)
            #expect(seen[1] - seen[0] >= .milliseconds(390))
            #expect(try await consumer.committed([partition])[partition]?.offset == 1)
            await consumer.close()
        }
    }

    @Test func `a classic group outlives every error of its requests`() async throws {
        try await withBroker { broker, interceptor in
            try await produce(broker, 0..<10)
            try interceptor.intercept(.findCoordinator, .error(.coordinatorNotAvailable))
            for code in [ErrorCode.coordinatorLoadInProgress, .notCoordinator] {
                try interceptor.intercept(.joinGroup, .error(code))
            }
            try interceptor.intercept(.joinGroup, .dropAnswer)
            try interceptor.intercept(.syncGroup, .error(.rebalanceInProgress))
            try interceptor.intercept(.offsetFetch, .error(.coordinatorLoadInProgress))
            try interceptor.intercept(.listOffsets, .error(.leaderNotAvailable))
            try interceptor.intercept(.fetch, times: 2, .error(.notLeaderOrFollower))
            // A member whose first answer was lost is waited for, by Kafka too, until its session is over.
            let consumer = try consumer(broker, group: "g") { $0.sessionTimeout = .seconds(3) }
            let events = EventLog()
            try await consumer.subscribe(["orders"]) { events.add($0) }
            #expect(try await consumer.take(10).count == 10)
            // Thrown out of the group: what it held is lost, and it comes back.
            try interceptor.intercept(.heartbeat, .error(.unknownMemberId))
            try await consumer.waitForAssignment { _ in events.kinds.contains("lost 1") }
            try await consumer.waitForAssignment { $0.count == 1 }
            try interceptor.intercept(.offsetCommit, times: 2, .error(.notCoordinator))
            try await consumer.commit()
            await consumer.close()
        }
    }

    /// What librdkafka's mock cluster can't be asked for: it takes these errors for its own.
    @Test func `a consumer group (KIP-848) outlives every error of its heartbeats`() async throws {
        try await withBroker { broker, interceptor in
            try await produce(broker, 0..<10)
            let consumer = try consumer(broker, group: "g") { $0.groupProtocol = .consumer }
            for code in [ErrorCode.coordinatorLoadInProgress, .notCoordinator, .coordinatorNotAvailable] {
                try interceptor.intercept(.consumerGroupHeartbeat, .error(code))
            }
            try interceptor.intercept(.consumerGroupHeartbeat, .dropAnswer)
            try interceptor.intercept(.consumerGroupHeartbeat, .drop)
            let events = EventLog()
            try await consumer.subscribe(["orders"]) { events.add($0) }
            #expect(try await consumer.take(10).count == 10)
            for code in [ErrorCode.fencedMemberEpoch, .unknownMemberId] {
                let lost = events.kinds.filter { $0 == "lost 1" }.count
                interceptor.intercept(.consumerGroupHeartbeat) { request in
                    let isLeaving = (try? request.decode(as: ConsumerGroupHeartbeatRequest.self).memberEpoch) ?? 1 <= 0
                    return isLeaving ? .pass : .error(code)
                }
                try await consumer.waitForAssignment { _ in events.kinds.filter { $0 == "lost 1" }.count > lost }
                interceptor.clear()
                try await consumer.waitForAssignment { $0.count == 1 }
            }
            await consumer.close()
        }
    }

    @Test func `transactions go on after lost answers of each of their requests`() async throws {
        try await withBroker { broker, interceptor in
            var configuration = ProducerConfiguration(client: client(broker))
            configuration.transactionalID = "t"
            let producer = try KafkaProducer(configuration: configuration, logger: testLogger)
            for key in [APIKey.initProducerId, .produce, .txnOffsetCommit, .addOffsetsToTxn, .endTxn] {
                try interceptor.intercept(key, .dropAnswer)
                try interceptor.intercept(key, .drop)
            }
            for round in 0..<5 {
                var attempts = 0
                while true {
                    do {
                        try await producer.withTransaction { transaction in
                            try await transaction.send(contentsOf: records(round * 10..<(round + 1) * 10))
                            try await transaction.sendOffsets(
                                [TopicPartition(topic: "orders", partition: 0): OffsetAndMetadata(offset: 1)],
                                group: ConsumerGroupMetadata(groupID: "g"))
                        }
                        break
                    } catch let error as KafkaError where error.isAbortable && attempts < 5 {
                        attempts += 1
                    }
                }
            }
            await producer.close()
            let consumer = try consumer(broker) { $0.isolationLevel = .readCommitted }
            try await consumer.assign([TopicPartition(topic: "orders", partition: 0)])
            #expect(try await consumer.take(50).map { text($0.1.value) } == (0..<50).map { "\($0)" })
            #expect(try await consumer.poll(timeout: .milliseconds(100)).isEmpty)
            await consumer.close()
        }
    }

    /// KIP-1102: what a broker says that has left the cluster whose metadata the client holds.
    @Test func `a client that is told to begins again with its bootstrap servers`() async throws {
        try await withBroker { broker, interceptor in
            let other = try await TestBroker.start()
            var configuration = ProducerConfiguration(client: client(broker))
            // Only the bootstrap servers lead to the other one.
            configuration.client.bootstrapServers.append(other.bootstrapServers)
            configuration.client.metadataMaxAge = .milliseconds(1)
            let producer = try KafkaProducer(configuration: configuration, logger: testLogger)
            interceptor.intercept(.metadata) { request in
                guard request.version >= 13 else { return .drop }
                var response = MetadataResponse()
                response.errorCode = .rebootstrapRequired
                return .answer(response)
            }
            _ = try await producer.send(ProducerRecord(topic: "orders", value: buffer("x")))
            await producer.close()
            let consumer = try self.consumer(other)
            try await consumer.assign([TopicPartition(topic: "orders", partition: 0)])
            #expect(try await consumer.take(1).map { text($0.1.value) } == ["x"])
            await consumer.close()
            await other.stop()
        }
    }
}
