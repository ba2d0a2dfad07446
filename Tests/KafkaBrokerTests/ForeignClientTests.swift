import Foundation
import KafkaBroker
import KafkaTesting
import Testing

/// Other people's clients, unmodified, as child processes; the scripts are in `Compat/`.
@Suite("Foreign clients", .serialized)
struct ForeignClientTests {
    private static let compat = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Compat").path

    /// Members of the consumer protocol learn what is new by their heartbeats.
    private static let quickHeartbeats = ["group.consumer.heartbeat.interval.ms": "200"]

    /// Runs a program found on the path; gives its output and how it ended.
    static func run(_ command: [String]) async throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                do {
                    try process.run()
                    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                    process.waitUntilExit()
                    continuation.resume(returning: (output, process.terminationStatus))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }

    /// Whether a script's module or program is here; the tests of a client that is not are skipped.
    static func has(_ module: String) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = module == "kcat" ? ["kcat", "-V"] : ["python3", "-c", "import \(module)"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    /// Whether the jars are here: a download of 200 MB that the tests do not begin by themselves.
    static var hasJavaClients: Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(compat)/../scripts/java-clients.sh")
        process.arguments = ["--check"]
        process.standardOutput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    private func runScript(_ command: [String], on broker: TestBroker, _ more: [String] = []) async throws {
        let result = try await Self.run(["timeout", "180"] + command + [broker.bootstrapServers] + more)
        #expect(result.status == 0 && result.output.contains("DONE"), "\(result.output.suffix(4000))")
    }

    @Test(
        "librdkafka", .enabled(if: has("confluent_kafka"), "confluent-kafka is not installed"),
        arguments: ["produce_consume.py", "groups.py", "admin.py", "transactions.py", "consumer_protocol.py"])
    func librdkafka(script: String) async throws {
        let broker = try await TestBroker.start(properties: Self.quickHeartbeats)
        try await runScript(["python3", "\(Self.compat)/librdkafka/\(script)"], on: broker)
        await broker.stop()
    }

    @Test(
        "librdkafka's groups go over to the consumer protocol and back while they run",
        .enabled(if: has("confluent_kafka")), arguments: ["range", "cooperative-sticky"])
    func migration(strategy: String) async throws {
        let broker = try await TestBroker.start(properties: Self.quickHeartbeats)
        try await runScript(["python3", "\(Self.compat)/librdkafka/migration.py"], on: broker, [strategy])
        await broker.stop()
    }

    @Test("librdkafka's committed offsets survive a restart", .enabled(if: has("confluent_kafka")))
    func offsetsSurvive() async throws {
        let script = ["python3", "\(Self.compat)/librdkafka/offsets.py"]
        let first = try await TestBroker.start()
        try await runScript(script, on: first, ["write"])
        await first.stop(keepingData: true)
        let second = try await TestBroker.start(dataDirectory: first.dataDirectory)
        try await runScript(script, on: second, ["check"])
        await second.stop()
        TestBroker.removeDirectory(first.dataDirectory)
    }

    @Test(
        "Apache Kafka's Java clients", .enabled(if: hasJavaClients, "scripts/java-clients.sh has not been run"),
        arguments: ["Transactions", "ConsumerGroups"])
    func java(program: String) async throws {
        let broker = try await TestBroker.start(properties: Self.quickHeartbeats)
        try await runScript(["\(Self.compat)/java/run.sh", program], on: broker)
        await broker.stop()
    }

    @Test(
        "Java's clients renew their sessions, change the broker's settings and are throttled",
        .enabled(if: hasJavaClients, "scripts/java-clients.sh has not been run"))
    func javaLimits() async throws {
        let broker = try await TestBroker.start(properties: [
            "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                #"org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="a";"#,
            "connections.max.reauth.ms": "1500",
        ])
        try await runScript(["\(Self.compat)/java/run.sh", "Limits"], on: broker)
        await broker.stop()
    }

    @Test("kcat", .enabled(if: has("kcat"), "kcat is not installed"))
    func kcat() async throws {
        let broker = try await TestBroker.start()
        try await runScript(["bash", "\(Self.compat)/librdkafka/kcat.sh"], on: broker)
        await broker.stop()
    }

    @Test("kafka-python", .enabled(if: has("kafka"), "kafka-python is not installed"))
    func kafkaPython() async throws {
        let broker = try await TestBroker.start()
        try await runScript(["python3", "\(Self.compat)/kafka-python/everything.py"], on: broker)
        await broker.stop()
    }

    @Test("aiokafka", .enabled(if: has("aiokafka"), "aiokafka is not installed"))
    func aiokafka() async throws {
        let broker = try await TestBroker.start()
        try await runScript(["python3", "\(Self.compat)/aiokafka/everything.py"], on: broker)
        await broker.stop()
    }
}
