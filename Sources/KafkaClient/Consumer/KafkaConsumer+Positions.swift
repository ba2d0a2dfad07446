import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

extension KafkaConsumer {
    // MARK: - Positions

    /// The offset of the next record that `poll` will return. Waits until it is known.
    public func position(_ partition: TopicPartition) async throws -> Int64 {
        let waiter = Waiter<Int64>()
        let isKnown: Bool = try state.withLockedValue { state in
            if let failure = state.failure {
                state.failure = nil
                throw failure
            }
            guard let entry = state.fetch.partitions[partition] else { throw Self.notAssigned(partition) }
            if let position = entry.position {
                waiter.finish(.success(position))
                return true
            }
            state.positionWaiters.append((partition, waiter))
            return false
        }
        if isKnown { return try await waiter.value() }
        chores.notify()
        let alarm = eventLoop.scheduleTask(in: TimeAmount(configuration.client.apiTimeout)) {
            waiter.finish(
                .failure(KafkaError(.timedOut, "the position of \(partition) could not be found in time")))
        }
        defer { alarm.cancel() }
        return try await waiter.value()
    }

    /// Tells those who wait for positions; to be called when some may have become known, or can't.
    func settlePositionWaiters(_ failure: KafkaError? = nil) {
        let settled = state.withLockedValue { state -> [(Waiter<Int64>, Result<Int64, any Error>)] in
            var settled: [(Waiter<Int64>, Result<Int64, any Error>)] = []
            state.positionWaiters.removeAll { partition, waiter in
                if let failure {
                    settled.append((waiter, .failure(failure)))
                } else if let entry = state.fetch.partitions[partition] {
                    guard let position = entry.position else { return false }
                    settled.append((waiter, .success(position)))
                } else {
                    settled.append((waiter, .failure(Self.notAssigned(partition))))
                }
                return true
            }
            return settled
        }
        for (waiter, result) in settled { waiter.finish(result) }
    }

    /// Goes on at this offset.
    public func seek(_ partition: TopicPartition, to offset: Int64) throws {
        guard offset >= 0 else { throw KafkaError(.invalidConfiguration, "offset \(offset) is negative") }
        try move([partition]) { $0.seek(partition, to: offset, need: nil) }
    }

    /// Goes on at the first record there is.
    public func seekToBeginning(_ partitions: [TopicPartition]) throws {
        try move(partitions) { fetch in
            for partition in partitions { fetch.seek(partition, to: nil, need: .lookup(.earliest)) }
        }
    }

    /// Goes on behind the last record there is.
    public func seekToEnd(_ partitions: [TopicPartition]) throws {
        try move(partitions) { fetch in
            for partition in partitions { fetch.seek(partition, to: nil, need: .lookup(.latest)) }
        }
    }

    /// Goes on at the first record at or after a time (ms since 1970), or behind the last record where there is none.
    public func seek(toTimes times: [TopicPartition: Int64]) throws {
        try move(Array(times.keys)) { fetch in
            for (partition, time) in times { fetch.seek(partition, to: nil, need: .lookup(.timestamp(time))) }
        }
    }

    /// Returns nothing more of these partitions until ``resume(_:)``; they stay assigned.
    public func pause(_ partitions: [TopicPartition]) throws {
        try move(partitions) { fetch in for partition in partitions { fetch.setPaused(partition, true) } }
    }

    /// Undoes ``pause(_:)``.
    public func resume(_ partitions: [TopicPartition]) throws {
        try move(partitions) { fetch in for partition in partitions { fetch.setPaused(partition, false) } }
    }

    private func move(_ partitions: [TopicPartition], _ body: (inout FetchState) -> Void) throws {
        try state.withLockedValue { state in
            for partition in partitions where state.fetch.partitions[partition] == nil {
                throw Self.notAssigned(partition)
            }
            body(&state.fetch)
        }
        settlePositionWaiters()
        chores.notify()
        signal.notify()
    }

    private static func notAssigned(_ partition: TopicPartition) -> KafkaError {
        KafkaError(.invalidState, "\(partition) is not assigned to this consumer")
    }

    // MARK: - Lookups

    /// The first offset of each partition.
    public func beginningOffsets(_ partitions: [TopicPartition]) async throws -> [TopicPartition: Int64] {
        try await offsets(partitions, .earliest)
    }

