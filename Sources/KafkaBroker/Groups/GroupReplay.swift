import KafkaProtocol

/// What the records of one partition of `__consumer_offsets` come to.
struct GroupReplay {
    private(set) var offsets: [String: [OffsetKey: CommittedOffset]] = [:]
    private(set) var metadata: [String: GroupMetadataValue] = [:]
    private(set) var consumers: [String: ConsumerGroup] = [:]
    /// Offsets of transactions that are open, by producer id and group.
    private(set) var pending: [Int64: [String: [OffsetKey: CommittedOffset]]] = [:]

    /// The groups that there is something to know of.
    var groups: Set<String> {
        var groups = Set(metadata.keys).union(consumers.keys).union(offsets.filter { !$0.value.isEmpty }.keys)
        for offsets in pending.values { groups.formUnion(offsets.keys) }
        return groups
    }

    mutating func take(_ entry: LogReplay.Entry) throws(WireError) {
        switch entry {
        case .marker(let marker, let producer):
            guard let ended = pending.removeValue(forKey: producer), marker.isCommit else { return }
            for (group, committed) in ended { offsets[group, default: [:]].merge(committed) { _, new in new } }
        case .record(let key, let value, let producer):
            guard let key, let record = try GroupRecords.decode(key: key, value: value) else { return }
            switch record {
            case .offset(let group, let key, let value):
                if let producer {
                    pending[producer, default: [:]][group, default: [:]][key] = value
                } else {
                    offsets[group, default: [:]][key] = value
                }
            case .group(let id, let value): metadata[id] = value
            case .consumerGroup(let id, .group(epoch: nil)): consumers[id] = nil
            case .consumerGroup(let id, let record):
                consumers[id, default: ConsumerGroup(id: id)].apply(record)
            }
        }
    }
}
