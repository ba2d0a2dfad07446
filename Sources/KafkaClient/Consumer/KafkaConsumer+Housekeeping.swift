import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// What goes on behind `poll`: metadata, positions, auto-commit. One task, which sleeps until there is something to do.
extension KafkaConsumer {
    func startHousekeeper(_ state: inout State) {
        guard state.housekeeper == nil else { return }
        state.housekeeper = Task { await self.keepHouse() }
    }

    private func keepHouse() async {
        let start = NIODeadline.now()
        var metadataDue = start
        var commitDue = start + TimeAmount(configuration.autoCommitInterval)
        var failures = 0
        while !Task.isCancelled {
            let now = NIODeadline.now()
            do {
                if takeMetadataWish() || now >= metadataDue {
                    let isComplete = try await refreshTopics()
                    let age: TimeAmount = isComplete ? TimeAmount(configuration.client.metadataMaxAge) : .seconds(1)
                    metadataDue = .now() + age
                    dispatchFetches()
                }
                try await findPositions()
                if now >= commitDue {
                    commitDue = now + TimeAmount(configuration.autoCommitInterval)
                    await autoCommit()
                }
                failures = 0
                var next = min(now + .seconds(60), metadataDue)
                if configuration.enableAutoCommit, configuration.groupID != nil { next = min(next, commitDue) }
                try await chores.wait(until: next)
            } catch let error as KafkaError where error.code != .closed {
                failures += 1
                tell(error, failures: failures, start: start)
                do { try await Task.sleep(for: cluster.retryBackoff.delay(afterFailures: failures)) } catch { return }
            } catch {
                return
            }
        }
    }

    private func takeMetadataWish() -> Bool {
        state.withLockedValue { state in
            defer { state.wantsMetadata = false }
            return state.wantsMetadata
        }
    }

    /// What time may mend is logged, once per outage; what it can't, and a cluster that was never there, ends in `poll`.
    private func tell(_ error: KafkaError, failures: Int, start: NIODeadline) {
        let isHopeless =
            !cluster.state.withLockedValue { $0.everConnected }
            && start + TimeAmount(configuration.client.bootstrapPatience) < .now()
        if error.isRetriable, !isHopeless {
            if failures == 3 {
                logger.warning("the cluster can't be used; trying again", metadata: ["error": "\(error)"])
            }
            if error.asksForMetadata { state.withLockedValue { $0.wantsMetadata = true } }
        } else {
            state.withLockedValue { state in
                state.failure = error
                if error.isRetriable { state.wantsMetadata = true }
            }
            settlePositionWaiters(error)
            signal.notify()
        }
    }

    // MARK: - Metadata

    /// Asks for the topics in use; false when one of them does not exist (yet) or has no leader.
    private func refreshTopics() async throws -> Bool {
        try await refreshPattern()
        let (topics, counts) = state.withLockedValue { state -> ([String], [String: Int32]?) in
            var topics = Set(state.fetch.partitions.keys.map(\.topic))
            if case .subscribed(let subscription, _, _) = state.mode { topics.formUnion(subscription.topics) }
            topics.formUnion(state.leaderCounts?.keys.map { $0 } ?? [])
            return (Array(topics), state.leaderCounts)
        }
        guard !topics.isEmpty else { return true }
        let metadata = try await cluster.refreshMetadata(
            topics: topics, allowAutoCreation: configuration.allowAutoCreateTopics)
        var isComplete = true
        for topic in topics {
            guard let found = metadata.topics[topic], found.errorCode == .none else {
                isComplete = false
                if let code = metadata.topics[topic]?.errorCode, !code.isRetriable, code != .none {
                    throw KafkaError.broker(code, "topic \(topic)")
                }
                continue
            }
            if found.partitions.contains(where: { metadata.brokers[$0.leader] == nil }) { isComplete = false }
        }
        if let counts, counts != Self.partitionCounts(Array(counts.keys), metadata) {
            rejoinForTopics()
        }
        return isComplete
    }

    /// The names of all topics that a pattern means; Kafka's own are left out.
    func matchingTopics(_ pattern: TopicPattern) async throws -> [String] {
        let metadata = try await cluster.refreshMetadata(topics: nil)
        return metadata.topics.values.filter { !$0.isInternal && pattern.matches($0.name) }.map(\.name).sorted()
    }

