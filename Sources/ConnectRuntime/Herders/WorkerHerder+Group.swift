import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOCore
import NIOHTTP1
import OrderedCollections

/// The herder as a member of a group: what it runs is what the leader gave it, and what is to be written for the group
/// is written by the leader (Kafka's `DistributedHerder`).
extension WorkerHerder: GroupWorker {
    var configOffset: Int64 { parts.configStore.nextOffset }

    func readConfig(within timeout: Duration) async throws { try await parts.configStore.readToEnd(within: timeout) }

    func configured() -> WorkShare { parts.configStore.configured }

    func atRest() async -> WorkShare {
        do {
            try await parts.statusStore.readToEnd(within: .seconds(3))
        } catch {
            // What is known is older, so more may be running: nothing is handed over at once.
            return WorkShare()
        }
        let configured = configured()
        return WorkShare(
            connectors: configured.connectors.filter {
                [.unassigned, .failed, .stopped].contains(parts.statusStore.connector($0)?.state)
            },
            tasks: configured.tasks.filter { [.unassigned, .failed].contains(parts.statusStore.task($0)?.state) })
    }

    func run(_ share: WorkShare, generation: Int) async {
        self.generation = generation
        setShare(share)
        for name in parts.configStore.names { supervise(name) }
        let supervisors = allSupervisors()
        for supervisor in supervisors { supervisor.send(.shared(share.part(of: supervisor.name))) }
        // Tasks are given up after the graceful time, so this ends; nothing may hold up the group for longer.
        let deadline = ContinuousClock.now + parts.configuration.gracefulShutdownTimeout + .seconds(1)
        while ContinuousClock.now < deadline,
            !supervisors.allSatisfy({ $0.hasGivenUp(allBut: share.part(of: $0.name)) })
        {
            do { try await Task.sleep(for: .milliseconds(2)) } catch { return }
        }
    }

    func roundCompleted(isLeader: Bool, isSessioned: Bool) async {
        readiness.succeed()
        guard isLeader else { return }
        await claimLead()
        removeStrayStatus()
        guard isSessioned else { return }
        let key = parts.configStore.sessionKey
        let isFresh =
            key.map { WallClock.now() - $0.created < parts.configuration.sessionKeyTTL.wholeMilliseconds } ?? false
        guard !isFresh else { return }
        // Beside the group's loop: a broker that is slow must not hold up the next round.
        Task { [parts, logger] in
            do {
                try await parts.configStore.putSessionKey(SessionKey.generate())
            } catch {
                logger.warning("the session key could not be stored", metadata: ["error": "\(error)"])
            }
        }
    }

    /// States of connectors and tasks that are no more, and that nobody will remove.
    private func removeStrayStatus() {
        let names = Set(parts.configStore.names)
        for name in parts.statusStore.connectorNames.subtracting(names) { parts.statusStore.removeAll(of: name) }
        for name in names { removeStaleTasks(of: name) }
    }

    /// What another worker, or this one, has written to the config topic.
    func configChanged(_ record: ConfigRecord) {
        switch record {
        case .connector(let name, nil): endSupervision(of: name)
        case .connector(let name, _), .commit(let name, _), .target(let name, _): supervise(name)
        case .restart(let request): restartHere(request)
        case .loggerLevel(let namespace, let level): _ = parts.loggers.set(namespace, level: level)
        case .task, .fencing, .sessionKey: return
        }
        group?.configChanged()
    }

    private func restartHere(_ request: RestartRequest) {
        let name = request.connector
        guard parts.configStore.plan(of: name) != nil, let share = group?.share.part(of: name) else { return }
        let state = parts.statusStore.connector(name)?.state
        var tasks: Set<Int> = []
        if request.includeTasks {
            tasks = Set(
                parts.statusStore.tasks(of: name).filter { !request.onlyFailed || $0.state.state == .failed }
                    .map(\.id).filter(share.has(task:)))
        }
        let restartsConnector = share.connector && (!request.onlyFailed || state == .failed)
        supervisor(of: name)?.send(.restart(connector: restartsConnector, tasks: tasks))
    }

    // MARK: Whose a request is

    /// Returns if this worker may write for the group; waits for a rebalance to end.
    /// - Throws: where the request belongs, or a 409 when that is not known for too long.
    func ensureLeader() async throws(HerderError) {
        try await ensureReady()
        guard let group else { return }
        let patience = parts.configuration.rebalanceWait
        switch await group.settledLeader(within: patience) {
        case .me: return
        case .other(let url): throw .forwarded(to: url)
        case nil: throw .rebalancing(patience)
        }
    }

