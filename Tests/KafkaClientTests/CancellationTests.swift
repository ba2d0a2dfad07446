import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOCore
import Synchronization
import Testing

/// Every call that waits for a broker stops waiting when its task is cancelled, ends in time when the broker is silent,
/// and lets the client be closed all the same. The broker's answers are held up for a minute.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CancellationTests {
    /// A call, and the request during which it is caught.
    enum Call: String, CaseIterable, Sendable {
        case sendMetadata, sendIdentity, send, flush, initTransactions, commitTransaction, abortTransaction
        case sendOffsets, position, pollFetch, pollJoin, pollSync, pollHeartbeat, commit, committed, endOffsets
        case createTopic, listGroups, describeTopics

        var api: APIKey {
            switch self {
            case .sendMetadata, .describeTopics: .metadata
            case .sendIdentity, .initTransactions: .initProducerId
            case .send, .flush: .produce
            case .commitTransaction, .abortTransaction: .endTxn
            case .sendOffsets: .txnOffsetCommit
            case .position, .endOffsets: .listOffsets
            case .pollFetch: .fetch
            case .pollJoin: .joinGroup
            case .pollSync: .syncGroup
            case .pollHeartbeat: .consumerGroupHeartbeat
            case .commit: .offsetCommit
            case .committed: .offsetFetch
            case .createTopic: .createTopics
            case .listGroups: .listGroups
            }
        }
    }

    private static let partition = TopicPartition(topic: "orders", partition: 0)
    private static let offsets = [partition: OffsetAndMetadata(offset: 1)]

    /// How many requests are held up.
    private final class CaughtRequests: Sendable {
        let count = Mutex(0)
    }

    /// The clients of one test, made when they are needed.
    private final class Clients: Sendable {
        let producer: KafkaProducer
        let transactional: KafkaProducer
        let consumer: KafkaConsumer
        let admin: KafkaAdminClient

        init(_ broker: TestBroker, _ call: Call, timeout: Duration) throws {
            var client = ClientConfiguration(bootstrapServers: [broker.bootstrapServers])
            client.requestTimeout = timeout
            client.apiTimeout = timeout
            var producing = ProducerConfiguration(client: client)
            producing.maxBlock = timeout
            producing.deliveryTimeout = timeout
            producer = try KafkaProducer(configuration: producing, logger: testLogger)
            producing.transactionalID = "t"
            transactional = try KafkaProducer(configuration: producing, logger: testLogger)
            var consuming = ConsumerConfiguration(client: client, groupID: "g")
            consuming.autoOffsetReset = .earliest
            consuming.enableAutoCommit = false
            if call == .pollHeartbeat { consuming.groupProtocol = .consumer }
            consumer = try KafkaConsumer(configuration: consuming, logger: testLogger)
            admin = try KafkaAdminClient(configuration: client, logger: testLogger)
        }

        func close() async {
            await producer.close(timeout: .milliseconds(200))
            await transactional.close(timeout: .milliseconds(200))
            await consumer.close()
            await admin.close()
        }

        /// What must be done before the answers are held up.
        func prepare(_ call: Call) async throws {
            let record = ProducerRecord(topic: "orders", value: buffer("x"))
            switch call {
            case .send, .flush: _ = try await producer.send(record)
            case .commitTransaction, .abortTransaction, .sendOffsets:
                try await transactional.initTransactions()
                try transactional.beginTransaction()
                _ = try await transactional.send(record)
            case .position, .pollFetch, .commit: try await consumer.assign([CancellationTests.partition])
            case .pollJoin, .pollSync, .pollHeartbeat: try await consumer.subscribe(["orders"])
            default: break
            }
        }

        func run(_ call: Call) async throws {
            let record = ProducerRecord(topic: "orders", value: buffer("x"))
            let partition = CancellationTests.partition
            switch call {
            case .sendMetadata, .sendIdentity, .send: _ = try await producer.send(record)
            case .flush:
                try await producer.enqueue(record)
                try await producer.flush()
            case .initTransactions: try await transactional.initTransactions()
            case .commitTransaction: try await transactional.commitTransaction()
            case .abortTransaction: try await transactional.abortTransaction()
            case .sendOffsets:
                try await transactional.sendOffsets(
                    CancellationTests.offsets, group: ConsumerGroupMetadata(groupID: "g"))
            case .position: _ = try await consumer.position(partition)
            case .pollFetch, .pollJoin, .pollSync, .pollHeartbeat:
                while try await consumer.poll(timeout: .seconds(60)).isEmpty {}
            case .commit: try await consumer.commit(CancellationTests.offsets)
            case .committed: _ = try await consumer.committed([partition])
            case .endOffsets: _ = try await consumer.endOffsets([partition])
            case .createTopic: _ = try await admin.createTopics([TopicToCreate(name: "new")])
            case .listGroups: _ = try await admin.listConsumerGroups()
            case .describeTopics: _ = try await admin.describeTopics(["orders"])
            }
        }
    }

    private func withClients(
        _ call: Call, timeout: Duration, _ body: (Clients, CaughtRequests) async throws -> Void
    ) async throws {
        let broker = try await TestBroker.startIntercepted(properties: ["num.partitions": "1"])
        let interceptor = try #require(broker.interceptor)
        let clients = try Clients(broker, call, timeout: timeout)
        let admin = try KafkaAdminClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: testLogger)
        _ = try await admin.createTopics([TopicToCreate(name: "orders", partitions: 1)])
        await admin.close()
        try await clients.prepare(call)
        let caught = CaughtRequests()
        interceptor.intercept(call.api) { _ in
            caught.count.withLock { $0 += 1 }
            return .delay(.seconds(60))
        }
        try await body(clients, caught)
        interceptor.cutConnections()
        interceptor.clear()
        let start = ContinuousClock.now
        await clients.close()
        #expect(start.duration(to: .now) < .seconds(10), "closing takes too long")
        await broker.stop()
    }

    @Test(arguments: Call.allCases) func `a cancelled call returns at once`(_ call: Call) async throws {
        try await withClients(call, timeout: .seconds(30)) { clients, caught in
            let task = Task { try await clients.run(call) }
            let deadline = ContinuousClock.now + .seconds(20)
            while caught.count.withLock({ $0 }) == 0, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
            try #require(caught.count.withLock { $0 } > 0, "no \(call.api) was sent")
            // What goes on behind a call may have sent it before the call itself waits.
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            let start = ContinuousClock.now
            let result = await task.result
            #expect(start.duration(to: .now) < .seconds(5))
            #expect(throws: CancellationError.self) { try result.get() }
        }
    }

    /// Those whose time is the client's own; a poll has one of its own, and an ended transaction's fate must be told.
    @Test(arguments: [Call.sendMetadata, .send, .initTransactions, .position, .committed, .endOffsets, .listGroups])
    func `a call whose broker is silent ends in time`(_ call: Call) async throws {
        try await withClients(call, timeout: .seconds(1)) { clients, _ in
            let start = ContinuousClock.now
            let error = await #expect(throws: KafkaError.self) { try await clients.run(call) }
            #expect(error?.code == .timedOut || error?.code == .connectionClosed, "\(String(describing: error))")
            #expect(start.duration(to: .now) < .seconds(15))
        }
    }
}
