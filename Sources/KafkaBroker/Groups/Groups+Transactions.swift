import KafkaProtocol

/// Offsets that are committed as part of a transaction (KIP-98).
extension Groups {
    /// A marker has been written to a partition of the offsets topic: what the producer has committed there is in force,
    /// or forgotten.
    func endTransaction(of producer: Int64, in partition: Int32, commits: Bool) {
        for (id, entry) in entries where !entry.pendingOffsets.isEmpty && store.partition(of: id) == partition {
            guard let ended = entry.pendingOffsets.removeValue(forKey: producer), commits else { continue }
            entry.offsets.merge(ended) { _, new in new }
        }
    }
}

extension Groups.Entry {
    /// Whether an open transaction has committed an offset of the partition.
    func isPending(_ key: OffsetKey) -> Bool { pendingOffsets.values.contains { $0[key] != nil } }
}

extension Groups {
    /// Whether offsets may be committed as part of a transaction under this identity. Without one, anybody may.
    func checkTransactionalCommit(
        _ entry: Entry, memberID: String, instanceID: String?, generation: Int32
    ) -> ErrorCode {
        if entry.group.state == .dead { return .coordinatorNotAvailable }
        if let consumer = entry.consumer {
            let isAnonymous = memberID.isEmpty && generation < 0
            return isAnonymous ? .none : consumer.checkCommit(memberID: memberID, epoch: generation)
        }
        if generation < 0, entry.group.state == .empty { return .none }
        guard generation >= 0 || !memberID.isEmpty || instanceID != nil else { return .none }
        return entry.group.check(memberID: memberID, instanceID: instanceID, generation: generation)
    }
}
