import KafkaProtocol
import Logging

/// What makes groups and offsets go away without a client's asking.
extension Groups {
    /// Forgets what all groups have committed for a topic that is being deleted.
    func forgetOffsets(of topic: String) {
        do throws(Refusal) {
            try loadAll()
        } catch {
            logger.warning("offsets of a deleted topic may remain", metadata: ["topic": "\(topic)"])
        }
        for (id, entry) in entries {
            let keys = entry.offsets.keys.filter { $0.topic == topic }
            if !keys.isEmpty { remove(Array(keys), of: entry, id: id, withGroup: false) }
        }
    }

    /// Removes offsets that are older than `offsets.retention.minutes` from groups without members, and groups that have
    /// neither members nor offsets.
    func expireOffsets(now: Int64) {
        let retention = configuration.offsetsRetentionMinutes * 60_000
        for (id, entry) in entries {
            guard entry.group.state == .empty, entry.group.pendingMembers.isEmpty else { continue }
            let old = entry.offsets.filter { now - max($0.value.timestamp, entry.emptySince) >= retention }
            let isBare = old.count == entry.offsets.count
            guard !old.isEmpty || isBare else { continue }
            remove(Array(old.keys), of: entry, id: id, withGroup: isBare)
        }
    }

    private func remove(_ keys: [OffsetKey], of entry: Entry, id: String, withGroup: Bool) {
        do {
            var records = try keys.map { try GroupRecords.offset(group: id, key: $0, value: nil) }
            if withGroup { records.append(try GroupRecords.tombstone(group: id)) }
            for key in keys { entry.offsets[key] = nil }
            if withGroup { forget(id) }
            store.append(records, group: id) { error in
                guard error != .none else { return }
                self.logger.warning(
                    "removed offsets may come back after a restart", metadata: ["group": "\(id)", "error": "\(error)"])
            }
        } catch {
            logger.error("an offset cannot be encoded", metadata: ["group": "\(id)", "error": "\(error)"])
        }
    }
}