    /// Returns if this worker runs a part; else throws where the request belongs. What was a vanished worker's may be
    /// nobody's for a while: that is waited for like a rebalance.
    func ensureOwner(_ runs: (WorkShare) -> Bool) async throws(HerderError) {
        try await ensureReady()
        guard let group else { return }
        let patience = parts.configuration.rebalanceWait
        let deadline = ContinuousClock.now + patience
        while true {
            let leader = await group.settledLeader(within: deadline - .now)
            if runs(group.share) { return }
            switch leader {
            case .me:
                if let url = group.owner(where: runs) { throw .forwarded(to: url) }
                guard ContinuousClock.now < deadline, !Task.isCancelled else { throw .unowned(patience) }
                try? await Task.sleep(for: .milliseconds(20))
            case .other(let url): throw .forwarded(to: url)
            case nil: throw .rebalancing(patience)
            }
        }
    }

    /// Throws if the lead was lost while a request waited for others.
    func checkLead() throws(HerderError) {
        guard let group else { return }
        guard group.isCurrent, group.isLeading else { throw .overtaken() }
    }

    // MARK: Task configurations

    /// Stores what a connector says its tasks should be, or has the leader store it.
    func storeTasksForGroup(
        _ name: String, _ configs: [ConnectorProperties], madeFor plan: ConnectorLifecycle.Plan, _ group: WorkerGroup
    ) async throws -> ConnectorLifecycle.Plan? {
        switch await group.settledLeader(within: parts.configuration.rebalanceWait) {
        case .me: return try await storeTasksHere(name, configs, madeFor: plan)
        case .other(let url):
            let document = JSONValue.array(configs.map { .object($0.mapValues { .string($0) }) })
            try await internalRequest(
                .POST, to: url, "connectors/\(PercentCoding.encodeSegment(name))/tasks", body: document.bytes,
                madeFor: plan.config)
            // The config topic tells what has become of it.
            return nil
        case nil: throw TaskError("the worker group has no leader at present", isRetriable: true)
        }
    }

    /// A signed request to another worker.
    func internalRequest(
        _ method: HTTPMethod, to url: String, _ path: String, body: [UInt8]?, madeFor config: ConnectorProperties? = nil
    ) async throws {
        var headers = HTTPHeaders([("Content-Type", "application/json"), ("Accept", "application/json")])
        if let key = parts.configStore.sessionKey {
            for (name, value) in key.sign(body ?? []) { headers.add(name: name, value: value) }
            if let config { headers.add(name: InternalSignature.configMark, value: key.mark(of: config)) }
        }
        let answer = try await parts.configuration.workerRESTClient.send(
            method, to: url, target: "/" + path + "?forward=false", headers: headers,
            body: ByteBuffer(bytes: body ?? []), timeout: .seconds(90))
        guard (200..<300).contains(answer.status.code) else {
            let text = (try? JSONValue(parsing: answer.body))?["message"]?.stringValue ?? ""
            throw TaskError("worker \(url) answered \(answer.status.code) \(text)", isRetriable: true)
        }
    }

    func putTaskConfigs(
        _ name: String, _ configs: [OrderedDictionary<String, String>], signature: InternalSignature
    ) async throws(HerderError) {
        try await checkSignature(signature)
        try await ensureLeader()
        try await change(name) {
            guard let plan = parts.configStore.plan(of: name) else { throw HerderError.unknownConnector(name) }
            try checkLead()
            try signature.check(isFor: plan, name, with: parts.configStore.sessionKey)
            try await parts.configStore.putTasks(name, configs)
        }
    }

    func checkSignature(_ signature: InternalSignature) async throws(HerderError) {
        guard let group else {
            throw HerderError(status: 400, message: "Internal request missing required signature")
        }
        try await ensureReady()
        // Workers that know only the older protocols do not sign.
        guard group.isSessioned else { return }
        try signature.check(with: parts.configStore.sessionKey)
    }
}

extension WorkShare {
    /// The parts of one connector.
    func part(of name: String) -> ConnectorLifecycle.Share {
        ConnectorLifecycle.Share(
            connector: connectors.contains(name),
            tasks: Set(tasks.lazy.filter { $0.connector == name }.map(\.task)))
    }
}

extension HerderError {
    /// The request belongs to another worker.
    static func forwarded(to url: String) -> HerderError {
        var error = HerderError(
            status: 409,
            message:
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance): it belongs to "
                + url)
        error.forwardURL = url
        return error
    }

    /// The lead was lost before anything was changed.
    static func overtaken() -> HerderError {
        var error = rebalancing(.zero)
        error.isOvertaken = true
        return error
    }

    /// A part that no worker has been given.
    static func unowned(_ waited: Duration) -> HerderError {
        HerderError(
            status: 409,
            message: "No worker has run this for \(waited): the group waits for a worker to come back "
                + "(scheduled.rebalance.max.delay.ms); try again")
    }

    /// The group is between two rounds.
    static func rebalancing(_ waited: Duration) -> HerderError {
        HerderError(
            status: 409,
            message: "Cannot complete request because of a conflicting operation (e.g. worker rebalance), which was "
                + "waited for for \(waited)")
    }
}
