import ConnectAPI
import Foundation
import KafkaTesting
import NIOConcurrencyHelpers
import OrderedCollections
import Testing

@testable import ConnectRuntime

private let hasKafkaPython: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", "import kafka"]
    process.standardError = Pipe()
    try? process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
}()

/// `header.converter` in source and sink tasks on a real broker; kafka-python writes and reads the headers.
@Suite(.timeLimit(.minutes(2)), .serialized, .enabled(if: hasKafkaPython))
struct HeaderEndToEndTests {
    private static let script = URL(filePath: #filePath)
        .deletingLastPathComponent().appending(path: "../../Compat/kafka-python/headers.py").path

    /// A record's headers as kafka-python sees them. It does not wait for a topic.
    private func headers(
        _ broker: TestBroker, _ topic: String, of name: String, _ worker: DistributedWorker
    ) async throws -> [String: String] {
        if topic != "dead" {
            try await until {
                // A connector whose topic has changed has nothing to write there unless something is new.
                FakeSystem.named("headers.from").rows += 1
                return try await worker.herder.activeTopics(of: name).contains(topic)
            }
        }
        let (output, status) = try await runProgram(
            ["python3", Self.script, broker.bootstrapServers, "read", topic, "1"])
        try #require(status == 0, "\(output)")
        let pairs = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [[String?]])
        return Dictionary(pairs.compactMap { pair in pair[0].map { ($0, pair[1] ?? "null") } }) { _, last in last }
    }

    private func write(_ broker: TestBroker, _ topic: String, _ headers: String) async throws {
        let (output, status) = try await runProgram(
            ["python3", Self.script, broker.bootstrapServers, "write", topic, headers])
        try #require(status == 0, "\(output)")
    }

    private func source(_ topic: String, _ more: ConnectorProperties) -> ConnectorProperties {
        let config: ConnectorProperties = [
            "connector.class": RowSource.className, "system": "headers.from", "topic": topic,
            "transforms": "day,list", "transforms.day.type": "InsertHeader", "transforms.day.header": "day",
            "transforms.day.value.literal": "2019-08-23", "transforms.list.type": "InsertHeader",
            "transforms.list.header": "list", "transforms.list.value.literal": "[1,2,300]",
        ]
        return config.merging(more) { $1 }
    }

    @Test func sourcesWriteWithTheConnectorsConverterOrTheWorkers() async throws {
        let broker = try await TestBroker.start()
        let json = "org.apache.kafka.connect.json.JsonConverter"
        let date =
            #"{"schema":{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1},"#
            + #""payload":18131}"#
        var worker = try await startWorker(broker)
        _ = try await worker.herder.createConnector(name: "simple", config: source("a", [:]), initialState: nil)
        #expect(try await headers(broker, "a", of: "simple", worker) == ["day": "2019-08-23", "list": "[1,2,300]"])
        _ = try await worker.herder.createConnector(
            name: "json", config: source("b", ["header.converter": json]), initialState: nil)
        #expect(try await headers(broker, "b", of: "json", worker)["day"] == date)
        // A change of the converter alone takes effect.
        _ = try await worker.herder.putConnectorConfig(
            "simple",
            config: source("c", ["header.converter": json, "header.converter.schemas.enable": "false"]))
        #expect(try await headers(broker, "c", of: "simple", worker) == ["day": "18131", "list": "[1,2,300]"])
        await worker.shutdown()
        worker = try await startWorker(
            broker, group: "others",
            adjust: { configuration in
                configuration.headerConverter = json
                configuration.properties["header.converter.schemas.enable"] = "false"
            })
        _ = try await worker.herder.createConnector(name: "worker", config: source("d", [:]), initialState: nil)
        #expect(try await headers(broker, "d", of: "worker", worker)["day"] == "18131")
        // Who names a converter does not get the worker's options.
        _ = try await worker.herder.createConnector(
            name: "own", config: source("e", ["header.converter": json]), initialState: nil)
        #expect(try await headers(broker, "e", of: "own", worker)["day"] == date)
        await worker.shutdown()
        await broker.stop()
    }

