import ConnectAPI
import Logging
import NIOHTTP1
import OrderedCollections

/// Exactly-once sources (KIP-618): who may write, and who must be shut out first.
extension WorkerHerder {
    private var deliversOnce: Bool { parts.configuration.exactlyOnceSource == .enabled }

    /// `transactional.id` of a task's producer.
    static func transactionalID(group: String, _ id: TaskID) -> String { "\(group)-\(id)" }

    /// Shuts former leaders out of the config topic. If that fails now, it is done before the first write.
    func claimLead() async {
        do {
            try await parts.configStore.claimLead()
        } catch {
            logger.warning("the lead of the config topic is not claimed yet", metadata: ["error": "\(error)"])
        }
    }

    /// Whom a task asks before it writes.
    func admission(of id: TaskID, _ plan: ConnectorLifecycle.Plan) -> TaskAdmission? {
        guard deliversOnce else { return nil }
        return TaskAdmission(
            fence: { [weak self] in try await self?.fence(id.connector) },
            check: { [weak self] in try await self?.check(id, plan) })
    }

    /// Has the leader shut out the tasks of former generations, if that has not been done.
    private func fence(_ name: String) async throws {
        try await parts.configStore.readToEnd(within: .seconds(30))
        guard parts.configStore.fencing(of: name).isNeeded else { return }
        guard let group else { return try await fenceHere(name) }
        switch await group.settledLeader(within: parts.configuration.rebalanceWait) {
        case .me: try await fenceHere(name)
        case .other(let url):
            try await internalRequest(.PUT, to: url, "connectors/\(PercentCoding.encodeSegment(name))/fence", body: nil)
            try await parts.configStore.readToEnd(within: .seconds(30))
        case nil: throw TaskError("the worker group has no leader at present", isRetriable: true)
        }
    }

    /// Shuts out the tasks that the last round was for, and notes for how many the next will be.
    private func fenceHere(_ name: String) async throws {
        try await gate.run {
            try checkLead()
            guard let count = parts.configStore.plan(of: name)?.tasks.count else {
                throw HerderError.unknownConnector(name)
            }
            let fencing = parts.configStore.fencing(of: name)
            guard fencing.isNeeded else { return }
            // A single task is shut out by its successor: they have one id.
            if let last = fencing.lastCount, !(last == 1 && count == 1) { try await shutOut(name, count: last) }
            try await parts.configStore.putFencing(name, taskCount: count)
        }
    }

    private func shutOut(_ name: String, count: Int) async throws {
        try await parts.cluster.fenceProducers(
            (0..<count).map {
                Self.transactionalID(group: parts.configuration.groupID, TaskID(connector: name, task: $0))
            })
    }

    /// Throws if a task may not begin to write, though it was given to this worker.
    private func check(_ id: TaskID, _ plan: ConnectorLifecycle.Plan) async throws {
        try await parts.configStore.readToEnd(within: .seconds(30))
        guard let current = parts.configStore.plan(of: id.connector), current.tasks == plan.tasks,
            current.generation == plan.generation, !parts.configStore.fencing(of: id.connector).isNeeded
        else {
            throw TaskError("connector \(id.connector) has got new task configurations meanwhile", isRetriable: true)
        }
        guard let group else { return }
        guard group.isCurrent, group.share.tasks.contains(id) else {
            throw TaskError("task \(id) is no longer this worker's, or may not be", isRetriable: true)
        }
    }

    /// Before offsets are changed by hand: a task that was left to itself must not write after that.
    func fenceForOffsets(_ name: String) async throws {
        guard deliversOnce, let count = parts.configStore.fencing(of: name).lastCount else { return }
        try await shutOut(name, count: count)
    }

    func fenceTasks(of name: String, signature: InternalSignature) async throws(HerderError) {
        try await checkSignature(signature)
        try await ensureLeader()
        let plan = try await plan(of: name)
        guard type(plan) == .source else {
            throw HerderError(status: 400, message: "Connector \(name) is no source: only tasks of sources are fenced")
        }
        do {
            try await fenceHere(name)
        } catch let error as HerderError {
            throw error
        } catch {
            throw HerderError(status: 500, message: "The tasks of connector \(name) could not be fenced: \(error)")
        }
    }
}
