internal import KafkaProtocol

/// What the cleaner needs to know of a sealed segment.
struct CleanableSegment: Sendable {
    var view: SegmentView
    /// Where the next segment begins.
    var endOffset: Int64
    var created: Int64
    var indexCounts: (offset: Int, time: Int)
}

/// How much of a log there is to clean (Kafka's `LogToClean`).
struct CleaningDemand: Sendable, Equatable {
    /// The first offset that has not been cleaned.
    var firstDirtyOffset: Int64
    /// The first offset that must not be cleaned yet.
    var firstUncleanableOffset: Int64
    /// Bytes before the first, and between the two.
    var cleanBytes: Int64 = 0
    var cleanableBytes: Int64 = 0
    /// Whether a record is older than `max.compaction.lag.ms`.
    var isOverdue = false

    /// Share of what could be cleaned that has not been.
    var dirtyRatio: Double {
        cleanableBytes == 0 ? 0 : Double(cleanableBytes) / Double(cleanBytes + cleanableBytes)
    }
}

extension LogState {
    /// Seals the active segment of a compacted log, which is never cleaned, when its time has come even if nothing is
    /// written any more, and when it is large and most of the log (`compactionRollBytes`).
    mutating func rollForCompaction(now: Int64) throws(StorageError) {
        guard configuration.cleanupPolicy.contains(.compact), active.size > 0 else { return }
        try checkUsable()
        let total = segments.reduce(0) { $0 + $1.size }
        let isOld = now - active.created > configuration.rollMs
        let isMost = Double(active.size) > Double(total) * configuration.minCleanableDirtyRatio
        if isOld || (active.size >= configuration.compactionRollBytes && isMost) { try roll(now: now) }
    }

    /// Whether compaction waits for sealed segments that are not on the device.
    var awaitsFlushForCompaction: Bool {
        configuration.cleanupPolicy.contains(.compact) && failure == nil && !isClosed
            && flushedOffset < active.baseOffset
    }

    /// Nil if the log is not compacted or nothing can be cleaned.
    func cleaningDemand(checkpoint: Int64?, now: Int64) throws(StorageError) -> CleaningDemand? {
        guard configuration.cleanupPolicy.contains(.compact), segments.count > 1, failure == nil, !isClosed else {
            return nil
        }
        var firstDirty = checkpoint ?? logStartOffset
        // Behind the log's end: the checkpoint is of another log, nothing is known to be clean.
        if firstDirty > logEndOffset { firstDirty = logStartOffset }
        firstDirty = max(firstDirty, logStartOffset)
        // What belongs to an open transaction may yet be aborted.
        var demand = CleaningDemand(
            firstDirtyOffset: firstDirty, firstUncleanableOffset: min(active.baseOffset, lastStableOffset))
        guard firstDirty < demand.firstUncleanableOffset else { return nil }
        for (index, segment) in segments.dropLast().enumerated() {
            guard segments[index + 1].baseOffset > firstDirty else {
                demand.cleanBytes += segment.size
                continue
            }
            guard segments[index + 1].baseOffset <= checkpointedOffset else {
                demand.firstUncleanableOffset = max(segment.baseOffset, firstDirty)
                break
            }
            let lag = configuration.minCompactionLagMs
            if lag > 0, try segment.largestTimestamp().timestamp > now - lag {
                demand.firstUncleanableOffset = max(segment.baseOffset, firstDirty)
                break
            }
            guard segment.baseOffset < demand.firstUncleanableOffset else { break }
            demand.cleanableBytes += segment.size
            let maxLag = configuration.maxCompactionLagMs
            if maxLag != .max, let first = try segment.beginningTimestamp(), first >= 0, now - first > maxLag {
                demand.isOverdue = true
            }
        }
        return demand.cleanableBytes > 0 ? demand : nil
    }

    /// The sealed segments that begin before `offset`, oldest first.
    func cleanableSegments(before offset: Int64) throws(StorageError) -> [CleanableSegment] {
        try checkUsable()
        var result: [CleanableSegment] = []
        for (segment, next) in zip(segments, segments.dropFirst()) where segment.baseOffset < offset {
            result.append(
                CleanableSegment(
                    view: try segment.view(), endOffset: next.baseOffset, created: segment.created,
                    indexCounts: try segment.indexCounts()))
        }
        return result
    }

