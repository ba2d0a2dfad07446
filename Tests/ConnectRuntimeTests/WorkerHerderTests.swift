import ConnectAPI
import NIOCore
import OrderedCollections
import Testing

@testable import ConnectRuntime

@Suite(.timeLimit(.minutes(1)))
struct WorkerHerderTests {
    private let config: ConnectorProperties = ["connector.class": "test.FakeSourceConnector", "tasks.max": "2"]

    private func started(_ fixture: HerderFixture = HerderFixture()) async throws -> HerderFixture {
        try await fixture.herder.start()
        return fixture
    }

    private func isRunning(_ status: ConnectorStatus, tasks: Int = 1) -> Bool {
        status.connector.state == .running && status.tasks.count == tasks
            && status.tasks.allSatisfy { $0.state == .running }
    }

    @Test func creatingWritesWhatConnectWrites() async throws {
        let fixture = try await started()
        let info = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        #expect(info.tasks == [])
        #expect(info.type == .source)
        #expect(info.config["name"] == "x")
        let status = try await fixture.status(of: "x") { isRunning($0) }
        #expect(status.connector.workerID == "127.0.0.1:8083")
        #expect(status.connector.version == "1.2.3")
        #expect(fixture.configLog.keys == ["connector-x", "task-x-0", "commit-x"])
        let tasks = try await fixture.herder.tasks(of: "x")
        #expect(tasks.map(\.config) == [["number": "0", "flavour": "", "task.class": "test.FakeSourceTask"]])
        await fixture.herder.stop()
    }

