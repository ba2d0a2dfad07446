import ConnectAPI
import Foundation
import KafkaTesting
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Values that configurations refer to.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct ConfigProviderTests {
    private let folder: URL
    private let providers: [String: String]

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "providers-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("password=top\\u0053ecret\nsystem = provided.from\n".utf8).write(to: folder.appending(path: "secrets"))
        try Data("from a file\n".utf8).write(to: folder.appending(path: "token"))
        let package = "org.apache.kafka.common.config.provider."
        providers = [
            "config.providers": "file, directory, env", "config.providers.file.class": package + "FileConfigProvider",
            "config.providers.directory.class": package + "DirectoryConfigProvider",
            "config.providers.env.class": package + "EnvVarConfigProvider",
            "config.providers.file.param.allowed.paths": folder.path,
            "config.providers.env.param.allowlist.pattern": "PATH|NO_SUCH",
        ]
    }

    private var secrets: String { folder.appending(path: "secrets").path }

    @Test func referencesAreReplaced() throws {
        let transformer = try ConfigTransformer(providers)
        let config: ConnectorProperties = [
            "a": "x${file:\(secrets):password}y", "b": "${directory:\(folder.path):token}", "c": "${env:PATH}",
            "d": "${topic}-${timestamp}", "e": "${other:path:key}", "f": "${open",
            "g": "${file:\(secrets):system}${env:PATH}",
        ]
        let path = try #require(ProcessInfo.processInfo.environment["PATH"])
        #expect(
            try transformer.transform(config).checked() == [
                "a": "xtopSecrety", "b": "from a file\n", "c": path, "d": "${topic}-${timestamp}",
                "e": "${other:path:key}", "f": "${open", "g": "provided.from" + path,
            ])
    }

    @Test func whatCannotBeHadIsAnErrorThatNamesTheOption() throws {
        let transformer = try ConfigTransformer(providers)
        for (reference, expected) in [
            ("${file:\(secrets):none}", "has no property none"),
            ("${file:/no/such:key}", "/no/such: there is no such file"),
            ("${file:/etc/passwd:root}", "not in allowed.paths"), ("${env:HOME}", "not in allowlist.pattern"),
            ("${env:NO_SUCH}", "no environment variable NO_SUCH"),
            ("${directory:\(folder.path):../x}", "not the name of a file"),
            ("${file:\(folder.path)/../../etc/passwd:root}", ""),
        ] {
            let error = #expect(throws: ConnectError.self) {
                try transformer.transform(["option": reference]).checked()
            }
            #expect(error?.message.hasPrefix("option: ") == true)
            #expect(error?.message.contains(expected) == true || expected.isEmpty, "\(error?.message ?? "")")
        }
        #expect(throws: ConnectError.self) {
            try ConfigTransformer(["config.providers": "x", "config.providers.x.class": "no.Such"])
        }
    }

    @Test func aWorkersOwnPropertiesMayRefer() throws {
        let worker = try WorkerConfiguration(
            properties: providers.merging([
                "key.converter": "JsonConverter", "value.converter": "JsonConverter",
                "offset.storage.file.filename": "f",
                "producer.sasl.jaas.config": "${file:\(secrets):password}",
            ]) { $1 }, mode: .standalone)
        #expect(worker.properties["producer.sasl.jaas.config"] == "topSecret")
        #expect(worker.unknownProperties.isEmpty)
    }

    @Test func valuesAreHidden() throws {
        let transformer = try ConfigTransformer(providers)
        let reference = "${file:\(secrets):password}"
        let transformed = transformer.transform(["url": "db?x=\(reference)", "user": reference, "plain": "p"])
        #expect(
            transformed.restoringReferences(["url": "db?x=topSecret", "copied": "topSecret", "plain": "p"])
                == ["url": "db?x=\(reference)", "copied": reference, "plain": "p"])
        #expect(
            SecretMask(transformed, passwordNames: []).mask("cannot log in with topSecret")
                == "cannot log in with \(reference)")
    }

    /// From REST to the task and back: the task sees the value, nobody else does.
    @Test func connectorsAndTasksSeeValuesAndPeopleReferences() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("provided.from"), FakeSystem.named("provided.to"))
        from.rows = 5
        let worker = try await startWorker(broker, configProviders: try ConfigTransformer(providers))
        let reference = "${file:\(secrets):system}"
        let config: ConnectorProperties = ["connector.class": RowSource.className, "system": reference, "topic": "t"]
        let created = try await worker.herder.createConnector(name: "in", config: config, initialState: nil)
        #expect(created.config["system"] == reference)
        _ = try await worker.herder.createConnector(
            name: "out", config: ["connector.class": RowSink.className, "system": "provided.to", "topics": "t"],
            initialState: nil)
        try await until { to.written.count >= 5 }
        #expect(try await worker.herder.connectorConfig("in")["system"] == reference)
        let tasks = try await worker.herder.tasks(of: "in")
        #expect(tasks.count == 1 && tasks.first?.config["system"] == reference)
        let stored = try await worker.herder.validate(pluginName: RowSource.className, config: config)
        #expect(!stored.json.text.contains("provided.from"))
        var missing = config
        missing["errors.tolerance"] = "${file:\(secrets):none}"
        let error = await #expect(throws: HerderError.self) {
            try await worker.herder.createConnector(name: "bad", config: missing, initialState: nil)
        }
        #expect(error?.message.contains("has no property none") == true)
        // The value has gone: the restarted task says what is missing.
        try Data("password=x\n".utf8).write(to: folder.appending(path: "secrets"))
        try await worker.herder.restartTask(TaskID(connector: "in", task: 0))
        try await until { try await worker.herder.connectorStatus("in").tasks.first?.state == .failed }
        let trace = try await worker.herder.connectorStatus("in").tasks.first?.trace
        #expect(trace?.contains("system: \(secrets) has no property system") == true, "\(trace ?? "")")
        await worker.shutdown()
        await broker.stop()
    }
}
