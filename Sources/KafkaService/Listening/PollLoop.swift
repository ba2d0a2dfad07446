import KafkaClient
import KafkaProtocol
import Logging

/// The one task that talks to the listener's consumer: it polls, commits, and applies rebalances and pauses.
struct PollLoop<Value: Sendable>: Sendable {
    let listener: KafkaListener<Value>
    let consumer: KafkaConsumer

    private var core: ListenerCore { listener.core }
    private var configuration: ListenerConfiguration { listener.configuration }

    func run() async throws {
        try await consumer.subscribe(core.stages.keys.sorted()) { event in
            await rebalance(event)
        }
        listener.setRunning()
        var lastCommit = ContinuousClock.now
        var failures = 0
        while true {
            try Task.checkCancellation()
            do {
                let hasRoom = try await waitForRoom()
                let wait = timeout(nextDue: core.releaseDue(now: WallClock.now()))
                applyPauses(hasRoom: hasRoom)
                let batches = try await consumer.poll(timeout: hasRoom ? wait : min(wait, .milliseconds(20)))
                if !batches.isEmpty { core.accept(batches, now: WallClock.now()) }
                failures = 0
            } catch let error as KafkaError where error.isRetriable || error.code == .rebalanced {
                failures += 1
                core.note(error)
                listener.logger.warning("reading failed; trying again", metadata: ["error": "\(error)"])
                try await Task.sleep(for: .milliseconds(100 * min(failures, 20)))
            }
            if lastCommit.duration(to: .now) >= configuration.commitInterval {
                await listener.commit(consumer)
                report()
                lastCommit = .now
            }
        }
    }

    /// Waits a little while as much is under way as may be. Returns whether there is room.
    private func waitForRoom() async throws -> Bool {
        var round = 0
        while core.pending >= configuration.maximumPending {
            // Not longer: rebalances are answered in polls.
            guard round < 50 else { return false }
            round += 1
            try await Task.sleep(for: .milliseconds(1))
        }
        return true
    }

    private func timeout(nextDue: Int64?) -> Duration {
        guard let nextDue else { return configuration.commitInterval }
        return min(configuration.commitInterval, .milliseconds(max(nextDue - WallClock.now(), 1)))
    }

    private func applyPauses(hasRoom: Bool) {
        let (pause, resume) = core.pauses(hasRoom: hasRoom)
        // A partition may have gone meanwhile: its next assignment begins unpaused.
        if !pause.isEmpty { try? consumer.pause(pause) }
        if !resume.isEmpty { try? consumer.resume(resume) }
    }

    private func rebalance(_ event: RebalanceEvent) async {
        switch event {
        case .assigned(let added):
            core.assign(added)
            applyPauses(hasRoom: true)
        case .revoked(let gone):
            let partitions = core.beginRevocation(gone)
            let limit = configuration.revocationTimeout
            let alarm = Task { [core] in
                try await Task.sleep(for: limit)
                core.endRevocation(partitions)
            }
            await core.waitUntilDrained(partitions)
            alarm.cancel()
            await listener.commit(consumer, partitions)
            core.endRevocation(partitions)
        case .lost(let gone):
            core.endRevocation(core.beginRevocation(gone))
        }
    }

    private func report() {
        listener.worker.metrics.lag(listener.health.totalLag)
    }
}
