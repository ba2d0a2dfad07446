import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The consumer's side of its group: what it tells, how it divides, what it does with its part.
extension KafkaConsumer {
    func makeMembership(_ groupID: String, _ subscription: ConsumerSubscription) -> ConsumerMembership {
        if configuration.groupProtocol == .consumer {
            return .consumer(
                ConsumerGroupMembership(
                    cluster: cluster, configuration: configuration, groupID: groupID, subscription: subscription,
                    logger: logger, onEvent: { [signal] in signal.notify() }))
        }
        let membership = GroupMembership(
            cluster: cluster,
            configuration: GroupConfiguration(
                groupID: groupID, protocolType: "consumer", instanceID: configuration.groupInstanceID,
                sessionTimeout: configuration.sessionTimeout, rebalanceTimeout: configuration.maxPollInterval,
                heartbeatInterval: configuration.heartbeatInterval, maxPollInterval: configuration.maxPollInterval),
            logger: logger, onEvent: { [signal] in signal.notify() })
        return .classic(membership)
    }

    /// Members may keep partitions through a rebalance only if every assignor they offer allows it (KIP-429).
    private var isCooperative: Bool { configuration.assignors.allSatisfy(\.isCooperative) }

    func applyGroupEvents() async throws {
        guard case .subscribed(let subscription, let listener, let member) = state.withLockedValue({ $0.mode }) else {
            return
        }
        switch member {
        case .classic(let membership): try await applyClassicEvents(subscription.topics, listener, membership)
        case .consumer(let membership): try await applyConsumerEvents(subscription, listener, membership)
        }
    }

    private func applyClassicEvents(
        _ topics: [String], _ listener: RebalanceListener?, _ membership: GroupMembership
    ) async throws {
        while let event = try membership.takeEvent() {
            switch event {
            case .joinNeeded:
                await prepareToJoin(topics, listener)
                membership.join(protocols: try protocols(topics, membership)) { [self] name, members in
                    try await divide(name, members)
                }
            case .assigned(let assignment):
                try await take(assignment, listener, membership)
            case .lost(let reason):
                logger.info("lost the partitions", metadata: ["reason": "\(reason)"])
                await drop(listener) { .lost($0) }
            }
        }
    }

    private func prepareToJoin(_ topics: [String], _ listener: RebalanceListener?) async {
        if isCooperative {
            let held = assignment
            let gone = held.filter { !topics.contains($0.topic) }
            guard !gone.isEmpty else { return }
            await commitBeforeRevocation()
            await listener?(.revoked(gone))
            state.withLockedValue { $0.fetch.assign(held.filter { topics.contains($0.topic) }, need: .committed) }
        } else {
            if !assignment.isEmpty { await commitBeforeRevocation() }
            await drop(listener) { .revoked($0) }
        }
    }

    func drop(_ listener: RebalanceListener?, _ event: ([TopicPartition]) -> RebalanceEvent) async {
        let held = assignment
        guard !held.isEmpty else { return }
        await listener?(event(held))
        state.withLockedValue { state in
            state.fetch.assign([], need: .committed)
            state.committable = [:]
            state.committed = [:]
        }
    }

    private func commitBeforeRevocation() async {
        guard configuration.enableAutoCommit else { return }
        do {
            try await commitPositions(timeout: .seconds(5))
        } catch {
            logger.warning(
                "the commit before a rebalance failed; records may be read again", metadata: ["error": "\(error)"])
        }
    }

    private func take(
        _ assignment: GroupAssignment, _ listener: RebalanceListener?, _ membership: GroupMembership
    ) async throws {
        var wanted: [TopicPartition] = []
        if assignment.bytes.readableBytes > 0 {
            do throws(WireError) {
                let decoded = try ConsumerProtocolAssignment.decodeVersioned(assignment.bytes)
                wanted = decoded.assignedPartitions.flatMap { entry in
                    entry.partitions.map { TopicPartition(topic: entry.topic, partition: $0) }
                }
            } catch {
                throw KafkaError(
                    .malformedResponse, "the group's leader made an assignment that can't be read: \(error)",
                    isRetriable: false, cause: error)
            }
        }
        state.withLockedValue { state in
            state.lastAssigned = StickyUserData(partitions: wanted, generation: assignment.generation)
            if !assignment.isLeader { state.leaderCounts = nil }
        }
        if await reconcile(to: wanted, listener) {
            // They can go to their next owners in the round after this one.
            membership.requestRejoin(reason: "revoked partitions must find their next owner")
        }
        logger.debug(
            "assigned", metadata: ["generation": "\(assignment.generation)", "partitions": "\(wanted)"])
    }

