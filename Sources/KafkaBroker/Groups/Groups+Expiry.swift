import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore
import OrderedCollections
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

    /// Removes offsets that are older than `offsets.retention.minutes` from groups without members, and groups that
    /// have neither members nor offsets.
    func expireOffsets(now: Int64) {
        let retention = configuration.offsetsRetentionMinutes * 60_000
        for (id, entry) in entries {
            guard entry.group.state == .empty, entry.isEmpty, entry.pendingOffsets.isEmpty else {
                continue
            }
            let old = entry.offsets.filter { now - max($0.value.timestamp, entry.emptySince) >= retention }
            let isBare = old.count == entry.offsets.count
            guard !old.isEmpty || isBare else { continue }
            remove(Array(old.keys), of: entry, id: id, withGroup: isBare)
        }
    }

    /// Keeps the offsets topic short: when a partition holds many more records than there is to know, what is known
    /// is written anew at its end, and once that is on disk, what came before is cut off. (Compaction would come to
    /// the same, later.) A partition with an open transaction waits for its end.
    func tidy() {
        for partition in loaded {
            let members = entries.filter {
                store.partition(of: $0.key) == partition
            }
            let known = members.values.reduce(members.count) { $0 + $1.offsets.count }
            // An append that is not on disk yet is not known yet: it would be cut off.
            guard let log = store.openedLog(partition), !store.isAppending(to: partition), known > 0,
                log.lastStableOffset == log.logEndOffset,
                log.logEndOffset - log.logStartOffset > Int64(max(configuration.offsetsTidyAfter, 4 * known))
            else { continue }
            do throws(WireError) {
                store.rewrite(log, partition, try snapshot(members)) { [logger] error in
                    logger.warning("an offsets log stays long", metadata: ["error": "\(error)"])
                }
            } catch {
                logger.error("an offset cannot be encoded", metadata: ["error": "\(error)"])
            }
        }
    }

    private func snapshot(_ entries: [String: Entry]) throws(WireError) -> [GroupRecords.Encoded] {
        var records: [GroupRecords.Encoded] = []
        for (id, entry) in entries {
            for (key, value) in entry.offsets {
                records.append(try GroupRecords.offset(group: id, key: key, value: value))
            }
            if let consumer = entry.consumer {
                records += try ConsumerGroupRecords.everything(consumer)
                continue
            }
            // A group in the middle of a rebalance is remembered as of its last generation by whoever writes it next.
            if entry.group.state == .stable || (entry.group.state == .empty && entry.group.protocolType != nil) {
                let since = entry.group.state == .empty ? entry.emptySince : WallClock.now()
                records.append(try GroupRecords.group(entry.group, assignments: nil, now: since))
            }
        }
        return records
    }

    private func remove(_ keys: [OffsetKey], of entry: Entry, id: String, withGroup: Bool) {
        do {
            var records = try keys.map { try GroupRecords.offset(group: id, key: $0, value: nil) }
            if withGroup { records += try entry.tombstones() }
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