    @Test func sinksReadAndBadHeadersAreDeadLetters() async throws {
        let broker = try await TestBroker.start()
        let worker = try await startWorker(broker, register: { $0.register(sink: HeaderSink.self) })
        let value: ConnectorProperties = [
            "connector.class": HeaderSink.className, "tasks.max": "1", "value.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        ]
        try await write(
            broker, "in",
            #"[["n","42"],["at","2019-08-23T14:34:54.346Z"],["list","[1,300]"],["text","8:30"]]"#)
        _ = try await worker.herder.createConnector(
            name: "typed", config: value.merging(["topics": "in"]) { $1 }, initialState: nil)
        try await until { !HeaderSink.seen("in").isEmpty }
        #expect(
            HeaderSink.seen("in") == [
                ConnectHeader(key: "n", schema: .int8, value: .int8(42)),
                ConnectHeader(key: "at", schema: .timestamp(), value: .int64(1_566_570_894_346)),
                ConnectHeader(key: "list", schema: .array(of: .int16), value: .array([.int16(1), .int16(300)])),
                ConnectHeader(key: "text", schema: .string, value: .string("8:30")),
            ])

        let json: ConnectorProperties = [
            "topics": "mixed", "header.converter": "org.apache.kafka.connect.json.JsonConverter",
            "header.converter.schemas.enable": "false",
        ]
        try await write(broker, "mixed", #"[["good","{\"a\":1}"],["bad","{broken"]]"#)
        _ = try await worker.herder.createConnector(
            name: "strict", config: value.merging(json) { $1 }, initialState: nil)
        try await until { try await worker.herder.connectorStatus("strict").tasks.first?.state == .failed }
        let trace = try await worker.herder.connectorStatus("strict").tasks.first?.trace ?? ""
        #expect(trace.contains("mixed-0 at offset 0") && trace.contains("header bad"), "\(trace)")
        let tolerant: ConnectorProperties = [
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        ]
        _ = try await worker.herder.createConnector(
            name: "soft", config: value.merging(json) { $1 }.merging(tolerant) { $1 }, initialState: nil)
        try await until { try await worker.herder.offsets(of: "soft").first?.offset == ["kafka_offset": .integer(1)] }
        let dead = try await headers(broker, "dead", of: "soft", worker)
        #expect(dead["good"] == #"{"a":1}"# && dead["bad"] == "{broken")
        #expect(dead["__connect.errors.stage"] == "HEADER_CONVERTER")
        #expect(dead["__connect.errors.class.name"] == "org.apache.kafka.connect.json.JsonConverter")
        #expect(HeaderSink.seen("mixed").isEmpty)
        await worker.shutdown()
        await broker.stop()
    }
}

/// Keeps the headers of the last record of each topic.
private final class HeaderSink: SinkConnector {
    static let className = "test.HeaderSinkConnector"
    static let aliases: [String] = []
    static let version = "1"
    static let taskClassName = "test.HeaderSinkTask"
    static let configDefinition = ConfigDefinition()
    private static let headers = NIOLockedValueBox<[String: [ConnectHeader]]>([:])

    static func seen(_ topic: String) -> [ConnectHeader] { headers.withLockedValue { $0[topic] ?? [] } }

    init() {}
    func start(_ config: [String: String], context: any ConnectorContext) async throws {}
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] { [[:]] }
    func stop() async {}
    func makeTask() -> any SinkTask { Work() }

    private final class Work: SinkTask {
        func start(_ config: [String: String], context: any SinkTaskContext) async throws {}
        func put(_ records: [SinkRecord]) async throws {
            HeaderSink.headers.withLockedValue { headers in
                for record in records { headers[record.topic] = record.headers }
            }
        }
        func stop() async {}
    }
}
