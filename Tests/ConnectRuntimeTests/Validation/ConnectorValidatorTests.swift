import ConnectAPI
import Foundation
import OrderedCollections
import Testing

@testable import ConnectRuntime

private final class PlainSource: SourceConnector {
    static let className = "io.confluent.connect.jdbc.JdbcSourceConnector"
    static let aliases = ["JdbcSource"]
    static let version = "10.9.7"
    static let taskClassName = "t"
    static let configDefinition = ConfigDefinition([
        .init("connection.password", .password, default: .null, importance: .high, doc: "", group: "Database")
    ])
    func start(_ config: [String: String], context: any ConnectorContext) async throws {}
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] { [] }
    func makeTask() -> any SourceTask { PlainTask() }
    func stop() async {}
}

private final class PlainSink: SinkConnector {
    static let className = "io.confluent.connect.jdbc.JdbcSinkConnector"
    static let aliases = ["JdbcSink"]
    static let version = "10.9.7"
    static let taskClassName = "t"
    static let configDefinition = ConfigDefinition()
    func start(_ config: [String: String], context: any ConnectorContext) async throws {}
    func taskConfigs(maxTasks: Int) async throws -> [OrderedDictionary<String, String>] { [] }
    func makeTask() -> any SinkTask { PlainTask() }
    func stop() async {}
}

private final class PlainTask: SourceTask, SinkTask {
    func start(_ config: [String: String], context: any SourceTaskContext) async throws {}
    func start(_ config: [String: String], context: any SinkTaskContext) async throws {}
    func poll() async throws -> [SourceBatch] { [] }
    func put(_ records: [SinkRecord]) async throws {}
    func stop() async {}
}

/// The worker's options in the recorded answers of validation (the connectors' own are ConnectSQL's to test).
@Suite struct ConnectorValidatorTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "shared/golden/rest")
    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static let converters = [
        "converters.BooleanConverter", "converters.ByteArrayConverter", "converters.DoubleConverter",
        "converters.FloatConverter", "converters.IntegerConverter", "converters.LongConverter",
        "converters.ShortConverter", "json.JsonConverter", "storage.StringConverter",
    ].map { "org.apache.kafka.connect." + $0 }
    static let simpleHeaders = "org.apache.kafka.connect.storage.SimpleHeaderConverter"

    let validator = ConnectorValidator(
        environment: .init(
            keyConverter: "org.apache.kafka.connect.json.JsonConverter",
            valueConverter: "org.apache.kafka.connect.json.JsonConverter", headerConverter: simpleHeaders,
            converters: converters, headerConverters: (converters + [simpleHeaders]).sorted(),
            converterVersion: "4.3.0", hasConverter: { converters.contains($0) },
            hasHeaderConverter: { (converters + [simpleHeaders]).contains($0) }, plugins: PluginRegistry()))

    static func call(_ number: Int) throws -> JSONValue {
        let prefix = String(format: "%03d-", number)
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix(prefix) })
        return try JSONValue(parsing: Data(contentsOf: folder.appending(path: name)))
    }

    func validate(_ config: OrderedDictionary<String, String>) async -> ConfigInfos {
        config["connector.class"] == PlainSink.className
            ? await validator.validate(PlainSink(), type: .sink, config: config)
            : await validator.validate(PlainSource(), type: .source, config: config)
    }

    /// Ours less the documentation, whose words are our own.
    static func comparable(_ value: JSONValue) -> JSONValue {
        guard var members = value.objectValue else { return value }
        members.removeValue(forKey: "documentation")
        return .object(OrderedDictionary(uniqueKeysWithValues: members.sorted { $0.key < $1.key }))
    }

    @Test(
        .enabled(if: isPresent, "golden recordings are not here"),
        arguments: [45, 48, 50, 59, 60, 70, 71, 76, 77, 78, 79, 80, 81, 82])
    func workerOptionsAreAsRecorded(_ number: Int) async throws {
        let call = try Self.call(number)
        let config = try #require(call["request"]?["body"]?.objectValue).compactMapValues(\.stringValue)
        let infos = await validate(config)
        let ours = Dictionary(
            infos.configs.map { ($0.value.name, $0) }, uniquingKeysWith: { first, _ in first })
        var compared = 0
        for entry in call["response"]?["body"]?["configs"]?.arrayValue ?? [] {
            let group = entry["definition"]?["group"]?.stringValue ?? ""
            let isWorkers =
                [
                    "Common", "Transforms", "Predicates", "Error Handling", "Topic Creation", "Exactly Once Support",
                    "offsets.topic",
                ].contains(group) || group.hasPrefix("Transforms: ") || group.hasPrefix("Predicates: ")
            guard isWorkers, let name = entry["value"]?["name"]?.stringValue else { continue }
            let own = try #require(ours[name], "\(name)")
            let definition = try #require(own.definition)
            #expect(Self.comparable(definition.json) == Self.comparable(entry["definition"] ?? .null), "\(name)")
            #expect(Self.comparable(own.value.json) == Self.comparable(entry["value"] ?? .null), "\(name)")
            compared += 1
        }
        #expect(compared >= 24)
        let order = infos.configs.map(\.value.name).filter { ours[$0]?.definition?.group != "Database" }
        let recordedOrder = (call["response"]?["body"]?["configs"]?.arrayValue ?? [])
            .compactMap { $0["value"]?["name"]?.stringValue }
        #expect(order == Array(recordedOrder.prefix(order.count)))
    }

    @Test(
        .enabled(if: isPresent, "golden recordings are not here"), arguments: [96, 97, 98, 99, 103, 104, 109, 110, 111])
    func refusalsAreAsRecorded(_ number: Int) async throws {
        let call = try Self.call(number)
        let body = try #require(call["request"]?["body"])
        var config = try #require(body["config"]?.objectValue).compactMapValues(\.stringValue)
        config["name"] = body["name"]?.stringValue ?? ""
        let refusal = try #require(ConnectorValidator.refusal(await validate(config)))
        #expect(refusal.status == 400)
        #expect(refusal.message == call["response"]?["body"]?["message"]?.stringValue)
    }

    @Test func optionsOfAPluginComeFirst() throws {
        let options = ConnectorValidator.options(of: PlainSource.self, type: .source)
        #expect(options.keys.keys.first == "connection.password")
        #expect(options.keys["connector.plugin.version"]?.defaultValue == .value("10.9.7"))
        #expect(options.keys["key.converter"]?.defaultValue == .null)
        #expect(options.keys["topic.creation.groups"] != nil)
        #expect(options.keys["topics"] == nil)
    }

    @Test func secretsAreNotInTheAnswer() async {
        let infos = await validate([
            "connector.class": PlainSource.className, "name": "n", "connection.password": "topsecret",
            "tasks.max": "x topsecret", "producer.override.sasl.jaas.config": "topsecret",
        ])
        #expect(!infos.json.text.contains("topsecret"))
    }

    @Test func deadLettersAreNotReadAgain() async {
        let infos = await validate([
            "connector.class": PlainSink.className, "name": "n", "topics.regex": "a.*",
            "errors.deadletterqueue.topic.name": "abc",
        ])
        #expect(infos.errorCount == 1)
        let broken = await validate([
            "connector.class": PlainSink.className, "name": "n", "topics.regex": "(",
        ])
        #expect(broken.errorCount == 1)
    }
}
