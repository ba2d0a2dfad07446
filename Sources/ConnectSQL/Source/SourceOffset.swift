import ConnectAPI
import OrderedCollections

/// Where a source resumes, in the JDBC connectors' form (`reference/jdbc-semantics.md` 3). The order of the keys is
/// Java's, because a Java worker finds offsets by their bytes.
enum SourceOffset {
    private static let query: OffsetMap = ["query": .string("query")]

    /// The partition of an offset.
    static func partition(_ target: SourceTarget) -> OffsetMap {
        switch target {
        case .table(let table): ["protocol": .string("1"), "table": .string(table.qualifiedName)]
        case .query: query
        }
    }

    /// The partition of a part of a table; of all of it if there is no chunk.
    static func partition(_ target: SourceTarget, _ chunk: TableChunk?) -> OffsetMap {
        var partition = partition(target)
        if let chunk {
            partition["after"] = .int64(chunk.after)
            partition["through"] = .int64(chunk.through)
        }
        return partition
    }

    /// The forms an offset is looked for, in their order: the second is older connectors', which is read but not
    /// written.
    static func partitions(_ target: SourceTarget) -> [OffsetMap] {
        switch target {
        case .table(let table): [partition(target), ["table": .string(table.name)]]
        case .query: [query]
        }
    }

    /// The partition under which mode bulk clears offsets.
    static func bulkPartition(_ target: SourceTarget) -> OffsetMap {
        switch target {
        case .table(let table): ["table": .string(table.name)]
        case .query: query
        }
    }
}

/// How far a source has read.
struct SourcePosition: Sendable, Hashable {
    /// The timestamp, in microseconds since the epoch; nil before the first row.
    var microseconds: Int64?
    /// The growing column's value; nil before the first row.
    var incrementing: Int64?

    init(microseconds: Int64? = nil, incrementing: Int64? = nil) {
        self.microseconds = microseconds
        self.incrementing = incrementing
    }

    /// Reads a stored offset. `timestamp_nanos` counts within the second, and repeats the milliseconds.
    init(_ offset: OffsetMap) {
        incrementing = offset["incrementing"]?.integer
        guard let milliseconds = offset["timestamp"]?.integer else { return }
        if let nanoseconds = offset["timestamp_nanos"]?.integer, (0..<1_000_000_000).contains(nanoseconds) {
            microseconds = CivilTime.floorSeconds(milliseconds) &* 1_000_000 &+ nanoseconds / 1_000
        } else {
            microseconds = milliseconds &* 1_000
        }
    }

    /// What is stored: the keys that the mode uses.
    var offset: OffsetMap {
        var offset: OffsetMap = [:]
        let (milliseconds, rest) = CivilTime.split(microseconds: microseconds ?? 0)
        if microseconds != nil {
            let ofSecond = milliseconds - CivilTime.floorSeconds(milliseconds) * 1_000
            offset["timestamp_nanos"] = .int64(ofSecond * 1_000_000 + rest * 1_000)
        }
        if let incrementing { offset["incrementing"] = .int64(incrementing) }
        if microseconds != nil { offset["timestamp"] = .int64(milliseconds) }
        return offset
    }

    /// How far a read may be resumed after `rows` have been handed on, if `next` follows them (nil at the end).
    ///
    /// With a growing column that is the last row. With timestamps alone, rows with the last one's timestamp may still
    /// follow, and a resumed read asks for later ones only: so it is the last row after which the timestamp grows
    /// (`reference/jdbc-semantics.md` 4).
    static func resumable(_ rows: [SourcePosition], next: SourcePosition?) -> SourcePosition? {
        guard let last = rows.last, let next, last.incrementing == nil else { return rows.last }
        var following = next
        for row in rows.reversed() {
            if let time = row.microseconds, let later = following.microseconds, time < later { return row }
            following = row
        }
        return nil
    }
}
