import KafkaClient
import Logging
import NIOConcurrencyHelpers

/// Whether this worker may still act for the group. A worker that the coordinator has not heard of for a session may
/// have lost its work to others; it must notice by itself, for nobody can tell it.
extension WorkerGroup {
    /// Whether what this worker has been given is still its own: asked before offsets and configurations are written.
    var isCurrent: Bool {
        // If the process stood still after that, nothing is known of what has happened meanwhile.
        guard let contact = membership.timeSinceContact, pulse.hasRun(for: contact) else { return false }
        return state.withLockedValue { state in
            guard state.share != nil || state.leader != nil else { return false }
            return contact < configuration.sessionTimeout + joinAllowance(state)
        }
    }

    /// Stops all work when the coordinator has not been heard of for most of a session, and takes it up again when it
    /// still knows this worker.
    func watchContact() async {
        guard let worker, let contact = membership.timeSinceContact else { return }
        let limit = configuration.sessionTimeout * 7 / 10
        let (mustStop, resumed, generation) = state.withLockedValue { state -> (Bool, WorkShare?, Int32) in
            guard let share = state.share, !share.isEmpty, !state.isLeaving else { return (false, nil, 0) }
            let isOverdue = contact > limit + joinAllowance(state)
            if isOverdue, !state.isSuspended {
                state.isSuspended = true
                return (true, nil, state.lastGeneration)
            }
            if !isOverdue, state.isSuspended {
                state.isSuspended = false
                return (false, share, state.lastGeneration)
            }
            return (false, nil, 0)
        }
        if mustStop {
            logger.warning(
                "the group's coordinator has not been heard of; this worker's connectors and tasks stop",
                metadata: ["since": "\(contact)"])
            await worker.run(WorkShare(), generation: Int(generation))
        }
        if let resumed {
            logger.info("the group's coordinator is back; connectors and tasks go on")
            await worker.run(resumed, generation: Int(generation))
        }
    }

    /// Who waits in a join is not expected to send heartbeats.
    private func joinAllowance(_ state: State) -> Duration { state.isJoining ? configuration.rebalanceTimeout : .zero }

    // MARK: Whom to ask

    /// The leader, when a round is over; nil if that takes longer than this.
    func settledLeader(within timeout: Duration) async -> Leader? {
        let deadline = ContinuousClock.now + timeout
        while true {
            let leader = state.withLockedValue { $0.isSettled ? $0.leader : nil }
            if let leader, leader != .me || isCurrent { return leader }
            guard ContinuousClock.now < deadline, !Task.isCancelled else { return nil }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return nil }
        }
    }

    /// Whether all members sign requests to each other.
    var isSessioned: Bool { state.withLockedValue { $0.version == .sessioned } }

    /// Whether this worker leads the group.
    var isLeading: Bool { state.withLockedValue { $0.leader == .me } }

    /// Whether requests to this URL still make sense.
    func isLeader(_ url: String) -> Bool { state.withLockedValue { $0.leader == .other(url: url) } }

    /// The URL of the worker that runs a connector or task, as the leader knows it.
    func owner(where runs: (WorkShare) -> Bool) -> String? {
        state.withLockedValue { state in state.workers.first { runs($0.share) }?.url }
    }

    /// Rounds so far, the last one's generation, whether none is under way, and the time since the last one.
    var metrics: (rounds: Int64, generation: Int64, isSettled: Bool, sinceLast: Duration?) {
        state.withLockedValue { state in
            (state.rounds, Int64(state.lastGeneration), state.isSettled, state.lastRound.map { .now - $0 })
        }
    }

    /// What this worker runs, or would if it were in contact.
    var share: WorkShare { state.withLockedValue { $0.share } ?? WorkShare() }
}
