import KafkaBroker
import KafkaClient
import KafkaProtocol
import KafkaTesting
import Logging
import NIOCore
import Testing

/// Our client logging in at our broker.
@Suite(.timeLimit(.minutes(1)))
struct SecurityTests {
    private static let brokerProperties = [
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config":
            #"org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="a=\"b\";c";"#,
    ]

    private func withBroker(_ body: (TestBroker) async throws -> Void) async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        var configuration = try BrokerConfiguration(properties: Self.brokerProperties)
        configuration.dataDirectory = folder
        let users = try ["SCRAM-SHA-256", "SCRAM-SHA-512"].map { mechanism throws(BrokerError) in
            try ScramUser(parsing: "\(mechanism)=[name=alice,password=secret of \(mechanism)]")
        }
        _ = try BrokerStorage.format(configuration, users: users, logger: testLogger)
        let broker = try await TestBroker.start(dataDirectory: folder, properties: Self.brokerProperties)
        do {
            try await body(broker)
        } catch {
            await broker.stop()
            TestBroker.removeDirectory(folder)
            throw error
        }
        await broker.stop()
        TestBroker.removeDirectory(folder)
    }

    private func topics(_ properties: [String: String], _ broker: TestBroker) async throws -> [String] {
        var properties = properties
        properties["bootstrap.servers"] = broker.bootstrapServers
        let admin = try KafkaAdminClient(
            configuration: ClientConfiguration(properties: properties), logger: testLogger)
        do {
            try await admin.createTopics([TopicToCreate(name: "t", partitions: 1, replicationFactor: 1)])["t"]?.get()
            let names = try await admin.listTopics().map(\.name)
            await admin.close()
            return names
        } catch {
            await admin.close()
            throw error
        }
    }

    private static let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required "
    private static let logins: [[String: String]] = [
        [
            "sasl.mechanism": "PLAIN",
            "sasl.jaas.config":
                #"org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="a=\"b\";c";"#,
        ],
        [
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.jaas.config": scram + #"username="alice" password="secret of SCRAM-SHA-256";"#,
        ],
        ["sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "alice", "sasl.password": "secret of SCRAM-SHA-512"],
    ]

    @Test(arguments: logins) func `users log in`(_ login: [String: String]) async throws {
        try await withBroker { broker in
            let properties = login.merging(["security.protocol": "SASL_PLAINTEXT"]) { $1 }
            let names = try await topics(properties, broker)
            #expect(names == ["t"])
            let configuration = try ClientConfiguration(
                properties: properties.merging(["bootstrap.servers": "a:1"]) { $1 })
            #expect(configuration.unknownProperties.isEmpty)
        }
    }

    private static let madeToken = [
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.jaas.config": #"OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="alice";"#,
    ]

    /// KIP-368: the broker cuts off whoever is not logged in anew in time.
    @Test(arguments: logins + [madeToken])
    func `a login that ends is renewed on its connection while requests go on`(_ login: [String: String]) async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        let brokerProperties = Self.brokerProperties.merging([
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "sasl.oauthbearer.unsecured.tokens.allow": "true", "connections.max.reauth.ms": "3000",
        ]) { $1 }
        var formatted = try BrokerConfiguration(properties: brokerProperties)
        formatted.dataDirectory = folder
        let users = try ["SCRAM-SHA-256", "SCRAM-SHA-512"].map { mechanism throws(BrokerError) in
            try ScramUser(parsing: "\(mechanism)=[name=alice,password=secret of \(mechanism)]")
        }
        _ = try BrokerStorage.format(formatted, users: users, logger: testLogger)
        let broker = try await TestBroker.startIntercepted(properties: brokerProperties) { $0.dataDirectory = folder }
        let interceptor = try #require(broker.interceptor)
        var properties = login.merging(["security.protocol": "SASL_PLAINTEXT"]) { $1 }
        properties["bootstrap.servers"] = broker.bootstrapServers
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(properties: properties), logger: testLogger)
        let record = ProducerRecord(topic: "t", partition: 0, value: buffer("x"))
        var offset = try await producer.send(record).offset
        // On a machine that holds this process up for long a login may come too late once or twice.
        var isRenewed = false
        for _ in 0..<4 where !isRenewed {
            let connections = interceptor.count(of: .apiVersions)
            let logins = interceptor.count(of: .saslHandshake)
            var more = 20
            while more > 0 {
                let next = try await producer.send(record).offset
                #expect(next == offset + 1)
                offset = next
                if interceptor.count(of: .saslHandshake) > logins { more -= 1 }
            }
            isRenewed = interceptor.count(of: .apiVersions) == connections
        }
        #expect(isRenewed, "whenever the user logged in anew, it was on a new connection")
        await producer.close()
        await broker.stop()
        TestBroker.removeDirectory(folder)
    }

    @Test func `tokens come from a file, from a closure, or are made`() async throws {
        let broker = try await TestBroker.start(properties: [
            "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "OAUTHBEARER",
            "sasl.oauthbearer.unsecured.tokens.allow": "true",
        ])
        let made = [
            "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
            "sasl.jaas.config": #"OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="alice \\"q\\"";"#,
        ]
        let names = try await topics(made, broker)
        #expect(names == ["t"])
        var configuration = try ClientConfiguration(properties: ["bootstrap.servers": broker.bootstrapServers])
        configuration.security.useTokens { "not.a.token" }
        let admin = try KafkaAdminClient(configuration: configuration, logger: testLogger)
        do {
            _ = try await admin.listTopics()
            Issue.record("logged in")
        } catch let error as KafkaError {
            #expect(error.errorCode == .saslAuthenticationFailed && !error.isRetriable, "\(error)")
        }
        await admin.close()
        let missing = ["sasl.oauthbearer.token.endpoint.url": "file:///no/such.jwt"].merging(made) { $1 }
        await #expect(throws: KafkaError.self) { try await topics(missing, broker) }
        await broker.stop()
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    func `a wrong password is told at once, and not shown`(_ mechanism: String) async throws {
        try await withBroker { broker in
            let properties = [
                "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": "alice",
                "sasl.password": "hush-hush",
            ]
            do {
                _ = try await topics(properties, broker)
                Issue.record("logged in")
            } catch let error as KafkaError {
                #expect(error.errorCode == .saslAuthenticationFailed && !error.isRetriable)
                #expect(error.message.contains("alice") && !error.message.contains("hush-hush"))
            }
            let configuration = try ClientConfiguration(
                properties: properties.merging(["bootstrap.servers": "a:1"]) { $1 })
            var dumped = ""
            dump(configuration, to: &dumped)
            #expect(!dumped.contains("hush-hush") && !"\(configuration)".contains("hush-hush"))
        }
    }

    @Test(arguments: [
        ["security.protocol": "SASL_PLAINTEXT"], ["security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"],
        ["security.protocol": "nonsense"], ["security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "GSSAPI"],
        ["security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u"],
    ])
    func `wrong settings are refused and named`(_ properties: [String: String]) {
        #expect(throws: KafkaError.self) {
            try ClientConfiguration(properties: properties.merging(["bootstrap.servers": "a:1"]) { $1 })
        }
    }
}
