import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// What a group asks of the worker that is a member of it.
protocol GroupWorker: AnyObject, Sendable {
    /// The offset after the last record of the config topic that has been read; -1 for none.
    var configOffset: Int64 { get }
    /// Reads the config topic to its end.
    func readConfig(within timeout: Duration) async throws
    /// All connectors and tasks there are.
    func configured() -> WorkShare
    /// What of the configured work nobody runs, as its status says.
    func atRest() async -> WorkShare
    /// Runs this and nothing else; returns when everything else has stopped, or been given up.
    func run(_ share: WorkShare, generation: Int) async
    /// A round is over.
    func roundCompleted(isLeader: Bool, isSessioned: Bool) async
}

/// A worker's membership in its group (`group.id`, protocol type `connect`): joins, runs what the leader gives it, and
/// shares the work out while it leads.
final class WorkerGroup: Sendable {
    /// Whom a request is for.
    enum Leader: Sendable, Hashable {
        case me
        case other(url: String)
    }

    struct Configuration: Sendable {
        var url: String
        var mode: ConnectProtocol.Mode
        var sessionTimeout: Duration
        var heartbeatInterval: Duration
        var rebalanceTimeout: Duration
        /// `worker.sync.timeout.ms`.
        var syncTimeout: Duration
        /// `scheduled.rebalance.max.delay.ms`.
        var maxDelay: Duration
    }

    struct State {
        /// What the rounds so far have given this worker.
        var share: WorkShare?
        /// The coordinator has not been heard of for so long that others may have been given the share.
        var isSuspended = false
        var isJoining = false
        var version = ConnectProtocol.Version.eager
        var leader: Leader?
        var leaderID = ""
        /// The last round is over and no other is known of.
        var isSettled = false
        var lastGeneration: Int32 = -1
        /// How many rounds have been completed, and when the last one was.
        var rounds: Int64 = 0
        var lastRound: ContinuousClock.Instant?
        var rejoinAt: ContinuousClock.Instant?
        var isLeaving = false
        // The leader's.
        var assignor: IncrementalAssignor
        var assignedConfig = WorkShare()
        var workers: [(url: String, share: WorkShare)] = []
        var loop: Task<Void, Never>?
    }

    let membership: GroupMembership
    let configuration: Configuration
    let logger: Logger
    let pulse: GroupPulse
    let state: NIOLockedValueBox<State>
    /// Set once, before ``start()``.
    private let workerBox = NIOLockedValueBox<(any GroupWorker)?>(nil)

    init(_ configuration: Configuration, membership: GroupMembership, logger: Logger) {
        self.configuration = configuration
        self.membership = membership
        self.logger = logger
        pulse = GroupPulse(longestGap: configuration.sessionTimeout)
        state = NIOLockedValueBox(
            State(assignor: IncrementalAssignor(maxDelay: configuration.maxDelay.wholeMilliseconds)))
    }

    var worker: (any GroupWorker)? { workerBox.withLockedValue { $0 } }

    // MARK: Life

    /// Begins to join, and goes on in the background.
    func start(for worker: any GroupWorker) {
        workerBox.withLockedValue { $0 = worker }
        pulse.start()
        let loop = Task { await run() }
        state.withLockedValue { $0.loop = loop }
    }

    /// Follows the group no more, but stays in it: what is to be done before leaving can be done in peace.
    func stopFollowing() async {
        let loop = state.withLockedValue { state in
            state.isLeaving = true
            state.isSettled = false
            return state.loop
        }
        loop?.cancel()
        await loop?.value
    }

    /// Leaves the group. What this worker ran must have stopped.
    func leave() async {
        pulse.stop()
        await membership.leave(reason: "the worker is shutting down", evenIfStatic: true)
    }

