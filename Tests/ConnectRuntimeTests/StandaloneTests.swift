import ConnectAPI
import Foundation
import KafkaTesting
import Logging
import NIOCore
import OrderedCollections
import NIOConcurrencyHelpers
import Testing

@testable import ConnectRuntime

@Suite(.timeLimit(.minutes(1)))
struct StandaloneTests {
    private func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("connect-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    @Test func theOffsetsFileKeepsTheLastOfEachKey() async throws {
        let folder = try temporaryFolder()
        let path = folder.appendingPathComponent("offsets").path
        let log = FileTopicLog(path: path)
        try await log.open { _, _ in Issue.record("there is no file yet") }
        let key = #"["x",{"table":"t"}]"#
        try await log.append([LogEntry(key: key, value: Array(#"{"a":1}"#.utf8))])
        try await log.append([
            LogEntry(key: key, value: Array(#"{"a":2}"#.utf8)), LogEntry(key: "gone", value: Array("{}".utf8)),
        ])
        try await log.append([LogEntry(key: "gone", value: nil)])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == key + "\t" + #"{"a":2}"# + "\n")
        let read = NIOLockedValueBox<[LogEntry]>([])
        try await FileTopicLog(path: path).open { entry, _ in read.withLockedValue { $0.append(entry) } }
        #expect(read.withLockedValue { $0 } == [LogEntry(key: key, value: Array(#"{"a":2}"#.utf8))])
        try FileManager.default.removeItem(at: folder)
    }

    @Test func anotherProgramsFileIsRefused() async throws {
        let folder = try temporaryFolder()
        let path = folder.appendingPathComponent("offsets")
        try Data([0xac, 0xed, 0x00, 0x05]).write(to: path)
        await #expect(throws: ConnectError.self) { try await FileTopicLog(path: path.path).open { _, _ in } }
        try FileManager.default.removeItem(at: folder)
    }

    @Test func aStandaloneWorkerGoesOnFromItsFile() async throws {
        let folder = try temporaryFolder()
        let broker = try await TestBroker.start()
        let system = FakeSystem.named("standalone")
        system.rows = 5
        let configuration = try WorkerConfiguration(
            properties: [
                "bootstrap.servers": broker.bootstrapServers, "listeners": "http://127.0.0.1:0",
                "key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "JsonConverter",
                "offset.storage.file.filename": folder.appendingPathComponent("offsets").path, "what.is.this": "1",
            ], mode: .standalone)
        #expect(configuration.unknownProperties == ["what.is.this"])
        let plugins = PluginRegistry()
        plugins.register(source: RowSource.self)
        let json = #"{"name":"in","config":{"connector.class":"RowSource","system":"standalone","topic":"t"}}"#
        for resumed: Int64 in [0, 5] {
            let worker = try StandaloneWorker(
                configuration: configuration, connectors: [try .init(json: json.utf8)], plugins: plugins,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await worker.start()
            try await until {
                try await worker.herder.offsets(of: "in").first?.offset == ["position": .integer(5)]
            }
            try await until { system.starts.last == resumed }
            await worker.shutdown()
        }
        #expect(system.starts == [0, 5])
        await broker.stop()
        try FileManager.default.removeItem(at: folder)
    }

    /// Kafka Connect takes bodies of any size.
    @Test func bodiesAreAsLargeAsTheWorkerSays() async throws {
        let folder = try temporaryFolder()
        let broker = try await TestBroker.start()
        let configuration = try WorkerConfiguration(
            properties: [
                "bootstrap.servers": broker.bootstrapServers, "listeners": "http://127.0.0.1:0",
                "key.converter": "JsonConverter", "value.converter": "JsonConverter",
                "offset.storage.file.filename": folder.appendingPathComponent("offsets").path,
                "rest.request.max.bytes": "2048",
            ], mode: .standalone)
        let worker = try StandaloneWorker(
            configuration: configuration, connectors: [], plugins: PluginRegistry(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await worker.start()
        let port = try #require(worker.restPort)
        func answer(toBodyOf size: Int) async throws -> String {
            let body = #"{"connector.class":"\#(String(repeating: "x", count: size - 22))"}"#
            #expect(body.utf8.count == size)
            return try await RESTServerTests.exchange(
                port,
                "PUT /connectors/c/config HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(size)\r\nConnection: close\r\n\r\n" + body)
        }
        // An unknown class: it was read.
        #expect(try await answer(toBodyOf: 2048).hasPrefix("HTTP/1.1 400 "))
        let tooLarge = try await answer(toBodyOf: 2049)
        #expect(tooLarge.hasPrefix("HTTP/1.1 413 ") && tooLarge.contains("2048 bytes"))
        #expect(throws: ConnectError.self) {
            try WorkerConfiguration(
                properties: configuration.properties.merging(["rest.request.max.bytes": "12"]) { $1 },
                mode: .standalone)
        }
        await worker.shutdown()
        await broker.stop()
        try FileManager.default.removeItem(at: folder)
    }
}

struct WorkerConfigurationTests {
    private let properties = [
        "bootstrap.servers": "a:1, b:2", "group.id": "g", "key.converter": "K", "value.converter": "V",
        "config.storage.topic": "c", "offset.storage.topic": "o", "status.storage.topic": "s",
    ]

    @Test func defaultsAreConnects() throws {
        let configuration = try WorkerConfiguration(properties: properties, mode: .distributed)
        #expect(configuration.bootstrapServers == ["a:1", "b:2"])
        #expect(configuration.offsetTopic == .init(name: "o", partitions: 25, replicationFactor: 3))
        #expect(configuration.statusTopic.partitions == 5)
        #expect(configuration.configTopic.partitions == 1)
        #expect(configuration.offsetFlushInterval == .seconds(60))
        #expect(configuration.gracefulShutdownTimeout == .seconds(5))
        #expect(configuration.listeners == ["http://:8083"])
        #expect(configuration.unknownProperties == [])
    }

    @Test(arguments: [
        ("group.id", ""), ("config.storage.partitions", "2"), ("offset.storage.partitions", "0"),
        ("status.storage.cleanup.policy", "delete"), ("offset.storage.topic", "c"), ("listeners", "ftp://:1"),
        ("topic.creation.enable", "maybe"), ("offset.flush.interval.ms", "-1"),
    ])
    func wrongValuesAreNamed(_ name: String, _ value: String) throws {
        let error = #expect(throws: ConnectError.self) {
            let changed = properties.merging([name: value]) { $1 }
            let configuration = try WorkerConfiguration(properties: changed, mode: .distributed)
            _ = try RESTListeners.parse(configuration)
        }
        #expect(error?.code == .config)
        #expect(error?.message.contains(name) == true)
    }

    @Test func clientSettingsComeFromTheNearest() throws {
        var properties = properties
        properties["producer.linger.ms"] = "5"
        properties["producer.batch.size"] = "1"
        properties["request.timeout.ms"] = "7"
        let configuration = try WorkerConfiguration(properties: properties, mode: .distributed)
        let client = configuration.clientProperties("producer", overriddenBy: ["producer.override.batch.size": "2"])
        #expect(
            client == ["bootstrap.servers": "a:1,b:2", "request.timeout.ms": "7", "linger.ms": "5", "batch.size": "2"])
    }
}
