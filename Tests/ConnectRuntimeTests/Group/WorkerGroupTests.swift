import ConnectAPI
import KafkaClient
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import OrderedCollections
import Testing
import TransportSecurity

@testable import ConnectRuntime

/// Workers that share a group, on a real broker in this process.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct WorkerGroupTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func start(
        _ broker: TestBroker, count: Int, mode: ConnectProtocol.Mode = .sessioned,
        adjust: (inout WorkerConfiguration) -> Void = { _ in }
    ) async throws -> [DistributedWorker] {
        var workers: [DistributedWorker] = []
        for _ in 0..<count {
            var configuration = WorkerConfiguration(embeddedWith: [broker.bootstrapServers], groupID: "workers")
            configuration.isEmbedded = false
            configuration.listeners = ["http://127.0.0.1:0"]
            configuration.connectProtocol = mode
            configuration.sessionTimeout = .seconds(6)
            configuration.heartbeatInterval = .milliseconds(200)
            configuration.rebalanceTimeout = .seconds(20)
            adjust(&configuration)
            let plugins = PluginRegistry()
            plugins.register(source: VerifiableSourceConnector.self)
            plugins.register(sink: VerifiableSinkConnector.self)
            let worker = try DistributedWorker(
                configuration: configuration, plugins: plugins,
                logger: logger)
            try await worker.start()
            workers.append(worker)
        }
        for worker in workers { try await worker.waitUntilReady() }
        return workers
    }

    /// The workers that run each task, by their own account.
    private func owners(_ workers: [DistributedWorker]) -> [TaskID: Int] {
        var owners: [TaskID: Int] = [:]
        for worker in workers {
            for supervisor in worker.testing.herder.allSupervisors() {
                for task in supervisor.runningTasks {
                    owners[TaskID(connector: supervisor.name, task: task), default: 0] += 1
                }
            }
        }
        return owners
    }

    private func untilShared(_ workers: [DistributedWorker], tasks: Int, atLeastEach: Int = 1) async throws {
        try await until {
            let owners = owners(workers)
            return owners.count == tasks && owners.values.allSatisfy { $0 == 1 }
                && workers.allSatisfy { worker in
                    worker.testing.herder.allSupervisors().reduce(0) { $0 + $1.runningTasks.count } >= atLeastEach
                }
        }
    }

    private func request(
        _ worker: DistributedWorker, _ method: HTTPMethod, _ path: String, _ body: String = "",
        headers: [(String, String)] = [], tls: TLSSettings? = nil
    ) async throws -> (status: UInt, text: String) {
        var all = HTTPHeaders([("Accept", "application/json"), ("Content-Type", "application/json")])
        for (name, value) in headers { all.add(name: name, value: value) }
        let answer = try await WorkerRESTClient(tls: tls).send(
            method, to: "\(tls == nil ? "http" : "https")://127.0.0.1:\(worker.restPort ?? 0)/", target: path,
            headers: all,
            body: ByteBuffer(string: body), timeout: .seconds(60))
        return (answer.status.code, String(decoding: answer.body, as: UTF8.self))
    }

    private func stop(_ workers: [DistributedWorker], _ broker: TestBroker) async {
        for worker in workers { await worker.shutdown() }
        await broker.stop()
    }

    @Test(arguments: [ConnectProtocol.Mode.sessioned, .compatible, .eager])
    func workersShareTasksAndWritesGoToAnyOfThem(_ mode: ConnectProtocol.Mode) async throws {
        let broker = try await TestBroker.start()
        let workers = try await start(broker, count: 3, mode: mode)
        for (index, worker) in workers.enumerated() {
            let body =
                #"{"name":"c\#(index)","config":{"connector.class":"VerifiableSource","tasks.max":"4","#
                + #""topic":"numbers","throughput":"20"}}"#
            #expect(try await request(worker, .POST, "/connectors", body).status == 201)
        }
        try await untilShared(workers, tasks: 12, atLeastEach: mode == .eager ? 1 : 4)
        for worker in workers {
            #expect(try await request(worker, .GET, "/connectors").text == #"["c0","c1","c2"]"#)
            #expect(
                try await request(worker, .PUT, "/connectors/c0/config/", config(tasks: 7)).status == 200)
        }
        try await untilShared(workers, tasks: 15)
        #expect(try await request(workers[2], .PUT, "/connectors/c1/stop").status == 204)
        try await untilShared(workers, tasks: 11)
        for worker in workers { #expect(try await request(worker, .DELETE, "/connectors/c1").status != 409) }
        try await until { try await request(workers[0], .GET, "/connectors/c1/status").status == 404 }
        // Each worker can have any task restarted.
        for worker in workers {
            for task in 0..<4 {
                #expect(try await request(worker, .POST, "/connectors/c2/tasks/\(task)/restart").status == 204)
            }
        }
        try await untilShared(workers, tasks: 11)
        await stop(workers, broker)
    }

    private func config(tasks: Int) -> String {
        #"{"connector.class":"VerifiableSource","tasks.max":"\#(tasks)","topic":"numbers","throughput":"20"}"#
    }

    /// Although a vanished worker's tasks would wait for five minutes.
    @Test func aWorkerThatLeavesHandsOverAtOnce() async throws {
        let broker = try await TestBroker.start()
        var workers = try await start(broker, count: 3)
        #expect(try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 9)).status == 201)
        try await untilShared(workers, tasks: 9, atLeastEach: 3)
        let began = ContinuousClock.now
        await workers.removeFirst().shutdown()
        try await untilShared(workers, tasks: 9, atLeastEach: 4)
        #expect(ContinuousClock.now - began < .seconds(20))
        // The second leader goes as well, while writes come in.
        let survivor = workers[1]
        async let written = request(survivor, .PUT, "/connectors/c/config", config(tasks: 5))
        await workers.removeFirst().shutdown()
        #expect(try await written.status == 200)
        try await untilShared(workers, tasks: 5)
        await stop(workers, broker)
    }

    /// A member of the group that does nothing, once it has joined.
    private func join(_ cluster: ClusterClient, sessionTimeout: Duration) async throws -> GroupMembership {
        let member = GroupMembership(
            cluster: cluster,
            configuration: GroupConfiguration(
                groupID: "workers", protocolType: "connect", sessionTimeout: sessionTimeout,
                rebalanceTimeout: .seconds(30), heartbeatInterval: .milliseconds(100)),
            logger: logger)
        while try await !takePart(member) {}
        return member
    }

    /// Whether the member's next event was an assignment; joins if it has to.
    private func takePart(_ member: GroupMembership) async throws -> Bool {
        switch try await member.nextEvent(timeout: .seconds(5)) {
        case .joinNeeded?:
            member.join(
                protocols: ConnectProtocol.offers(.init(url: "http://h:1/", configOffset: 0), mode: .sessioned),
                assign: { _, _ in [:] })
            return false
        case .assigned?: return true
        case .lost?, nil: return false
        }
    }

    /// A vanished worker's tasks are nobody's until it may come back no more: a write about them waits.
    @Test func aWriteWaitsForTasksToHaveAWorker() async throws {
        let broker = try await TestBroker.start()
        let workers = try await start(broker, count: 1) { $0.scheduledRebalanceMaxDelay = .seconds(3) }
        #expect(try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 4)).status == 201)
        try await untilShared(workers, tasks: 4)
        let cluster = ClusterClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: logger)
        let member = try await join(cluster, sessionTimeout: .seconds(6))
        let group = try #require(workers[0].testing.herder.group)
        // The worker gives up what the member is to have, and the member is given it in the round after.
        try await until { owners(workers).count == 2 }
        let lost = try #require((0..<4).first { owners(workers)[TaskID(connector: "c", task: $0)] == nil })
        func owner() -> String? { group.owner { $0.tasks.contains(TaskID(connector: "c", task: lost)) } }
        while try await !takePart(member) {}
        #expect(owner() == "http://h:1/")
        // As a worker does that runs what it was given.
        let running = StatusRecord.State(state: .running, trace: nil, workerID: "h:1", generation: 9, version: nil)
        for task in 0..<4 where owners(workers)[TaskID(connector: "c", task: task)] == nil {
            workers[0].testing.herder.parts.statusStore.put(.task(TaskID(connector: "c", task: task), running))
        }
        cluster.close()
        try await until { owner() == nil }
        #expect(owners(workers).count == 2)
        let restarted = try await request(workers[0], .POST, "/connectors/c/tasks/\(lost)/restart")
        #expect(restarted.status == 204, "\(restarted)")
        try await untilShared(workers, tasks: 4)
        await stop(workers, broker)
    }

    /// A member that does not come back holds a rebalance up: a write waits `rest.rebalance.wait.ms` for it, no longer.
    @Test func writesWaitForARebalanceButNotForEver() async throws {
        let broker = try await TestBroker.start()
        let wait = Duration.seconds(1)
        let workers = try await start(broker, count: 1) { $0.rebalanceWait = wait }
        let cluster = ClusterClient(
            configuration: ClientConfiguration(bootstrapServers: [broker.bootstrapServers]), logger: logger)
        let member = try await join(cluster, sessionTimeout: .seconds(30))
        // It leads to a rebalance, which the member takes no part in.
        #expect(try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 1)).status == 201)
        let group = try #require(workers[0].testing.herder.group)
        try await until { await group.settledLeader(within: .zero) == nil }
        let began = ContinuousClock.now
        let refused = try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 2))
        #expect(refused.status == 409 && refused.text.contains("rebalance"), "\(refused)")
        #expect(ContinuousClock.now - began >= wait)
        async let written = request(workers[0], .PUT, "/connectors/c/config", config(tasks: 3))
        await member.leave(evenIfStatic: true)
        #expect(try await written.status == 200)
        try await untilShared(workers, tasks: 3)
        cluster.close()
        await stop(workers, broker)
    }

    /// `scope=cluster` (KIP-976) reaches every worker; without it one.
    @Test func levelsOfLoggersAreSetHereOrEverywhere() async throws {
        let broker = try await TestBroker.start()
        let workers = try await start(broker, count: 2)
        func level(_ worker: DistributedWorker) async throws -> String {
            try await request(worker, .GET, "/admin/loggers/connect").text
        }
        let path = "/admin/loggers/connect"
        #expect(try await request(workers[0], .PUT, path + "?scope=cluster", #"{"level":"TRACE"}"#).status == 204)
        try await until {
            for worker in workers where try await !level(worker).contains(#""level":"TRACE""#) { return false }
            return true
        }
        let own = try await request(workers[1], .PUT, path, #"{"level":"ERROR"}"#)
        #expect(own.status == 200 && own.text.contains(#""connect""#))
        #expect(try await level(workers[1]).contains(#""level":"ERROR""#))
        #expect(try await level(workers[0]).contains(#""level":"TRACE""#))
        await stop(workers, broker)
    }

    /// Workers that ask for certificates show their own to each other: writes, reads of offsets and new task
    /// configurations go to any of them.
    @Test func workersForwardOverTLS() async throws {
        let files = try await TestCertificates.shared()
        let keys = files.properties(keystore: "server.keystore.pem")
        let broker = try await TestBroker.start()
        let workers = try await start(broker, count: 2) { configuration in
            configuration.listeners = ["https://127.0.0.1:0"]
            for (name, value) in keys { configuration.properties["listeners.https." + name] = value }
            configuration.properties["listeners.https.ssl.client.auth"] = "required"
        }
        let tls = try RESTListeners.settings(files.properties(keystore: "alice.keystore.pem"))
        for (index, worker) in workers.enumerated() {
            let path = "/connectors/c\(index)"
            #expect(try await request(worker, .PUT, path + "/config", config(tasks: 4), tls: tls).status == 201)
            for other in workers {
                #expect(try await request(other, .PUT, path + "/config", config(tasks: 3), tls: tls).status == 200)
            }
        }
        try await untilShared(workers, tasks: 6, atLeastEach: 3)
        for worker in workers {
            for name in ["c0", "c1"] {
                for task in 0..<3 {
                    let path = "/connectors/\(name)/tasks/\(task)/restart"
                    #expect(try await request(worker, .POST, path, tls: tls).status == 204)
                }
            }
        }
        let addresses = Set(try await workers[0].herder.connectorStatus("c0").tasks.map(\.workerID))
        #expect(addresses.isSubset(of: workers.map { "127.0.0.1:\($0.restPort ?? 0)" }))
        let stranger = try RESTListeners.settings(files.properties(keystore: "mallory.keystore.pem"))
        await #expect(throws: (any Error).self) { try await request(workers[0], .GET, "/connectors", tls: stranger) }
        await stop(workers, broker)
    }

    @Test func requestsBetweenWorkersMustBeSigned() async throws {
        let broker = try await TestBroker.start()
        let workers = try await start(broker, count: 2)
        #expect(try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 1)).status == 201)
        try await until { owners(workers).count == 1 }
        let body = #"[{"id":"0","topic":"other"}]"#
        let path = "/connectors/c/tasks"
        let authorization = "X-Connect-Authorization"
        let algorithm = ("X-Connect-Request-Signature-Algorithm", "HmacSHA256")
        #expect(try await request(workers[0], .POST, path, body).status == 400)
        #expect(
            try await request(workers[1], .POST, path, body, headers: [(authorization, "AAAA"), algorithm]).status
                == 403)
        // Every worker has read the key.
        for worker in workers {
            let key = try #require(worker.testing.herder.parts.configStore.sessionKey)
            let headers = key.sign(Array(body.utf8)).map { ($0.name, $0.value) }
            #expect(try await request(worker, .POST, path, body, headers: headers).status == 204)
        }
        let tasks = try await workers[1].herder.tasks(of: "c")
        #expect(tasks.map { $0.config["topic"] } == ["other"])
        // What was made for a former configuration comes too late.
        let store = workers[0].testing.herder.parts.configStore
        let key = try #require(store.sessionKey)
        var config = try #require(store.plan(of: "c")?.config)
        let late = #"[{"id":"0","topic":"late"}]"#
        config["tasks.max"] = "2"
        let signed = key.sign(Array(late.utf8)) + [("X-Sluice-Config-Mark", key.mark(of: config))]
        for worker in workers {
            let refused = try await request(worker, .POST, path, late, headers: signed.map { ($0.name, $0.value) })
            #expect(refused.status == 409 && refused.text.contains("has been changed"), "\(refused)")
        }
        #expect(store.plan(of: "c")?.tasks.map { $0["topic"] } == ["other"])
        await stop(workers, broker)
    }

    /// What a worker has stored is where the next one goes on.
    @Test func offsetsMoveWithTheTasks() async throws {
        let broker = try await TestBroker.start()
        var workers = try await start(broker, count: 1)
        #expect(try await request(workers[0], .PUT, "/connectors/c/config", config(tasks: 2)).status == 201)
        try await until { try await workers[0].herder.offsets(of: "c").count == 2 }
        workers += try await start(broker, count: 1)
        try await untilShared(workers, tasks: 2)
        var last: [String: Int64] = [:]
        for _ in 0..<20 {
            for worker in workers {
                for entry in try await worker.herder.offsets(of: "c") {
                    guard case .integer(let number)? = entry.offset?["seqno"] else { continue }
                    let id = "\(String(describing: entry.partition))"
                    #expect(number >= last[id, default: -1])
                    last[id] = number
                }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(last.count == 2)
        await stop(workers, broker)
    }
}