    @Test func aTakenNameIsRefused() async throws {
        let fixture = try await started()
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        await #expect(throws: HerderError(status: 409, message: "Connector x already exists")) {
            try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        }
        await fixture.herder.stop()
    }

    @Test func anUnknownClassIsNamedWithoutTheConfiguration() async throws {
        let fixture = try await started()
        let error = await #expect(throws: HerderError.self) {
            try await fixture.herder.createConnector(
                name: "x", config: ["connector.class": "no.such", "connection.password": "hush"], initialState: nil)
        }
        #expect(error?.status == 400)
        #expect(error?.message.contains("no.such") == true)
        #expect(error?.message.contains("test.FakeSourceConnector") == true)
        #expect(error?.message.contains("hush") == false)
        await fixture.herder.stop()
    }

    @Test func aChangedConfigurationReplacesTheTasksThatChange() async throws {
        let fixture = try await started()
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await fixture.status(of: "x") { isRunning($0) }
        var changed = config
        changed["tasks"] = "2"
        let result = try await fixture.herder.putConnectorConfig("x", config: changed)
        #expect(!result.isCreated)
        _ = try await fixture.status(of: "x") { isRunning($0, tasks: 2) }
        // Task 0 is as it was and was not touched.
        #expect(fixture.launcher.launches.map(\.id.task) == [0, 1])
        changed["flavour"] = "sweet"
        _ = try await fixture.herder.putConnectorConfig("x", config: changed)
        while fixture.launcher.launches.count < 4 { try await Task.sleep(for: .milliseconds(2)) }
        #expect(fixture.launcher.launches.suffix(2).allSatisfy { $0.taskConfig["flavour"] == "sweet" })
        await fixture.herder.stop()
    }

    @Test(arguments: ["transforms.a.field", "value.converter.schemas.enable", "errors.tolerance"])
    func tasksFollowWhatTheRuntimeTakesFromTheConnector(_ option: String) async throws {
        let fixture = try await started()
        var config = config
        config["transforms"] = "a"
        config["transforms.a.type"] = "org.apache.kafka.connect.transforms.HoistField$Value"
        config["transforms.a.field"] = "n"
        config["value.converter"] = "org.apache.kafka.connect.json.JsonConverter"
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await fixture.status(of: "x") { isRunning($0) }
        let values = ["transforms.a.field": "m", "value.converter.schemas.enable": "false", "errors.tolerance": "all"]
        config[option] = values[option]
        _ = try await fixture.herder.putConnectorConfig("x", config: config)
        while fixture.launcher.launches.count < 2 { try await Task.sleep(for: .milliseconds(2)) }
        #expect(fixture.launcher.launches.last?.connectorConfig[option] == values[option])
        _ = try await fixture.status(of: "x") { isRunning($0) }
        #expect(fixture.configLog.keys.suffix(3) == ["connector-x", "task-x-0", "commit-x"])
        await fixture.herder.stop()
    }

    @Test func pauseResumeStop() async throws {
        let fixture = try await started()
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await fixture.status(of: "x") { isRunning($0) }
        try await fixture.herder.pauseConnector("x")
        _ = try await fixture.status(of: "x") { $0.connector.state == .paused && $0.tasks.map(\.state) == [.paused] }
        try await fixture.herder.resumeConnector("x")
        _ = try await fixture.status(of: "x") { isRunning($0) }
        try await fixture.herder.stopConnector("x")
        #expect(fixture.launcher.running.isEmpty)
        _ = try await fixture.status(of: "x") { $0.connector.state == .stopped && $0.tasks.isEmpty }
        let tail = fixture.configLog.all.suffix(2).map {
            "\(String(buffer: $0.key)) \($0.value.map { String(buffer: $0) } ?? "null")"
        }
        #expect(tail == [#"commit-x {"tasks":0}"#, #"target-state-x {"state":"PAUSED","state.v2":"STOPPED"}"#])
        try await fixture.herder.resumeConnector("x")
        _ = try await fixture.status(of: "x") { isRunning($0) }
        await fixture.herder.stop()
    }

    @Test func aStoppedBeginningHasNoTasks() async throws {
        let fixture = try await started()
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: .stopped)
        _ = try await fixture.status(of: "x") { $0.connector.state == .stopped }
        #expect(fixture.configLog.keys == ["target-state-x", "connector-x"])
        #expect(fixture.launcher.launches.isEmpty)
        await fixture.herder.stop()
    }

    @Test func deletingLeavesTombstonesAndKeepsOffsets() async throws {
        let key = try OffsetRecords.key(connector: "x", partition: ["table": .string("t")])
        let fixture = try await started(HerderFixture(offsets: [LogEntry(key: key, value: .init(string: "{\"a\":1}"))]))
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await fixture.status(of: "x") { isRunning($0) }
        try await fixture.herder.deleteConnector("x")
        #expect(try await fixture.herder.connectors() == [])
        #expect(fixture.configLog.keys.suffix(2) == ["connector-x", "target-state-x"])
        #expect(fixture.configLog.all.suffix(2).allSatisfy { $0.value == nil })
        await #expect(throws: HerderError.self) { try await fixture.herder.connectorStatus("x") }
        #expect(fixture.offsetLog.all.count == 1)
        await fixture.herder.stop()
        let last = Dictionary(fixture.statusLog.all.map { (String(buffer: $0.key), $0.value) }) { $1 }
        #expect(last.values.allSatisfy { $0 == nil })
    }

    @Test func aTaskThatLostItsDatabaseComesBack() async throws {
        let fixture = try await started()
        let id = TaskID(connector: "x", task: 0)
        fixture.launcher.failNext(id, ConnectError.retriable("no route to hush-hush"))
        var config = config
        config["secret.word"] = "hush-hush"
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        let failed = try await fixture.status(of: "x") { $0.tasks.first?.state == .failed }
        #expect(failed.tasks[0].trace == "no route to [hidden]\nStarted again by itself in 0.5 seconds (try 1)")
        _ = try await fixture.status(of: "x") { isRunning($0) }
        #expect(fixture.launcher.launches.map(\.isQuiet) == [false, true])
        await fixture.herder.stop()
    }

    @Test func restartOfWhatFailed() async throws {
        let fixture = try await started()
        let id = TaskID(connector: "x", task: 0)
        fixture.launcher.failNext(id, ConnectError.fatal("bad"))
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await fixture.status(of: "x") { $0.connector.state == .running && $0.tasks.first?.state == .failed }
        let status = try await fixture.herder.restartConnector(
            RestartRequest(connector: "x", includeTasks: true, onlyFailed: true))
        #expect(status.connector.state == .running)
        #expect(status.tasks.map(\.state) == [.restarting])
        _ = try await fixture.status(of: "x") { isRunning($0) }
        #expect(fixture.configLog.keys.last == "restart-connector-x")
        await #expect(throws: HerderError(status: 404, message: "Unknown task: x-9")) {
            try await fixture.herder.restartTask(TaskID(connector: "x", task: 9))
        }
        await fixture.herder.stop()
    }

    @Test func aWorkerGoesOnWhereTheFormerStopped() async throws {
        let first = try await started()
        _ = try await first.herder.createConnector(name: "x", config: config, initialState: nil)
        _ = try await first.status(of: "x") { isRunning($0) }
        await first.herder.stop()
        let second = try await started(
            HerderFixture(config: first.configLog.all, status: first.statusLog.all))
        _ = try await second.status(of: "x") { isRunning($0) }
        // Nothing new had to be stored.
        #expect(second.configLog.keys == first.configLog.keys)
        await second.herder.stop()
    }

    @Test func offsetsChangeOnlyWhileStopped() async throws {
        let fixture = try await started()
        _ = try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        let change = ConnectorOffset(partition: ["table": .string("t")], offset: ["incrementing": .integer(7)])
        let error = await #expect(throws: HerderError.self) { try await fixture.herder.alterOffsets(of: "x", [change]) }
        #expect(error?.status == 400)
        try await fixture.herder.stopConnector("x")
        _ = try await fixture.herder.alterOffsets(of: "x", [change])
        #expect(try await fixture.herder.offsets(of: "x") == [change])
        #expect(fixture.offsetLog.keys == [#"["x",{"table":"t"}]"#])
        _ = try await fixture.herder.resetOffsets(of: "x")
        #expect(try await fixture.herder.offsets(of: "x") == [])
        await fixture.herder.stop()
    }

    @Test func aChangeThatCannotBeStoredIsNotMade() async throws {
        let fixture = try await started()
        fixture.configLog.failAppends(ConnectError.fatal("disk full"))
        let error = await #expect(throws: HerderError.self) {
            try await fixture.herder.createConnector(name: "x", config: config, initialState: nil)
        }
        #expect(error?.status == 500)
        #expect(try await fixture.herder.connectors() == [])
        await fixture.herder.stop()
    }
}