    /// Where a run of segments is in the list now; throws if it is no longer there as it was.
    func place(of old: [CleanableSegment]) throws(StorageError) -> Range<Int> {
        try checkUsable()
        if let first = old.first, let start = segments.firstIndex(where: { $0.isSame(as: first.view) }) {
            let range = start..<start + old.count
            if range.upperBound < segments.count, zip(segments[range], old).allSatisfy({ $0.isSame(as: $1.view) }) {
                return range
            }
        }
        throw StorageError(.cleaningInterrupted, "\(name): segments were deleted while they were cleaned")
    }

    /// Puts the cleaned segment into the place of the old ones.
    /// - Returns: the old files but for the first `.log`, in the order in which to remove them: newest first.
    mutating func replace(_ old: [CleanableSegment], with cleaned: CleanedSegment) throws(StorageError) -> [String] {
        let range = try place(of: old)
        let paths = segments[range].reversed().flatMap(\.paths)
        let segment = LogSegment(
            cleaned, directory: directory, fileSystem: fileSystem, indexInterval: configuration.indexIntervalBytes)
        // The records that these entries aborted are gone.
        for old in segments[range] { transactionIndexes[old.baseOffset] = nil }
        replacements += 1
        segments.replaceSubrange(range, with: [segment])
        return paths.filter { $0 != segment.path(LogFileNames.log) }
    }

    /// Writes the indexes of a cleaned segment, if it is still there.
    func storeIndexes(of cleaned: CleanedSegment) throws(StorageError) -> [any StorageFile] {
        for segment in segments.dropLast() where segment.baseOffset == cleaned.baseOffset {
            return try segment.storeIndexes(isFinal: true)
        }
        return []
    }

    /// What a recovery without a snapshot has to find of a producer.
    struct ProducerTrace {
        /// The last offset of its last data batch, whose sequence numbers must survive.
        var lastOffset: Int64?
        /// Its epoch, which must survive in a marker if there is no data of it.
        var epoch: Int16
    }

    func producerTraces() -> [Int64: ProducerTrace] {
        producers.producers.mapValues { ProducerTrace(lastOffset: $0.batches.last?.lastOffset, epoch: $0.epoch) }
    }

    // MARK: Recovery

    /// Ends the replacements that a crash has interrupted (Kafka's `LogLoader`): a `.swap` file is complete, and it takes
    /// the place of all segments that begin within its offsets.
    mutating func completeSwaps(_ names: inout [String]) throws(StorageError) {
        for name in names where name.hasSuffix(LogFileNames.swap) {
            let path = "\(directory)/\(name)"
            guard let base = LogFileNames.offset(name, suffix: LogFileNames.swap) else { continue }
            let file = try fileSystem.open(path, create: false)
            var scanner = BatchScanner(file, 0..<(try file.size()), windowSize: 65_536)
            var next = base
            var isWhole = true
            scan: while true {
                switch try scanner.next(verifyingChecksum: true) {
                case .end: break scan
                case .invalid:
                    isWhole = false
                    break scan
                case .batch(let header, _): next = header.nextOffset
                }
            }
            let log = LogFileNames.name(base, LogFileNames.log)
            if !isWhole, names.contains(log) {
                try fileSystem.remove(path)
                names.removeAll { $0 == name }
                continue
            }
            try complete(name, log, base..<max(next, base + 1), &names)
        }
    }

    private func complete(
        _ swap: String, _ log: String, _ offsets: Range<Int64>, _ names: inout [String]
    ) throws(StorageError) {
        let suffixes = [
            LogFileNames.log, LogFileNames.offsetIndex, LogFileNames.timeIndex, LogFileNames.transactionIndex,
        ]
        let replaced = names.filter { name in
            name != log && suffixes.contains { LogFileNames.offset(name, suffix: $0).map(offsets.contains) == true }
        }
        for name in replaced.sorted(by: >) { try fileSystem.remove("\(directory)/\(name)") }
        try fileSystem.syncDirectory(directory)
        try fileSystem.rename("\(directory)/\(swap)", to: "\(directory)/\(log)")
        try fileSystem.syncDirectory(directory)
        names.removeAll { replaced.contains($0) || $0 == swap || $0 == log }
        names.append(log)
    }
}
