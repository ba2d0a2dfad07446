internal import KafkaProtocol

/// One segment: the file with the batches and its two indexes. Used under its log's lock only.
///
/// Files are opened when they are first needed, so that starting costs no more for a long log than for a short one.
final class LogSegment {
    /// The two indexes, and what they say of the segment as a whole.
    private struct Indexes {
        var offset: SegmentIndex<OffsetIndexEntry>
        var time: SegmentIndex<TimeIndexEntry>
    }

    let baseOffset: Int64
    /// Bytes of valid batches in the file.
    private(set) var size: Int64
    /// When the segment was begun, for a log without timestamps.
    let created: Int64
    /// Whether a newer segment is written to: then the index files are complete.
    var isSealed = false

    private let directory: String
    private let fileSystem: any FileSystem
    private let indexInterval: Int
    private var openFile: (any StorageFile)?
    private var indexes: Indexes?
    private var bytesSinceLastIndexEntry = 0
    private var firstTimestamp: Int64?
    private var maxTimestamp: Int64 = -1
    private var offsetOfMaxTimestamp: Int64 = -1
    private var lastBatch: SegmentView.KnownBatch?

    /// A segment whose file exists with `size` bytes, or one that is about to be created.
    init(
        baseOffset: Int64, size: Int64, created: Int64, directory: String, fileSystem: any FileSystem,
        indexInterval: Int
    ) {
        self.baseOffset = baseOffset
        self.size = size
        self.created = created
        self.directory = directory
        self.fileSystem = fileSystem
        self.indexInterval = indexInterval
    }

    /// A segment that compaction has made; its indexes are in memory until they are stored.
    init(_ cleaned: CleanedSegment, directory: String, fileSystem: any FileSystem, indexInterval: Int) {
        baseOffset = cleaned.baseOffset
        size = cleaned.size
        created = cleaned.created
        isSealed = true
        self.directory = directory
        self.fileSystem = fileSystem
        self.indexInterval = indexInterval
        openFile = cleaned.file
        firstTimestamp = cleaned.firstTimestamp
        maxTimestamp = cleaned.maxTimestamp
        offsetOfMaxTimestamp = cleaned.offsetOfMaxTimestamp
        indexes = emptyIndexes()
        for entry in cleaned.offsetEntries { indexes?.offset.append(entry) }
        for entry in cleaned.timeEntries { indexes?.time.append(entry) }
    }

    /// Whether this is the segment that a view was taken of.
    func isSame(as view: SegmentView) -> Bool { openFile === view.file }

    func path(_ suffix: String) -> String { "\(directory)/\(LogFileNames.name(baseOffset, suffix))" }

    /// The file with the batches, opened if it is not.
    func file() throws(StorageError) -> any StorageFile {
        if let openFile { return openFile }
        let file = try fileSystem.open(path(LogFileNames.log), create: false)
        openFile = file
        return file
    }

    /// Creates the file of a segment that begins; an old file of the name is emptied.
    func create() throws(StorageError) {
        try removeIndexes()
        let file = try fileSystem.open(path(LogFileNames.log), create: true)
        if try file.size() > 0 { try file.truncate(to: 0) }
        openFile = file
        indexes = emptyIndexes()
    }

    // MARK: Writing

    /// Writes a batch whose first bytes are `prefix`, the others `rest`, behind the last one.
    ///
    /// If that fails the file is cut to what it was; if that fails too, the error's `isUndone` is false in the result.
    func append(
        _ prefix: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer, header: RecordBatchHeader, baseOffset: Int64
    ) throws(AppendFailure) {
        do throws(StorageError) {
            try loadIndexes()
            try file().write(prefix, rest, at: size)
        } catch {
            var isUndone = true
            do throws(StorageError) { try openFile?.truncate(to: size) } catch { isUndone = false }
            throw AppendFailure(error: error, isUndone: isUndone)
        }
        noteBatch(
            lastOffset: baseOffset + Int64(header.lastOffsetDelta), maxTimestamp: header.maxTimestamp,
            size: prefix.count + rest.count)
        lastBatch = SegmentView.KnownBatch(baseOffset: baseOffset, position: size)
        size += Int64(prefix.count + rest.count)
    }