    private func run() async {
        while !Task.isCancelled {
            do {
                if let event = try await membership.nextEvent(timeout: nextWait()) { try await handle(event) }
                rejoinIfDue()
                await watchContact()
            } catch is CancellationError {
                return
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning("worker group", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
            }
        }
    }

    private func nextWait() -> Duration {
        let due = state.withLockedValue { $0.rejoinAt }.map { max(.zero, $0 - ContinuousClock.now) }
        return min(configuration.heartbeatInterval, .milliseconds(500), due ?? .seconds(1))
    }

    private func rejoinIfDue() {
        let isDue = state.withLockedValue { state in
            guard let time = state.rejoinAt, time <= .now else { return false }
            state.rejoinAt = nil
            return true
        }
        if isDue { membership.requestRejoin(reason: "scheduled rebalance") }
    }

    // MARK: Events

    private func handle(_ event: GroupEvent) async throws {
        switch event {
        case .joinNeeded: await join()
        case .assigned(let assignment): try await take(assignment)
        case .lost(let reason):
            logger.warning("the group went on without this worker", metadata: ["reason": "\(reason)"])
            let generation = state.withLockedValue { state in
                state.share = nil
                state.isSettled = false
                state.leader = nil
                state.isSuspended = false
                return state.lastGeneration
            }
            // Others may have the work already.
            await worker?.run(WorkShare(), generation: Int(generation))
        }
    }

    private func join() async {
        guard let worker else { return }
        let (isEager, generation) = state.withLockedValue { state in
            state.isSettled = false
            state.rejoinAt = nil
            return (state.version == .eager && state.lastGeneration >= 0, state.lastGeneration)
        }
        if isEager {
            // The first version shares everything out anew: nothing may run meanwhile.
            await worker.run(WorkShare(), generation: Int(generation))
            state.withLockedValue { $0.share = nil }
        }
        let metadata = state.withLockedValue { state in
            state.isJoining = true
            return ConnectProtocol.Metadata(
                url: configuration.url, configOffset: worker.configOffset,
                allocation: state.share.map {
                    ConnectProtocol.Assignment(
                        leader: state.leaderID, leaderURL: state.leaderURL(own: configuration.url),
                        configOffset: worker.configOffset, assigned: $0)
                })
        }
        membership.join(
            protocols: ConnectProtocol.offers(metadata, mode: configuration.mode),
            assign: { [weak self] name, members in try await self?.assign(name, members) ?? [:] })
    }

    private func take(_ round: GroupAssignment) async throws {
        guard let worker else { return }
        let version = ConnectProtocol.Version(name: round.protocolName) ?? .eager
        state.withLockedValue { state in
            state.isJoining = false
            state.isSuspended = false
            state.version = version
            state.lastGeneration = round.generation
        }
        guard let assignment = ConnectProtocol.assignment(round.bytes),
            assignment.error == ConnectProtocol.Assignment.noError
        else {
            // The leader's view of the config topic was behind: another round, when it has had time to catch up.
            state.withLockedValue { $0.rejoinAt = .now + .milliseconds(500) }
            try await worker.readConfig(within: configuration.syncTimeout)
            return
        }
        let before = state.withLockedValue { $0.share } ?? WorkShare()
        let next =
            version == .eager
            ? assignment.assigned : before.subtracting(assignment.revoked).union(assignment.assigned)
        // What goes must have stopped before anybody else can be given it.
        let kept = before.intersection(next)
        if kept != before { await worker.run(kept, generation: Int(round.generation)) }
        state.withLockedValue { $0.share = kept }
        if worker.configOffset < assignment.configOffset {
            do {
                try await worker.readConfig(within: configuration.syncTimeout)
            } catch {
                logger.warning("the config topic could not be read to its end", metadata: ["error": "\(error)"])
                state.withLockedValue { $0.rejoinAt = .now + .seconds(1) }
                return
            }
        }
        state.withLockedValue { $0.share = next }
        await worker.run(next, generation: Int(round.generation))
        await settle(round, assignment, version)
    }

    private func settle(
        _ round: GroupAssignment, _ assignment: ConnectProtocol.Assignment, _ version: ConnectProtocol.Version
    ) async {
        let isLeader = round.memberID == assignment.leader
        state.withLockedValue { state in
            state.rounds += 1
            state.lastRound = .now
            state.leaderID = assignment.leader
            state.leader = isLeader ? .me : .other(url: assignment.leaderURL)
            state.isSettled = !state.isLeaving
            if assignment.delay > 0 { state.rejoinAt = .now + .milliseconds(Int(assignment.delay)) }
        }
        logger.info(
            "joined the worker group",
            metadata: [
                "generation": "\(round.generation)", "leader": "\(assignment.leaderURL)",
                "protocol": "\(round.protocolName)", "new": "\(assignment.assigned.count)",
                "revoked": "\(assignment.revoked.count)", "delay": "\(assignment.delay)",
            ])
        await worker?.roundCompleted(isLeader: isLeader, isSessioned: version == .sessioned)
        if !assignment.revoked.isEmpty {
            membership.requestRejoin(reason: "work was revoked, and can be given to others")
        } else {
            configChanged()
        }
    }

    /// To be called when connectors or tasks have come or gone: the leader shares out anew.
    func configChanged() {
        guard let worker else { return }
        let configured = worker.configured()
        let isNews = state.withLockedValue { state in
            state.isSettled && state.leader == .me && state.assignedConfig != configured
        }
        if isNews { membership.requestRejoin(reason: "connectors or tasks have changed") }
    }
}

extension WorkerGroup.State {
    func leaderURL(own: String) -> String {
        switch leader {
        case .me: own
        case .other(let url): url
        case nil: ""
        }
    }
}

extension WorkShare {
    /// How many connectors and tasks there are.
    var count: Int { connectors.count + tasks.count }
}