    /// Topics that have come or gone change the subscription.
    private func refreshPattern() async throws {
        guard case .subscribed(let subscription, _, _) = state.withLockedValue({ $0.mode }),
            let pattern = subscription.pattern
        else { return }
        let topics = try await matchingTopics(pattern)
        guard topics != subscription.topics else { return }
        state.withLockedValue { state in
            guard case .subscribed(var current, let listener, let membership) = state.mode, current.pattern != nil
            else { return }
            current.topics = topics
            state.mode = .subscribed(current, listener: listener, membership: membership)
            membership.subscriptionChanged(current, reason: "topics that match have come or gone")
        }
    }

    static func partitionCounts(_ topics: [String], _ metadata: ClusterMetadata) -> [String: Int32] {
        var counts: [String: Int32] = [:]
        for topic in topics { counts[topic] = Int32(metadata.topics[topic]?.partitions.count ?? 0) }
        return counts
    }

    private func rejoinForTopics() {
        let mode = state.withLockedValue { state in
            state.leaderCounts = nil
            return state.mode
        }
        guard case .subscribed(let subscription, _, let membership) = mode else { return }
        membership.subscriptionChanged(subscription, reason: "partitions of the subscribed topics have changed")
    }

    // MARK: - Positions

    private func findPositions() async throws {
        let needs = state.withLockedValue { state in
            state.fetch.partitions.compactMap { partition, entry in
                entry.need.map { (partition: partition, need: $0, epoch: entry.epoch) }
            }
        }
        guard !needs.isEmpty else { return }
        var lookups: [TopicPartition: OffsetSpec] = [:]
        var unknown: [TopicPartition] = []
        let committed = needs.filter { $0.need == .committed }
        if !committed.isEmpty, let groupID = configuration.groupID {
            let offsets = try await cluster.committedOffsets(
                group: groupID, partitions: committed.map(\.partition),
                requireStable: configuration.isolationLevel == .readCommitted)
            for entry in committed {
                if let found = offsets[entry.partition] {
                    state.withLockedValue { state in
                        state.fetch.resolve(entry.partition, epoch: entry.epoch, offset: found.offset)
                        state.committed[entry.partition] = found
                    }
                } else {
                    unknown.append(entry.partition)
                }
            }
            settlePositionWaiters()
        }
        for entry in needs {
            switch entry.need {
            case .lookup(let spec): lookups[entry.partition] = spec
            case .reset: unknown.append(entry.partition)
            case .committed: break
            }
        }
        for partition in unknown {
            switch configuration.autoOffsetReset {
            case .earliest: lookups[partition] = .earliest
            case .latest: lookups[partition] = .latest
            case .byDuration(let age):
                lookups[partition] = .timestamp(max(WallClock.now() - age.wholeMilliseconds, 0))
            case .none:
                throw KafkaError(
                    .noOffset, "\(partition) has no valid offset and auto.offset.reset is none: seek, or set it",
                    isRetriable: false)
            }
        }
        try await resolve(lookups, epochs: needs.map { ($0.partition, $0.epoch) })
        dispatchFetches()
        signal.notify()
    }

    private func resolve(
        _ lookups: [TopicPartition: OffsetSpec], epochs: [(TopicPartition, UInt64)]
    ) async throws {
        guard !lookups.isEmpty else { return }
        let found = try await cluster.listOffsets(
            lookups, isolation: configuration.isolationLevel, timeout: configuration.client.requestTimeout)
        var failure: KafkaError?
        var isOpen = false
        state.withLockedValue { state in
            for (partition, epoch) in epochs {
                switch found[partition] {
                case .success(let listed)? where listed.offset < 0:
                    // No record is that young: go on behind the last.
                    state.fetch.setNeed(partition, epoch: epoch, .lookup(.latest))
                    isOpen = true
                case .success(let listed)?:
                    state.fetch.resolve(partition, epoch: epoch, offset: max(listed.offset, 0))
                case .failure(let error)?: failure = error
                case nil: break
                }
            }
        }
        settlePositionWaiters()
        if isOpen { chores.notify() }
        if let failure { throw failure }
    }

    // MARK: - Auto-commit

    private func autoCommit() async {
        guard configuration.enableAutoCommit, configuration.groupID != nil else { return }
        let (mode, offsets) = state.withLockedValue { ($0.mode, $0.committable) }
        if case .subscribed(_, _, let membership) = mode, !membership.isStable { return }
        do {
            try await commit(offsets, timeout: .seconds(5))
        } catch {
            logger.debug("auto-commit failed; the next one will do", metadata: ["error": "\(error)"])
        }
    }
}
