import DequeModule

/// Which offset of a partition may be committed while its records are done in any order: the one behind the last
/// record before which all are done. Offsets may have gaps (compaction, transaction markers).
struct CommitTracker {
    private var entries: Deque<(offset: Int64, isDone: Bool)> = []
    /// The next offset to commit; nil before anything is done.
    private(set) var committable: Int64?
    /// What was committed last.
    private var committed: Int64?

    /// Records that are not behind the committable offset yet: those under way, and those done out of order.
    var pending: Int { entries.count }

    /// Whether there is something new to commit.
    var needsCommit: Bool { committable != committed }

    /// The offset behind the last record that was read; nil before the first.
    private(set) var next: Int64?

    /// The lowest offset that is not done.
    var firstPending: Int64? { entries.first?.offset }

    /// A record was read. Offsets rise, unless the position was moved back: to the start of a topic that was made
    /// anew, say. Then what was known no longer holds.
    mutating func begin(_ offset: Int64) {
        if let next, offset < next { self = CommitTracker() }
        entries.append((offset, false))
        next = offset + 1
    }

    /// A record is done. Unknown and repeated offsets change nothing.
    mutating func finish(_ offset: Int64) {
        if entries.first?.offset == offset {
            entries.removeFirst()
            committable = offset + 1
        } else {
            guard let index = index(of: offset) else { return }
            entries[index].isDone = true
            return
        }
        while let first = entries.first, first.isDone {
            entries.removeFirst()
            committable = first.offset + 1
        }
    }

    /// The broker has this offset.
    mutating func didCommit(_ offset: Int64) {
        committed = max(committed ?? offset, offset)
    }

    private func index(of offset: Int64) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].offset == offset ? low : nil
    }
}
