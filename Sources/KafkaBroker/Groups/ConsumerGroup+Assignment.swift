import KafkaProtocol

/// From the target assignment to what each member has.
extension ConsumerGroup {
    /// The topics that the members are subscribed to, as they are now.
    func subscriptions(_ topics: any TopicDirectory) throws(Refusal) -> SubscribedTopics {
        var found = SubscribedTopics(version: topics.version)
        var patterns: [String: Set<KafkaUUID>] = [:]
        for member in members.values {
            var ids: Set<KafkaUUID> = []
            for name in member.topics {
                guard let topic = topics.topic(named: name) else { continue }
                ids.insert(topic.id)
                found.partitionCounts[topic.id] = topic.partitions
            }
            if let pattern = member.pattern {
                if patterns[pattern] == nil {
                    patterns[pattern] = try Self.resolve(pattern, topics, &found.partitionCounts)
                }
                ids.formUnion(patterns[pattern] ?? [])
            }
            found.byMember[member.id] = ids
        }
        return found
    }

    @discardableResult
    static func check(_ pattern: String) throws(Refusal) -> TextPattern {
        do throws(TextPattern.Fault) {
            return try TextPattern(pattern)
        } catch {
            throw Refusal(
                .invalidRegularExpression,
                "SubscribedTopicRegex `\(pattern)` is not a valid regular expression: \(error.message)")
        }
    }

    private static func resolve(
        _ pattern: String, _ topics: any TopicDirectory, _ counts: inout [KafkaUUID: Int32]
    ) throws(Refusal) -> Set<KafkaUUID> {
        let matcher = try check(pattern)
        var ids: Set<KafkaUUID> = []
        for name in topics.names where matcher.matches(name) {
            guard let topic = topics.topic(named: name) else { continue }
            ids.insert(topic.id)
            counts[topic.id] = topic.partitions
        }
        return ids
    }

    /// Computes the target assignment of the group's epoch, unless it is there.
    mutating func assignIfNeeded(_ changes: inout Changes) {
        guard epoch > targetEpoch else { return }
        let assignor = ServerAssignor.named(self.assignor) ?? ServerAssignor.all[0]
        let input = members.values.map { member in
            ServerAssignor.Subscriber(
                id: member.id, instanceID: member.instanceID, topics: subscribed.byMember[member.id] ?? [],
                current: targets[member.id] ?? [:])
        }
        let computed = assignor.assign(input, subscribed.partitionCounts)
        for id in members.keys {
            let target = computed[id] ?? [:]
            guard targets[id] != target else { continue }
            targets[id] = target
            changes.targets.insert(id)
        }
        targetEpoch = epoch
        changes.targetEpoch = true
    }

    /// The member's next state, given what it says it owns (Kafka's `CurrentAssignmentBuilder`).
    func reconciled(_ member: Member, owned: TopicAssignment?) -> Member {
        switch member.state {
        case .stable where member.epoch == targetEpoch: return member
        case .unrevokedPartitions where Self.owns(owned, member.revoking): return member
        case .stable, .unrevokedPartitions, .unreleasedPartitions: return advanced(member, owned)
        }
    }

    private func advanced(_ member: Member, _ owned: TopicAssignment?) -> Member {
        let target = targets[member.id] ?? [:]
        var kept: TopicAssignment = [:]
        var revoking: TopicAssignment = [:]
        var free: TopicAssignment = [:]
        var hasUnreleased = false
        for topic in Set(target.keys).union(member.assigned.keys) {
            let wanted = target[topic] ?? []
            let has = member.assigned[topic] ?? []
            let stays = has.intersection(wanted)
            if !stays.isEmpty { kept[topic] = stays }
            let goes = has.subtracting(stays)
            if !goes.isEmpty { revoking[topic] = goes }
            for partition in wanted.subtracting(stays) {
                let owner = owners[topic]?[partition]
                if owner == nil || owner == member.id {
                    free[topic, default: []].insert(partition)
                } else {
                    hasUnreleased = true
                }
            }
        }
        var next = member
        if !revoking.isEmpty, Self.owns(owned, revoking) {
            next.state = .unrevokedPartitions
            next.assigned = kept
            next.revoking = revoking
            return next
        }
        next.assigned = kept.merging(free) { $0.union($1) }
        next.revoking = [:]
        next.state = hasUnreleased ? .unreleasedPartitions : .stable
        if next.epoch != targetEpoch {
            next.previousEpoch = next.epoch
            next.epoch = targetEpoch
        }
        return next
    }

    /// Whether a member still has some of these partitions; one that does not say has them all.
    private static func owns(_ owned: TopicAssignment?, _ partitions: TopicAssignment) -> Bool {
        guard let owned else { return true }
        return partitions.contains { topic, some in !some.isDisjoint(with: owned[topic] ?? []) }
    }
}