    /// The offset behind the last record (or last stable record) of each partition.
    public func endOffsets(_ partitions: [TopicPartition]) async throws -> [TopicPartition: Int64] {
        try await offsets(partitions, .latest)
    }

    /// The first record at or after a time (ms since 1970), per partition; absent where there is none.
    public func offsets(forTimes times: [TopicPartition: Int64]) async throws -> [TopicPartition: ListedOffset] {
        let found = try await cluster.listOffsets(
            times.mapValues { .timestamp($0) }, isolation: configuration.isolationLevel)
        return try found.mapValues { try $0.get() }.filter { $0.value.offset >= 0 }
    }

    private func offsets(
        _ partitions: [TopicPartition], _ spec: OffsetSpec
    ) async throws -> [TopicPartition: Int64] {
        var specs: [TopicPartition: OffsetSpec] = [:]
        for partition in partitions { specs[partition] = spec }
        let found = try await cluster.listOffsets(specs, isolation: configuration.isolationLevel)
        return try found.mapValues { try $0.get().offset }
    }

    /// The partitions of a topic, from the cluster's metadata.
    public func partitions(of topic: String) async throws -> [TopicPartition] {
        try await cluster.retrying {
            let metadata = try await cluster.metadata(
                topics: [topic], allowAutoCreation: configuration.allowAutoCreateTopics)
            guard let found = metadata.topics[topic], found.errorCode == .none else {
                throw KafkaError.broker(
                    metadata.topics[topic]?.errorCode ?? .unknownTopicOrPartition, "topic \(topic)")
            }
            return found.partitions.map { TopicPartition(topic: topic, partition: $0.id) }
        }
    }

    // MARK: - Committing

    /// Commits the positions of all assigned partitions: everything that `poll` has returned counts as done.
    public func commit() async throws {
        try await commitPositions(timeout: nil)
    }

    /// Commits these offsets; each is the next one to read.
    public func commit(_ offsets: [TopicPartition: OffsetAndMetadata]) async throws {
        try await commit(offsets, timeout: nil)
    }

    /// The group's committed offsets of these partitions; absent where there is none.
    public func committed(_ partitions: [TopicPartition]) async throws -> [TopicPartition: OffsetAndMetadata] {
        guard let groupID = configuration.groupID else { throw Self.groupless }
        return try await cluster.committedOffsets(
            group: groupID, partitions: partitions,
            requireStable: configuration.isolationLevel == .readCommitted)
    }

    static var groupless: KafkaError {
        KafkaError(.invalidConfiguration, "committed offsets need group.id")
    }

    func commitPositions(timeout: Duration?) async throws {
        try await commit(state.withLockedValue { $0.fetch.positions() }, timeout: timeout)
    }

    func commit(_ offsets: [TopicPartition: OffsetAndMetadata], timeout: Duration?) async throws {
        guard let groupID = configuration.groupID else { throw Self.groupless }
        let fresh = state.withLockedValue { state in offsets.filter { state.committed[$0.key] != $0.value } }
        guard !fresh.isEmpty else { return }
        var membership: ConsumerMembership?
        if case .subscribed(_, _, let member) = state.withLockedValue({ $0.mode }) { membership = member }
        let credentials = membership?.credentials
        if membership != nil, credentials == nil {
            throw KafkaError(
                .rebalanced, "the consumer is not in group '\(groupID)' at the moment; poll, then commit again",
                isRetriable: false)
        }
        do {
            try await cluster.commitOffsets(
                fresh, group: groupID, credentials: credentials, instanceID: configuration.groupInstanceID,
                timeout: timeout)
            state.withLockedValue { $0.committed.merge(fresh) { $1 } }
        } catch let error as KafkaError {
            switch error.errorCode {
            case .rebalanceInProgress?, .staleMemberEpoch?:
                throw KafkaError(
                    .rebalanced, "group '\(groupID)' is rebalancing; poll, then commit again",
                    errorCode: error.errorCode, isRetriable: true, cause: error)
            case .illegalGeneration?, .unknownMemberId?, .fencedMemberEpoch?:
                membership?.expelled(reason: "a commit was refused with \(error.errorCode?.name ?? "")")
                throw KafkaError(
                    .rebalanced, "group '\(groupID)' went on without this consumer; its records may be read again",
                    errorCode: error.errorCode, isRetriable: false, cause: error)
            default: throw error
            }
        }
    }
}