    /// Gives up what is not wanted and takes up what is new; true if something was given up.
    func reconcile(to wanted: [TopicPartition], _ listener: RebalanceListener?) async -> Bool {
        let held = Set(self.assignment)
        let kept = wanted.filter { held.contains($0) }
        let added = wanted.filter { !held.contains($0) }
        let revoked = held.subtracting(wanted).sorted()
        if !revoked.isEmpty {
            await commitBeforeRevocation()
            await listener?(.revoked(revoked))
            state.withLockedValue { $0.fetch.assign(kept, need: .committed) }
        }
        state.withLockedValue { state in
            state.fetch.assign(wanted, need: .committed)
            state.committable = state.fetch.positions()
            for partition in revoked + added { state.committed[partition] = nil }
            let known = cluster.metadata.topics
            if wanted.contains(where: { known[$0.topic] == nil }) { state.wantsMetadata = true }
        }
        metrics.rebalanced()
        await listener?(.assigned(added))
        chores.notify()
        dispatchFetches()
        return !revoked.isEmpty
    }

    // MARK: - Protocol

    private func protocols(_ topics: [String], _ membership: GroupMembership) throws -> [GroupProtocol] {
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = topics.sorted()
        subscription.generationId = membership.credentials?.generation ?? -1
        subscription.rackId = configuration.client.rack.isEmpty ? nil : configuration.client.rack
        subscription.ownedPartitions = Dictionary(grouping: assignment, by: \.topic).sorted { $0.key < $1.key }.map {
            var entry = ConsumerProtocolSubscription.TopicPartition()
            entry.topic = $0.key
            entry.partitions = $0.value.map(\.partition)
            return entry
        }
        let last = state.withLockedValue { $0.lastAssigned }
        return try configuration.assignors.map { assignor in
            subscription.userData = assignor is StickyAssignor ? last.encode() : nil
            let metadata = try subscription.encodeVersioned(
                version: ConsumerProtocolSubscription.validVersions.upperBound)
            return GroupProtocol(name: assignor.name, metadata: metadata)
        }
    }

    /// The leader's work: reads what all members want, asks for the topics, runs the agreed assignor.
    private func divide(_ name: String, _ members: [GroupMember]) async throws -> [String: ByteBuffer] {
        guard let assignor = configuration.assignors.first(where: { $0.name == name }) else {
            throw KafkaError(.invalidState, "the group chose assignor '\(name)', which this consumer did not offer")
        }
        let subscriptions = try members.map { try Self.subscription($0, of: assignor) }
        let topics = Set(subscriptions.flatMap(\.topics)).sorted()
        let metadata = try await cluster.refreshMetadata(
            topics: topics, allowAutoCreation: configuration.allowAutoCreateTopics)
        let counts = Self.partitionCounts(topics, metadata)
        state.withLockedValue { state in
            state.leaderCounts = counts
            if counts.values.contains(0) { state.wantsMetadata = true }
        }
        let parts = assignor.assign(partitionCounts: counts.filter { $0.value > 0 }, members: subscriptions)
        var result: [String: ByteBuffer] = [:]
        for member in members {
            var assignment = ConsumerProtocolAssignment()
            assignment.assignedPartitions = Dictionary(grouping: parts[member.id] ?? [], by: \.topic)
                .sorted { $0.key < $1.key }
                .map {
                    var entry = ConsumerProtocolAssignment.TopicPartition()
                    entry.topic = $0.key
                    entry.partitions = $0.value.map(\.partition).sorted()
                    return entry
                }
            result[member.id] = try assignment.encodeVersioned(version: 1)
        }
        return result
    }

    private static func subscription(
        _ member: GroupMember, of assignor: any PartitionAssignor
    ) throws -> GroupSubscription {
        let decoded = try ConsumerProtocolSubscription.decodeVersioned(member.metadata)
        var subscription = GroupSubscription(
            memberID: member.id, instanceID: member.instanceID, topics: decoded.topics,
            ownedPartitions: decoded.ownedPartitions.flatMap { entry in
                entry.partitions.map { TopicPartition(topic: entry.topic, partition: $0) }
            },
            generation: decoded.generationId)
        // A member whose bytes can't be read held nothing, as Java's assignor sees it.
        if assignor is StickyAssignor, let held = decoded.userData.flatMap({ try? StickyUserData($0) }) {
            subscription.ownedPartitions = held.partitions
            subscription.generation = held.generation
        }
        return subscription
    }
}
