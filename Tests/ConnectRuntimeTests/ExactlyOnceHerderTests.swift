import ConnectAPI
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// What the herder allows exactly-once sources to do.
@Suite(.timeLimit(.minutes(1)))
struct ExactlyOnceHerderTests {
    private func config(_ more: ConnectorProperties = [:]) -> ConnectorProperties {
        let config: ConnectorProperties = ["connector.class": "Fake", "tasks.max": "9", "tasks": "2"]
        return config.merging(more) { $1 }
    }

    @Test func aNewGenerationShutsOutTheTasksOfTheLast() async throws {
        let fixture = HerderFixture(exactlyOnce: true)
        try await fixture.herder.start()
        _ = try await fixture.herder.createConnector(name: "x", config: config(), initialState: nil)
        _ = try await fixture.status(of: "x") { $0.tasks.count == 2 && $0.tasks.allSatisfy { $0.state == .running } }
        #expect(fixture.cluster.fencedProducers == [])
        #expect(fixture.configLog.keys.filter { $0 == "tasks-fencing-x" }.count == 1)
        _ = try await fixture.herder.putConnectorConfig("x", config: config(["tasks": "3"]))
        // All tasks are started anew, though the first two have the same configuration.
        try await until { fixture.launcher.launches.count == 5 }
        _ = try await fixture.status(of: "x") { $0.tasks.count == 3 && $0.tasks.allSatisfy { $0.state == .running } }
        #expect(fixture.cluster.fencedProducers == ["sluice-connect-x-0", "sluice-connect-x-1"])
        #expect(fixture.configLog.keys.filter { $0 == "tasks-fencing-x" }.count == 2)
        #expect(fixture.launcher.launches.count == 5)
        // A connector of the same name that comes later has the tasks of this one to fear.
        try await fixture.herder.deleteConnector("x")
        _ = try await fixture.herder.createConnector(name: "x", config: config(["tasks": "1"]), initialState: nil)
        _ = try await fixture.status(of: "x") { $0.tasks.count == 1 && $0.tasks.allSatisfy { $0.state == .running } }
        #expect(fixture.cluster.fencedProducers.count == 5)
        await fixture.herder.stop()
    }

    @Test func aTaskOfAFormerGenerationMayNotBegin() async throws {
        let fixture = HerderFixture(exactlyOnce: true)
        try await fixture.herder.start()
        _ = try await fixture.herder.createConnector(name: "x", config: config(), initialState: nil)
        _ = try await fixture.status(of: "x") { $0.tasks.count == 2 && $0.tasks.allSatisfy { $0.state == .running } }
        let plan = try #require(fixture.herder.parts.configStore.plan(of: "x"))
        let admission = try #require(fixture.herder.admission(of: TaskID(connector: "x", task: 0), plan))
        try await admission.check()
        try await fixture.herder.parts.configStore.putTasks("x", plan.tasks)
        await #expect(throws: TaskError.self) { try await admission.check() }
        await fixture.herder.stop()
    }

    /// Kafka's conditions: the worker's support, and what the connector says of itself.
    @Test(arguments: [
        (false, "exactly.once.support", "required", "does not have exactly-once source support enabled"),
        (true, "exactly.once.support", "required", "does not say whether it supports"),
        (true, "transaction.boundary", "connector", "does not end transactions itself"),
        (true, "transaction.boundary", "never", "Invalid value never"),
    ])
    func whatCannotBeHadIsRefused(_ exactlyOnce: Bool, _ option: String, _ value: String, _ message: String)
        async throws
    {
        let fixture = HerderFixture(exactlyOnce: exactlyOnce)
        try await fixture.herder.start()
        let error = await #expect(throws: HerderError.self) {
            try await fixture.herder.createConnector(name: "x", config: config([option: value]), initialState: nil)
        }
        #expect(error?.status == 400)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        await fixture.herder.stop()
    }

    @Test func theWorkersOptionIsChecked() throws {
        func read(_ value: String) throws -> WorkerConfiguration.ExactlyOnceSource {
            try WorkerConfiguration(
                properties: [
                    "key.converter": "x", "value.converter": "x", "group.id": "g", "config.storage.topic": "c",
                    "offset.storage.topic": "o", "status.storage.topic": "s", "exactly.once.source.support": value,
                ], mode: .distributed
            ).exactlyOnceSource
        }
        #expect(try read("Enabled") == .enabled)
        #expect(try read("preparing") == .preparing)
        #expect(throws: ConnectError.self) { try read("yes") }
    }
}
