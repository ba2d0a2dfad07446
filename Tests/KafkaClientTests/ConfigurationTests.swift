import KafkaClient
import KafkaProtocol
import Logging
import NIOCore
import NIOPosix
import Testing

struct ConfigurationTests {
    @Test func `properties by Kafka's names`() throws {
        let producer = try ProducerConfiguration(properties: [
            "bootstrap.servers": "a:1, b:2", "acks": "1", "linger.ms": "5", "compression.type": "lz4",
            "request.timeout.ms": "1234", "key.serializer": "x", "lingre.ms": "7",
        ])
        #expect(producer.client.bootstrapServers == ["a:1", "b:2"])
        #expect(producer.acks == .leader)
        #expect(!producer.enableIdempotence)
        #expect(producer.linger == .milliseconds(5))
        #expect(producer.compression == .lz4)
        #expect(producer.client.requestTimeout == .milliseconds(1234))
        #expect(producer.unknownProperties == ["lingre.ms"])
        let consumer = try ConsumerConfiguration(properties: [
            "bootstrap.servers": "a:1", "group.id": "g", "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        ])
        #expect(consumer.groupID == "g")
        #expect(consumer.autoOffsetReset == .earliest)
        #expect(consumer.isolationLevel == .readCommitted)
        #expect(consumer.assignors.map(\.name) == ["cooperative-sticky"])
    }

    @Test(arguments: [
        ["bootstrap.servers": "nonsense"], ["bootstrap.servers": ""], [:],
        ["bootstrap.servers": "a:1", "acks": "2"], ["bootstrap.servers": "a:1", "linger.ms": "soon"],
        ["bootstrap.servers": "a:1", "linger.ms": "-1"],
        ["bootstrap.servers": "a:1", "acks": "1", "enable.idempotence": "true"],
        ["bootstrap.servers": "a:1", "max.in.flight.requests.per.connection": "6"],
        ["bootstrap.servers": "a:1", "security.protocol": "TLS"],
    ])
    func `wrong values are refused and named`(_ properties: [String: String]) {
        #expect(throws: KafkaError.self) { try ProducerConfiguration(properties: properties) }
    }

    @Test func `addresses`() throws {
        #expect(try HostPort(parsing: "[::1]:9092") == HostPort(host: "::1", port: 9092))
        #expect(try HostPort(parsing: "PLAINTEXT://h:1") == HostPort(host: "h", port: 1))
        #expect(HostPort(host: "::1", port: 9).description == "[::1]:9")
    }

    /// A port that was free a moment ago: nobody listens there.
    private func unusedPort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        try await channel.close()
        return port
    }

    @Test(.timeLimit(.minutes(1)))
    func `a broker that is not there is named, with the remedy`() async throws {
        let port = try await unusedPort()
        var configuration = ClientConfiguration(bootstrapServers: ["localhost:\(port)"])
        configuration.bootstrapPatience = .zero
        let admin = try KafkaAdminClient(configuration: configuration, logger: testLogger)
        await #expect {
            _ = try await admin.listTopics()
        } throws: { error in
            "\(error)" == "cannot reach localhost:\(port): connection refused; is the broker running?"
        }
        await admin.close()
        let consumer = try KafkaConsumer(
            configuration: ConsumerConfiguration(client: configuration, groupID: "g"), logger: testLogger)
        try await consumer.subscribe(["t"])
        await #expect(throws: KafkaError.self) {
            while true { _ = try await consumer.poll(timeout: .seconds(30)) }
        }
        await consumer.close()
    }

    @Test(.timeLimit(.minutes(1)))
    func `waiting calls end when they are cancelled or the client is closed`() async throws {
        let port = try await unusedPort()
        var configuration = ProducerConfiguration(bootstrapServers: ["127.0.0.1:\(port)"])
        configuration.client.reconnectBackoff = .seconds(5)
        configuration.client.reconnectBackoffMax = .seconds(5)
        let producer = try KafkaProducer(configuration: configuration, logger: testLogger)
        let sending = Task { try await producer.send(ProducerRecord(topic: "t", value: ByteBuffer(string: "x"))) }
        await Task.yield()
        sending.cancel()
        await #expect(throws: CancellationError.self) { _ = try await sending.value }
        let other = Task { try await producer.send(ProducerRecord(topic: "t", value: ByteBuffer(string: "x"))) }
        await Task.yield()
        await producer.close(timeout: .milliseconds(100))
        await #expect(throws: (any Error).self) { _ = try await other.value }
        let consumer = try KafkaConsumer(
            configuration: ConsumerConfiguration(client: configuration.client, groupID: "g"), logger: testLogger)
        try await consumer.subscribe(["t"])
        let polling = Task { try await consumer.poll(timeout: .seconds(60)) }
        await Task.yield()
        polling.cancel()
        await #expect(throws: CancellationError.self) { _ = try await polling.value }
        await consumer.close()
        await #expect(throws: KafkaError.self) { _ = try await consumer.poll(timeout: .zero) }
    }
}
