/// Shares work out with as few stops as possible (KIP-415, Kafka's `IncrementalCooperativeAssignor`). It runs on the
/// group's leader and remembers what it did in the rounds before. Pure: time comes in.
///
/// Beyond Kafka: work that was handed over in good order (its status says that nobody runs it) is given to others at
/// once; `scheduled.rebalance.max.delay.ms` is only for workers that have vanished and may come back.
struct IncrementalAssignor {
    /// One round's part of a member.
    struct Part: Hashable {
        var assigned = WorkShare()
        var revoked = WorkShare()
    }

    /// What a round has to go by.
    struct Round {
        /// All there is to run.
        var configured: WorkShare
        /// What each member says it runs, by member id.
        var members: [String: WorkShare]
        /// The generation that the round makes.
        var generation: Int32
        /// The last generation whose assignment this worker has had.
        var lastCompletedGeneration: Int32
        /// Milliseconds on a clock that does not go back.
        var now: Int64
        /// What is known to be at rest.
        var handedOver = WorkShare()
    }

    /// What a round comes to.
    struct Result: Hashable {
        var parts: [String: Part]
        /// Milliseconds until the members should join again; 0 for never.
        var delay: Int64
    }

    private let maxDelay: Int64
    private var previousAssignment = WorkShare()
    private var previousRevocation = WorkShare()
    private var previousGeneration: Int32 = -1
    private var previousMembers: Set<String> = []
    /// When lost work is given to others; 0 if none is waited for.
    private var scheduledRebalance: Int64 = 0
    private var delay: Int64 = 0
    private var candidates: Set<String> = []
    private var hasRevokedInPrevious = false
    private var successiveRevocations = 0

    /// - Parameter maxDelay: `scheduled.rebalance.max.delay.ms`.
    init(maxDelay: Int64) {
        self.maxDelay = maxDelay
    }

    mutating func assign(_ round: Round) -> Result {
        if previousGeneration != round.lastCompletedGeneration { previousAssignment = WorkShare() }
        let active = round.members.values.reduce(WorkShare()) { $0.union($1) }
        if !previousRevocation.isDisjoint(with: active) { previousAssignment = active }
        previousRevocation = WorkShare()

        let gone = previousAssignment.union(active).subtracting(round.configured)
        let lost = previousAssignment.subtracting(active).subtracting(gone)
        let created = round.configured.subtracting(previousAssignment).subtracting(active)
        let mustStop = gone.union(duplicates(round.members))
        var revoked = round.members.mapValues { $0.intersection(mustStop) }
        var loads = round.members.mapValues { $0.subtracting(mustStop) }

        // What was handed over waits for nobody.
        let orphans = lost.subtracting(round.handedOver)
        var placed: [String: WorkShare] = [:]
        var toPlace = created.union(lost.intersection(round.handedOver))
        let waiting = reassign(orphans, round, loads, &placed, &toPlace)
        for (member, share) in placed { loads[member] = (loads[member] ?? WorkShare()).union(share) }

        if delay == 0 { balance(round, &loads, &revoked) }
        Self.place(toPlace, on: &loads)

        var parts: [String: Part] = [:]
        for (member, before) in round.members {
            let after = loads[member] ?? WorkShare()
            parts[member] = Part(assigned: after.subtracting(before), revoked: revoked[member] ?? WorkShare())
        }
        previousRevocation = revoked.values.reduce(WorkShare()) { $0.union($1) }
        previousAssignment = loads.values.reduce(waiting) { $0.union($1) }
        previousGeneration = round.generation
        previousMembers = Set(round.members.keys)
        return Result(parts: parts, delay: delay)
    }

    /// What more than one member says it runs: all must stop, for it cannot be told whose it is.
    private func duplicates(_ members: [String: WorkShare]) -> WorkShare {
        var seen = WorkShare()
        var result = WorkShare()
        for share in members.values {
            result = result.union(share.intersection(seen))
            seen = seen.union(share)
        }
        return result
    }