    /// A failed write.
    struct AppendFailure: Error {
        var error: StorageError
        /// Whether the file is again as it was before.
        var isUndone: Bool
    }

    /// Keeps indexes and timestamps in step with a batch at position `size` (Kafka's `LogSegment.append`).
    private func noteBatch(lastOffset: Int64, maxTimestamp batchTimestamp: Int64, size batchSize: Int) {
        if firstTimestamp == nil { firstTimestamp = batchTimestamp }
        if batchTimestamp > maxTimestamp {
            maxTimestamp = batchTimestamp
            offsetOfMaxTimestamp = lastOffset
        }
        if bytesSinceLastIndexEntry > indexInterval {
            indexes?.offset.append(
                OffsetIndexEntry(
                    relativeOffset: Int32(clamping: lastOffset - baseOffset), position: Int32(clamping: size)))
            noteTimestamp()
            bytesSinceLastIndexEntry = 0
        }
        bytesSinceLastIndexEntry += batchSize
    }

    private func noteTimestamp() {
        guard maxTimestamp >= 0, maxTimestamp > indexes?.time.last?.timestamp ?? -1 else { return }
        indexes?.time.append(
            TimeIndexEntry(
                timestamp: maxTimestamp, relativeOffset: Int32(clamping: offsetOfMaxTimestamp - baseOffset)))
    }

    /// Writes indexes that have gathered many entries, so that an active segment's memory is bounded.
    func storeIndexesIfLarge() throws(StorageError) {
        if indexes?.offset.needsStore == true { try indexes?.offset.store(fileSystem) }
        if indexes?.time.needsStore == true { try indexes?.time.store(fileSystem) }
    }

    /// Writes both indexes; `isFinal` adds the segment's last time entry, as Kafka does when a segment is sealed or closed.
    /// - Returns: the files that are not on the device yet.
    func storeIndexes(isFinal: Bool) throws(StorageError) -> [any StorageFile] {
        guard indexes != nil else { return [] }
        if isFinal { noteTimestamp() }
        try indexes?.offset.store(fileSystem)
        try indexes?.time.store(fileSystem)
        return [indexes?.offset.takeUnsyncedFile(), indexes?.time.takeUnsyncedFile()].compactMap(\.self)
    }

    /// Whether a batch has to begin a new segment (Kafka's `LogSegment.shouldRoll`).
    func shouldRoll(
        adding bytes: Int, lastOffset: Int64, maxTimestamp: Int64, now: Int64, _ configuration: LogConfiguration
    ) throws(StorageError) -> Bool {
        guard size > 0 else { return false }
        try loadIndexes()
        if size > Int64(configuration.segmentBytes) - Int64(bytes) || lastOffset - baseOffset > Int64(Int32.max) {
            return true
        }
        let indexBytes = configuration.segmentIndexBytes
        if let indexes, indexes.offset.byteCount >= indexBytes || indexes.time.byteCount >= indexBytes { return true }
        let waited: Int64
        if maxTimestamp >= 0, let first = try beginningTimestamp(), first >= 0 {
            waited = maxTimestamp - first
        } else {
            waited = now - created
        }
        return waited > configuration.rollMs
    }

    func beginningTimestamp() throws(StorageError) -> Int64? {
        if firstTimestamp == nil {
            var scanner = BatchScanner(try file(), 0..<size)
            if case .batch(let header, _) = try scanner.next() { firstTimestamp = header.maxTimestamp }
        }
        return firstTimestamp
    }

    /// Entries of the two indexes, for merging segments.
    func indexCounts() throws(StorageError) -> (offset: Int, time: Int) {
        try loadIndexes()
        return (indexes?.offset.count ?? 0, indexes?.time.count ?? 0)
    }

    /// The largest timestamp of the segment's records, -1 if they have none, and the last offset of its batch.
    func largestTimestamp() throws(StorageError) -> (timestamp: Int64, offset: Int64) {
        try loadIndexes()
        return (maxTimestamp, offsetOfMaxTimestamp)
    }

