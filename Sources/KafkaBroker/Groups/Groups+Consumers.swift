import KafkaProtocol
import Logging
import NIOCore
import OrderedCollections

/// Groups of the consumer protocol (KIP-848).
extension Groups {
    /// The group, made anew, or from an empty one of the classic protocol, if a member joins.
    func consumerEntry(_ id: String, isJoining: Bool) throws(Refusal) -> Entry {
        let entry: Entry
        if isJoining {
            entry = try entryOrNew(id)
        } else if let known = try self.entry(id) {
            entry = known
        } else {
            throw Refusal(.unknownMemberId, "Group \(id) has no members.")
        }
        guard entry.consumer == nil else { return entry }
        guard isJoining else { throw Refusal(.groupIdNotFound, "Group \(id) is not a consumer group.") }
        guard entry.group.members.isEmpty else {
            try upgrade(entry, id: id)
            return entry
        }
        if entry.group.protocolType != nil {
            do throws(WireError) {
                try write([GroupRecords.tombstone(group: id)], of: entry, id: id) { _ in }
            } catch {
                throw Refusal(.unknownServerError, "\(error)")
            }
            entry.group = ClassicGroup(id: id, initialRebalanceDelay: configuration.groupInitialRebalanceDelay)
        }
        entry.consumer = ConsumerGroup(id: id)
        return entry
    }

    /// An empty group of the consumer protocol becomes one of the classic protocol when a member of that kind joins.
    func becomeClassic(_ entry: Entry) throws(Refusal) {
        guard let consumer = entry.consumer else { return }
        guard consumer.members.isEmpty else {
            throw Refusal(.inconsistentGroupProtocol, "Group \(consumer.id) is a consumer group.")
        }
        do throws(WireError) {
            try write(ConsumerGroupRecords.tombstones(consumer), of: entry, id: consumer.id) { _ in }
        } catch {
            throw Refusal(.unknownServerError, "\(error)")
        }
        entry.consumer = nil
    }

    /// Writes what has changed and calls back when it is on disk. After a failure the next call writes the whole group.
    func persist(_ changes: ConsumerGroup.Changes, _ entry: Entry, _ done: @escaping (ErrorCode) -> Void) {
        guard let consumer = entry.consumer else { return done(.unknownServerError) }
        if consumer.members.isEmpty { entry.emptySince = WallClock.now() }
        schedule(entry)
        guard !changes.isEmpty || entry.mustWriteAll else { return done(.none) }
        do throws(WireError) {
            var records = try ConsumerGroupRecords.records(changes, of: consumer)
            if entry.mustWriteAll { records += try ConsumerGroupRecords.everything(consumer) }
            write(records, of: entry, id: consumer.id, done)
        } catch {
            logger.error("a group cannot be encoded", metadata: ["group": "\(consumer.id)", "error": "\(error)"])
            done(.unknownServerError)
        }
    }

    func write(
        _ records: [GroupRecords.Encoded], of entry: Entry, id: String, _ done: @escaping (ErrorCode) -> Void
    ) {
        entry.mustWriteAll = false
        store.append(records, group: id) { error in
            if error != .none { entry.mustWriteAll = true }
            done(error)
        }
    }

    /// Removes members whose time is over.
    func expireConsumers(_ entry: Entry, now: Int64) {
        guard let changes = entry.consumer?.expire(now: now) else { return }
        defer { downgradeIfClassic(entry, now: now) }
        persist(changes, entry) { error in
            guard error != .none else { return }
            self.logger.warning(
                "a group could not be written",
                metadata: ["group": "\(entry.consumer?.id ?? "")", "error": "\(error)"])
        }
    }

    /// Whether offsets may be committed under this identity, whatever the group's protocol.
    func checkCommit(
        _ entry: Entry, memberID: String, instanceID: String?, epoch: Int32, version: Int16, now: Int64
    ) -> ErrorCode {
        guard let consumer = entry.consumer else {
            return entry.group.checkCommit(memberID: memberID, instanceID: instanceID, generation: epoch, now: now)
        }
        let isClassic = consumer.members[memberID]?.classic != nil
        if version < 9, !consumer.members.isEmpty, !isClassic { return .unsupportedVersion }
        return consumer.checkCommit(memberID: memberID, epoch: epoch)
    }
}

extension Groups.Entry {
    /// Whether nobody is or is about to be in the group.
    var isEmpty: Bool {
        group.members.isEmpty && group.pendingMembers.isEmpty && consumer?.members.isEmpty != false
    }
}

/// The broker's topics, as a group looks at them.
struct RegistryTopics: TopicDirectory {
    let topics: TopicRegistry

    var version: UInt64 { topics.version }
    var names: [String] { topics.all.map(\.name) }

    func topic(named name: String) -> (id: KafkaUUID, partitions: Int32)? {
        topics.topic(named: name).map { ($0.id, Int32($0.partitions.count)) }
    }
}

extension Groups.Entry {
    /// The records that end the group.
    func tombstones() throws(WireError) -> [GroupRecords.Encoded] {
        if let consumer { return try ConsumerGroupRecords.tombstones(consumer) }
        return [try GroupRecords.tombstone(group: group.id)]
    }
}

extension ConsumerGroup {
    /// After a start every member has a whole session to be heard of, and as long to give up what it was asked for.
    mutating func restart(now: Int64, limits: ConsumerGroupLimits) {
        for member in members.values {
            sessionDeadlines[member.id] =
                now + (member.classic.map { Int64($0.sessionTimeout) } ?? limits.sessionTimeout)
            if member.state == .unrevokedPartitions, member.classic == nil {
                revocationDeadlines[member.id] = now + Int64(max(1, member.rebalanceTimeout))
            }
        }
    }
}