    /// Decides about work whose worker has vanished.
    /// - Returns: what goes on waiting for it.
    private mutating func reassign(
        _ lost: WorkShare, _ round: Round, _ loads: [String: WorkShare], _ placed: inout [String: WorkShare],
        _ toPlace: inout WorkShare
    ) -> WorkShare {
        if lost.isEmpty, !hasRevokedInPrevious {
            resetDelay()
            return WorkShare()
        }
        let hasLeavers = !previousMembers.isSubset(of: round.members.keys)
        if maxDelay == 0 || (scheduledRebalance == 0 && !hasLeavers) {
            toPlace = toPlace.union(lost)
            delay = 0
            return WorkShare()
        }
        if scheduledRebalance > 0, round.now >= scheduledRebalance {
            let empty = candidates.filter { round.members[$0] != nil }.sorted()
            if empty.isEmpty {
                toPlace = toPlace.union(lost)
            } else {
                for (index, name) in lost.connectors.sorted().enumerated() {
                    placed[empty[index % empty.count], default: WorkShare()].connectors.insert(name)
                }
                for (index, task) in lost.tasks.sorted().enumerated() {
                    placed[empty[index % empty.count], default: WorkShare()].tasks.insert(task)
                }
            }
            resetDelay()
            hasRevokedInPrevious = false
            return WorkShare()
        }
        guard !lost.isEmpty || scheduledRebalance > 0 else { return WorkShare() }
        candidates.formUnion(loads.filter { $0.value.isEmpty }.keys)
        delay = scheduledRebalance > 0 ? scheduledRebalance - round.now : maxDelay
        scheduledRebalance = round.now + delay
        return lost
    }

    private mutating func resetDelay() {
        delay = 0
        scheduledRebalance = 0
        candidates = []
    }

    /// Takes from members that have more than their part, so that the next round can give it to others. Never in two
    /// rounds in a row: members that come and go would stop work without end.
    private mutating func balance(
        _ round: Round, _ loads: inout [String: WorkShare], _ revoked: inout [String: WorkShare]
    ) {
        let excess = Self.excess(round.configured, loads)
        guard excess.values.contains(where: { !$0.isEmpty }) else {
            hasRevokedInPrevious = false
            successiveRevocations = 0
            return
        }
        if hasRevokedInPrevious {
            successiveRevocations += 1
            delay = backoff()
            if delay > 0 {
                scheduledRebalance = round.now + delay
                return
            }
        }
        revoke(excess, &loads, &revoked)
    }

    private mutating func revoke(
        _ excess: [String: WorkShare], _ loads: inout [String: WorkShare], _ revoked: inout [String: WorkShare]
    ) {
        hasRevokedInPrevious = true
        for (member, share) in excess {
            loads[member] = loads[member]?.subtracting(share)
            revoked[member] = (revoked[member] ?? WorkShare()).union(share)
        }
    }

    /// 1 ms × 40ⁿ, at most `scheduled.rebalance.max.delay.ms`.
    private func backoff() -> Int64 {
        var wait: Int64 = 1
        for _ in 0..<min(successiveRevocations, 8) { wait = min(wait * 40, maxDelay) }
        return min(wait, maxDelay)
    }

    /// What each member has beyond its part of all connectors and of all tasks.
    private static func excess(_ configured: WorkShare, _ loads: [String: WorkShare]) -> [String: WorkShare] {
        var result = loads.mapValues { _ in WorkShare() }
        let members = loads.keys.sorted()
        guard !members.isEmpty else { return result }
        var extra = configured.connectors.count % members.count
        for member in members {
            let own = (loads[member]?.connectors ?? []).sorted()
            let kept = allowance(own.count, configured.connectors.count / members.count, &extra)
            result[member]?.connectors = Set(own.prefix(own.count - kept))
        }
        extra = configured.tasks.count % members.count
        for member in members {
            let own = (loads[member]?.tasks ?? []).sorted()
            let kept = allowance(own.count, configured.tasks.count / members.count, &extra)
            result[member]?.tasks = Set(own.prefix(own.count - kept))
        }
        return result
    }

    private static func allowance(_ count: Int, _ minimum: Int, _ extra: inout Int) -> Int {
        guard count > minimum else { return count }
        guard extra > 0 else { return minimum }
        extra -= 1
        return minimum + 1
    }

    /// Gives each connector and then each task to the member that has the fewest.
    private static func place(_ share: WorkShare, on loads: inout [String: WorkShare]) {
        let members = loads.keys.sorted()
        guard !members.isEmpty else { return }
        var counts = Dictionary(uniqueKeysWithValues: loads.map { ($0, $1.connectors.count) })
        for name in share.connectors.sorted() {
            guard let least = members.min(by: { (counts[$0] ?? 0) < (counts[$1] ?? 0) }) else { return }
            loads[least]?.connectors.insert(name)
            counts[least, default: 0] += 1
        }
        counts = Dictionary(uniqueKeysWithValues: loads.map { ($0, $1.tasks.count) })
        for task in share.tasks.sorted() {
            guard let least = members.min(by: { (counts[$0] ?? 0) < (counts[$1] ?? 0) }) else { return }
            loads[least]?.tasks.insert(task)
            counts[least, default: 0] += 1
        }
    }
}