    // MARK: Reading

    /// What a lookup needs, as a value that is used after the log's lock has been given back.
    func view() throws(StorageError) -> SegmentView {
        try loadIndexes()
        guard let indexes else { throw StorageError(.io, "\(path(LogFileNames.log)): no indexes") }
        return SegmentView(
            baseOffset: baseOffset, file: try file(), size: size, offsetIndex: indexes.offset, timeIndex: indexes.time,
            lastBatch: lastBatch)
    }

    // MARK: Loading and recovery

    /// Opens the indexes if they are not open; rebuilds them if they are missing or do not fit the segment.
    private func loadIndexes() throws(StorageError) {
        guard indexes == nil else { return }
        if size == 0 {
            indexes = emptyIndexes()
        } else if let loaded = try validIndexes() {
            adopt(loaded)
        } else {
            try rebuildIndexes()
        }
    }

    private func emptyIndexes() -> Indexes {
        Indexes(
            offset: SegmentIndex(path: path(LogFileNames.offsetIndex)),
            time: SegmentIndex(path: path(LogFileNames.timeIndex)))
    }

    private func adopt(_ loaded: Indexes) {
        indexes = loaded
        bytesSinceLastIndexEntry = Int(size - Int64(loaded.offset.last?.position ?? 0))
        maxTimestamp = loaded.time.last?.timestamp ?? -1
        offsetOfMaxTimestamp = loaded.time.last.map { baseOffset + Int64($0.relativeOffset) } ?? -1
    }

    /// The indexes on disk, if every entry of them is plausible.
    private func validIndexes() throws(StorageError) -> Indexes? {
        guard let offset = try SegmentIndex<OffsetIndexEntry>(opening: path(LogFileNames.offsetIndex), fileSystem),
            let time = try SegmentIndex<TimeIndexEntry>(opening: path(LogFileNames.timeIndex), fileSystem),
            // Empty and yet the segment is not: of a segment without timestamps, or emptied. Rebuilding tells.
            time.count > 0, offset.count > 0 || size < Int64(16 * max(indexInterval, 4096))
        else { return nil }
        var position: Int32 = 0
        var relative: Int32 = -1
        for entry in try offset.entries() {
            guard entry.position > position, Int64(entry.position) < size, entry.relativeOffset > relative else {
                return nil
            }
            position = entry.position
            relative = entry.relativeOffset
        }
        var timestamp: Int64 = -1
        relative = -1
        for entry in try time.entries() {
            guard entry.timestamp > timestamp, entry.relativeOffset >= max(relative, 0) else { return nil }
            timestamp = entry.timestamp
            relative = entry.relativeOffset
        }
        return Indexes(offset: offset, time: time)
    }

    /// Makes both indexes anew from the batch headers.
    func rebuildIndexes() throws(StorageError) {
        let end = size
        // A batch that is damaged in the middle ends the indexes, not the segment.
        defer { size = end }
        _ = try scan(from: 0, keeping: nil, verifyingChecksums: false)
        try completeIndexes()
    }

    /// Writes the indexes of a sealed segment that have been made anew.
    private func completeIndexes() throws(StorageError) {
        guard isSealed else { return }
        for file in try storeIndexes(isFinal: true) { try file.sync() }
    }

    /// Checks every batch from the one that holds `offset` on, cuts the file at the first that is not valid, and makes the
    /// indexes of that part anew.
    func recover(from offset: Int64) throws(StorageError) -> ScanResult {
        var start: Int64 = 0
        var kept: Indexes?
        if offset > baseOffset, size > 0, let loaded = try validIndexes() {
            let target = offset - baseOffset
            if let entry = try loaded.offset.lastEntry(where: { Int64($0.relativeOffset) < target }) {
                var scanner = BatchScanner(try file(), Int64(entry.position)..<size)
                if case .batch(let header, _) = try scanner.next(verifyingChecksum: true),
                    header.lastOffset == baseOffset + Int64(entry.relativeOffset)
                {
                    start = Int64(entry.position)
                    kept = loaded
                }
            }
        }
        let result = try scan(from: start, keeping: kept, verifyingChecksums: true)
        if result.invalid != nil {
            try file().truncate(to: size)
            // At once: should the old bytes come back after another crash, they would follow batches that replace others.
            try file().sync()
        }
        try completeIndexes()
        return result
    }

