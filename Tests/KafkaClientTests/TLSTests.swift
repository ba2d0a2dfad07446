import KafkaBroker
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import NIOPosix
import Testing

/// Our client and our broker over TLS.
@Suite(.timeLimit(.minutes(1)), .serialized)
struct TLSTests {
    private func withBroker(
        _ more: [String: String] = [:], keystore: String = "server.keystore.pem",
        _ body: (TestBroker, TestCertificates) async throws -> Void
    ) async throws {
        let files = try await TestCertificates.shared()
        let broker = try await TestBroker.start(
            properties: files.properties(keystore: keystore).merging(["listeners": "SSL://127.0.0.1:0"]) { $1 }
                .merging(more) { $1 })
        do {
            try await body(broker, files)
        } catch {
            await broker.stop()
            throw error
        }
        await broker.stop()
    }

    private func configuration(
        _ properties: [String: String], _ broker: TestBroker, host: String = "localhost"
    ) throws -> ClientConfiguration {
        var configuration = try ClientConfiguration(
            properties: ["bootstrap.servers": "\(host):\(broker.port)", "security.protocol": "SSL"]
                .merging(properties) { $1 })
        configuration.bootstrapPatience = .zero
        #expect(configuration.unknownProperties.isEmpty)
        return configuration
    }

    /// What the client says when it cannot connect.
    private func fault(_ configuration: ClientConfiguration) async throws -> KafkaError {
        let admin = try KafkaAdminClient(configuration: configuration, logger: testLogger)
        do {
            _ = try await admin.listTopics()
            await admin.close()
            throw KafkaError(.invalidState, "connected")
        } catch let error as KafkaError {
            await admin.close()
            return error
        }
    }

    private func roundTrip(_ configuration: ClientConfiguration) async throws {
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(client: configuration), logger: testLogger)
        for number in 0..<50 {
            _ = try await producer.send(
                ProducerRecord(topic: "t", value: ByteBuffer(repeating: UInt8(number), count: 20_000)))
        }
        await producer.close()
        let consumer = try KafkaConsumer(
            configuration: ConsumerConfiguration(client: configuration), logger: testLogger)
        let partition = TopicPartition(topic: "t", partition: 0)
        try await consumer.assign([partition])
        try consumer.seekToBeginning([partition])
        let values = try await consumer.take(50).map { $0.1.value }
        #expect(values == (0..<50).map { ByteBuffer(repeating: UInt8($0), count: 20_000) })
        await consumer.close()
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"]) func `records pass over SSL`(_ version: String) async throws {
        try await withBroker { broker, files in
            try await roundTrip(
                configuration(files.properties().merging(["ssl.enabled.protocols": version]) { $1 }, broker))
        }
    }

    @Test func `a user logs in over SASL_SSL`() async throws {
        let login = [
            "listeners": "SASL_SSL://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": #"m required user_alice="alice-secret";"#,
        ]
        try await withBroker(login) { broker, files in
            var properties = files.properties().merging([
                "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "alice",
                "sasl.password": "alice-secret",
            ]) { $1 }
            try await roundTrip(configuration(properties, broker))
            properties["sasl.password"] = "wrong"
            let error = try await fault(configuration(properties, broker))
            #expect(error.errorCode == .saslAuthenticationFailed)
        }
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"]) func `certificates on both sides`(_ version: String) async throws {
        try await withBroker(["ssl.client.auth": "required", "ssl.enabled.protocols": version]) { broker, files in
            try await roundTrip(configuration(files.properties(keystore: "alice.keystore.pem"), broker))
            let stranger = try await fault(configuration(files.properties(), broker))
            #expect(stranger.message.contains("ssl.keystore.location") && !stranger.isRetriable, "\(stranger)")
            let impostor = try await fault(configuration(files.properties(keystore: "mallory.keystore.pem"), broker))
            #expect(impostor.message.contains("does not accept our certificate"), "\(impostor)")
            #expect(!impostor.isRetriable)
        }
    }

    @Test(arguments: [
        ("server.keystore.pem", "other-ca.pem", "ssl.truststore.location"),
        ("elsewhere.keystore.pem", "ca.pem", "for another host"), ("expired.keystore.pem", "ca.pem", "has expired"),
    ])
    func `a bad certificate of the broker is named`(_ keystore: String, _ trust: String, _ words: String) async throws {
        try await withBroker(keystore: keystore) { broker, files in
            let error = try await fault(configuration(files.properties(truststore: trust), broker))
            #expect(error.code == .connectionFailed && !error.isRetriable)
            #expect(error.message.contains(words) && error.message.contains("localhost:\(broker.port)"), "\(error)")
        }
    }

    @Test func `the wrong protocol is named on both sides`() async throws {
        try await withBroker { broker, files in
            let plain = try await fault(configuration(["security.protocol": "PLAINTEXT"], broker))
            #expect(plain.message.contains("set security.protocol to SSL"), "\(plain)")
            #expect(!plain.isRetriable)
        }
        try await withBroker(["listeners": "PLAINTEXT://127.0.0.1:0"]) { broker, files in
            let error = try await fault(configuration(files.properties(), broker))
            #expect(error.message.contains("does it speak TLS there"), "\(error)")
        }
    }

    @Test func `a peer that says nothing does not hold the client`() async throws {
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(silent.localAddress?.port)
        let files = try await TestCertificates.shared()
        var configuration = try ClientConfiguration(
            properties: files.properties().merging([
                "bootstrap.servers": "127.0.0.1:\(port)", "security.protocol": "SSL",
                "socket.connection.setup.timeout.ms": "200",
            ]) { $1 })
        configuration.bootstrapPatience = .zero
        let error = try await fault(configuration)
        #expect(error.message.contains("did not finish the TLS handshake within 200 ms"), "\(error)")
        #expect(error.isRetriable)
        try await silent.close().get()
    }

    @Test func `settings that cannot be used are named`() async throws {
        try await withBroker { broker, files in
            let error = try await fault(configuration(["ssl.truststore.location": "/no/such.pem"], broker))
            #expect(error.code == .invalidConfiguration && error.message.contains("/no/such.pem"))
        }
        #expect(throws: KafkaError.self) {
            try ClientConfiguration(properties: [
                "bootstrap.servers": "a:1", "security.protocol": "SSL",
                "ssl.endpoint.identification.algorithm": "guess",
            ])
        }
    }
}
