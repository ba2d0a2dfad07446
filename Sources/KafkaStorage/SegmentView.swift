internal import KafkaProtocol

/// A segment as it was when the log's lock was held: lookups in it need no lock. They throw `.indexMismatch` when an index
/// leads to a place where no batch begins.
struct SegmentView: Sendable {
    /// Where a batch begins.
    struct KnownBatch: Sendable {
        var baseOffset: Int64
        var position: Int64
    }

    var baseOffset: Int64
    var file: any StorageFile
    var size: Int64
    var offsetIndex: SegmentIndex<OffsetIndexEntry>
    var timeIndex: SegmentIndex<TimeIndexEntry>
    /// The last batch, the one that a consumer at the tail asks for.
    var lastBatch: KnownBatch?

    /// A batch found in the segment.
    struct Located {
        var header: RecordBatchHeader
        var position: Int64
    }

    /// The first batch whose last offset is `offset` or more; nil if the segment has none.
    func batch(holding offset: Int64) throws(StorageError) -> Located? {
        try firstBatch(from: startPosition(for: offset)) { $0.lastOffset >= offset }
    }

    /// The position of a batch at or before the one that holds `offset`.
    func startPosition(for offset: Int64) throws(StorageError) -> Int64 {
        if let lastBatch, offset >= lastBatch.baseOffset { return lastBatch.position }
        let target = offset - baseOffset
        return try offsetIndex.lastEntry { Int64($0.relativeOffset) <= target }.map { Int64($0.position) } ?? 0
    }

    /// The first batch from `position` on that fits.
    func firstBatch(from position: Int64, where fits: (RecordBatchHeader) -> Bool) throws(StorageError) -> Located? {
        var scanner = BatchScanner(file, position..<size)
        while true {
            switch try scanner.next() {
            case .end: return nil
            case .invalid(_, let reason): throw mismatch(reason)
            case .batch(let header, let position):
                if fits(header) { return Located(header: header, position: position) }
            }
        }
    }

    /// The end of the last batch that ends at or before `limit`, given that `first` is a batch.
    func end(of first: Located, limit: Int64) throws(StorageError) -> Int64 {
        if limit >= size { return size }
        let firstEnd = first.position + Int64(first.header.totalSize)
        if limit <= firstEnd { return firstEnd }
        let indexed = try offsetIndex.lastEntry { Int64($0.position) <= limit }.map { Int64($0.position) } ?? 0
        var end = max(indexed, firstEnd)
        var scanner = BatchScanner(file, end..<size)
        while true {
            switch try scanner.next() {
            case .end: return end
            case .invalid(_, let reason): throw mismatch(reason)
            case .batch(let header, let position):
                let batchEnd = position + Int64(header.totalSize)
                if batchEnd > limit { return end }
                end = batchEnd
            }
        }
    }

    /// Where the first batch behind `first` begins whose base offset is `offset` or more; the segment's end if there is none.
    func position(ofOffset offset: Int64, after first: Located) throws(StorageError) -> Int64 {
        let from = max(try startPosition(for: offset), first.position)
        return try firstBatch(from: from) { $0.baseOffset >= offset }?.position ?? size
    }

    /// The base offset of the batch at `position`; nil at the segment's end.
    func baseOffset(at position: Int64) throws(StorageError) -> Int64? {
        guard position < size else { return nil }
        let bytes = try file.readBytes(at: position, count: 8)
        guard bytes.count == 8 else { throw mismatch("the file ends in a batch header") }
        return bytes.withUnsafeBytes { Int64(bigEndian: $0.loadUnaligned(as: Int64.self)) }
    }

    private func mismatch(_ reason: String) -> StorageError {
        StorageError(.indexMismatch, "\(offsetIndex.path) does not fit its log: \(reason)")
    }
}