    /// Walks the batches from `start` to the end or the first that is not valid, where the segment then ends, and makes the
    /// index entries behind `start` anew.
    private func scan(
        from start: Int64, keeping kept: Indexes?, verifyingChecksums: Bool
    ) throws(StorageError) -> ScanResult {
        let file = try file()
        let end = size
        try resetIndexes(start, kept)
        var scanner = BatchScanner(file, start..<end, windowSize: verifyingChecksums ? 262_144 : 16_384)
        var result = ScanResult()
        var expected = baseOffset
        size = start
        walk: while true {
            switch try scanner.next(verifyingChecksum: verifyingChecksums) {
            case .end: break walk
            case .invalid(_, let reason):
                result.invalid = reason
                break walk
            case .batch(let header, let position):
                // The checksum does not cover the offset. Compaction leaves gaps, so only order and range can be checked.
                guard header.baseOffset >= expected, header.lastOffset >= header.baseOffset,
                    header.lastOffset - baseOffset <= Int64(Int32.max)
                else {
                    result.invalid = "offset \(header.baseOffset) where \(expected) is expected"
                    break walk
                }
                noteBatch(lastOffset: header.lastOffset, maxTimestamp: header.maxTimestamp, size: header.totalSize)
                lastBatch = SegmentView.KnownBatch(baseOffset: header.baseOffset, position: position)
                size += Int64(header.totalSize)
                expected = header.lastOffset + 1
                result.nextOffset = expected
                try storeIndexesIfLarge()
            }
        }
        result.scannedBytes = end - start
        return result
    }

    private func resetIndexes(_ start: Int64, _ kept: Indexes?) throws(StorageError) {
        firstTimestamp = nil
        lastBatch = nil
        guard let kept, start > 0 else {
            try removeIndexes()
            indexes = emptyIndexes()
            maxTimestamp = -1
            offsetOfMaxTimestamp = -1
            bytesSinceLastIndexEntry = 0
            return
        }
        // The entries of the batch at `start` stay: noting that batch again changes neither index.
        let offsets = try kept.offset.entries().prefix { Int64($0.position) <= start }
        let lastRelative = offsets.last?.relativeOffset ?? -1
        let times = try kept.time.entries().prefix { $0.relativeOffset <= lastRelative }
        adopt(
            Indexes(
                offset: try kept.offset.replaced(by: offsets, fileSystem),
                time: try kept.time.replaced(by: times, fileSystem)))
        bytesSinceLastIndexEntry = 0
    }

    /// The offset behind the segment's last batch, found from the last index entry on; nil if the end is not a whole batch.
    func endOffset() throws(StorageError) -> Int64? {
        guard size > 0 else { return baseOffset }
        try loadIndexes()
        var scanner = BatchScanner(try file(), Int64(indexes?.offset.last?.position ?? 0)..<size, windowSize: 16_384)
        var next: Int64?
        while true {
            switch try scanner.next() {
            case .end: return next
            case .invalid: return nil
            case .batch(let header, let position):
                next = header.lastOffset + 1
                lastBatch = SegmentView.KnownBatch(baseOffset: header.baseOffset, position: position)
                if header.maxTimestamp > maxTimestamp {
                    maxTimestamp = header.maxTimestamp
                    offsetOfMaxTimestamp = header.lastOffset
                }
            }
        }
    }

    private func removeIndexes() throws(StorageError) {
        try fileSystem.remove(path(LogFileNames.offsetIndex))
        try fileSystem.remove(path(LogFileNames.timeIndex))
    }

    /// The segment's files, the log itself first.
    var paths: [String] {
        [LogFileNames.log, LogFileNames.offsetIndex, LogFileNames.timeIndex, LogFileNames.transactionIndex].map(path)
    }

    /// Removes the segment's files; slices handed out before stay readable.
    func delete() throws(StorageError) { for path in paths { try fileSystem.remove(path) } }
}
