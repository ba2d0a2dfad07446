internal import KafkaProtocol
internal import NIOCore
internal import Synchronization

extension PartitionLog {
    /// Finds batches from `offset` on, without decoding them.
    ///
    /// The slice holds whole batches of one segment; the first one may begin before `offset`. At the log's end the result
    /// has no slice.
    /// - Parameters:
    ///   - offset: the first offset wanted.
    ///   - maxBytes: the slice is at most this long.
    ///   - minOneBatch: return the first batch even if it is longer than `maxBytes`, so that a consumer is never stuck.
    /// - Returns: the slice, and the log's bounds at the time.
    /// - Throws: `.offsetOutOfRange` if `offset` is before the log's start or behind its end.
    public func read(
        from offset: Int64, maxBytes: Int, minOneBatch: Bool = true
    ) throws(StorageError) -> LogReadResult {
        try read(from: offset, maxBytes: maxBytes, minOneBatch: minOneBatch, before: nil)
    }

    /// As `read`, but of batches before the offset `bound` only, which is the first of a batch or the log's end.
    func read(
        from offset: Int64, maxBytes: Int, minOneBatch: Bool, before bound: Int64?
    ) throws(StorageError) -> LogReadResult {
        try withIndexRepair { suspect throws(StorageError) in
            var result = LogReadResult(slice: nil, logStartOffset: 0, logEndOffset: 0)
            var view = try self.beginRead(at: offset, &result)
            while let segment = view {
                suspect = segment.baseOffset
                if let first = try segment.batch(holding: offset) {
                    if first.header.totalSize > maxBytes && !minOneBatch { return result }
                    if let bound, first.header.baseOffset >= bound { return result }
                    var limit = first.position + Int64(max(0, maxBytes))
                    if let bound, bound < result.logEndOffset {
                        limit = min(limit, try segment.position(ofOffset: bound, after: first))
                    }
                    let end = try segment.end(of: first, limit: limit)
                    if bound != nil { result.sliceEndOffset = try segment.baseOffset(at: end) }
                    result.slice = FileSlice(
                        file: segment.file, position: first.position, length: Int(end - first.position))
                    return result
                }
                // Compaction may have left nothing of the offsets up to the next segment.
                view = try self.view(after: segment.baseOffset) { _ in true }?.view
            }
            return result
        }
    }

    /// The first record whose timestamp is `timestamp` or later, with its offset; nil if there is none. Batches that may hold
    /// it are decoded.
    public func offset(forTimestamp timestamp: Int64) throws(StorageError) -> (offset: Int64, timestamp: Int64)? {
        try withIndexRepair { suspect throws(StorageError) in
            var after: Int64 = -1
            while let (start, view) = try self.view(
                after: after,
                where: { segment throws(StorageError) in
                    try segment.largestTimestamp().timestamp >= timestamp
                })
            {
                suspect = view.baseOffset
                let indexed = try view.timeIndex.lastEntry { $0.timestamp <= timestamp }
                let from = max(indexed.map { view.baseOffset + Int64($0.relativeOffset) } ?? view.baseOffset, start)
                var position = try view.startPosition(for: from)
                while let found = try view.firstBatch(from: position, where: { $0.maxTimestamp >= timestamp }) {
                    if let record = try Self.firstRecord(view, found, from: start, timestamp) { return record }
                    position = found.position + Int64(found.header.totalSize)
                }
                after = view.baseOffset
            }
            return nil
        }
    }

    /// The record with the largest timestamp, the first if there are several; nil if the log is empty or has no timestamps.
    public func maxTimestampOffset() throws(StorageError) -> (offset: Int64, timestamp: Int64)? {
        let largest = try state.withLock { state throws(StorageError) -> Int64 in
            try state.checkReadable()
            var largest: Int64 = -1
            for segment in state.segments { largest = max(largest, try segment.largestTimestamp().timestamp) }
            return largest
        }
        guard largest >= 0 else { return nil }
        return try offset(forTimestamp: largest)
    }

    private static func firstRecord(
        _ view: SegmentView, _ found: SegmentView.Located, from start: Int64, _ timestamp: Int64
    ) throws(StorageError) -> (offset: Int64, timestamp: Int64)? {
        let slice = FileSlice(file: view.file, position: found.position, length: found.header.totalSize)
        let bytes = try slice.readBytes()
        do throws(RecordError) {
            let record = try RecordBatch(bytes).first { $0.timestamp >= timestamp && $0.offset >= start }
            return record.map { ($0.offset, $0.timestamp) }
        } catch {
            throw StorageError(error)
        }
    }

    /// Checks that `offset` can be read, and gives the segment that holds it; nil at the log's end.
    private func beginRead(at offset: Int64, _ result: inout LogReadResult) throws(StorageError) -> SegmentView? {
        let (start, end, view) = try state.withLock { state throws(StorageError) -> (Int64, Int64, SegmentView?) in
            try state.checkReadable()
            guard offset >= state.logStartOffset, offset <= state.logEndOffset else {
                throw StorageError(
                    .offsetOutOfRange,
                    "\(state.name): offset \(offset) is not in \(state.logStartOffset)...\(state.logEndOffset)")
            }
            let isEnd = offset == state.logEndOffset
            let view = isEnd ? nil : try state.segments[state.segmentIndex(for: offset)].view()
            return (state.logStartOffset, state.logEndOffset, view)
        }
        result.logStartOffset = start
        result.logEndOffset = end
        return view
    }

    /// The log's start and the first segment behind the one at `base` that is wanted; nil if there is none.
    private func view(
        after base: Int64, where isWanted: (LogSegment) throws(StorageError) -> Bool
    ) throws(StorageError) -> (start: Int64, view: SegmentView)? {
        try state.withLock { state throws(StorageError) in
            try state.checkReadable()
            for segment in state.segments where segment.baseOffset > base {
                if try isWanted(segment) { return (state.logStartOffset, try segment.view()) }
            }
            return nil
        }
    }

    /// Runs a lookup; if an index leads it astray, makes that segment's indexes anew and runs it again. The lookup is given
    /// a place for the base offset of the segment that it looks at.
    private func withIndexRepair<T>(
        _ lookup: (_ suspect: inout Int64) throws(StorageError) -> T
    ) throws(StorageError) -> T {
        var suspect: Int64 = -1
        do throws(StorageError) {
            return try lookup(&suspect)
        } catch {
            guard error.code == .indexMismatch else { throw error }
        }
        try state.withLock { state throws(StorageError) in
            try state.checkReadable()
            for segment in state.segments where segment.baseOffset == suspect { try segment.rebuildIndexes() }
        }
        do throws(StorageError) {
            return try lookup(&suspect)
        } catch {
            guard error.code == .indexMismatch else { throw error }
            throw StorageError(.corruptRecord, error.message)
        }
    }
}

extension LogState {
    func checkReadable() throws(StorageError) {
        if isClosed { throw StorageError(.closed, "\(name) is closed") }
    }

    /// The last segment that begins at or before `offset`.
    func segmentIndex(for offset: Int64) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].baseOffset <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }
}
