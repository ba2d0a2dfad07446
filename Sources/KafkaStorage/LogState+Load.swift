internal import KafkaProtocol

/// What the checkpoint files say of a log.
struct KnownLog: Sendable {
    /// The offset below which everything is on the device; 0 for a log that the file does not name, nil if there is no
    /// such file.
    var recoveryPoint: Int64? = 0
    /// The first offset that `deleteRecords` and retention have left.
    var logStartOffset: Int64 = 0
    /// Whether the log was closed in order: its end is trusted.
    var isClean = false
}

extension LogState {
    /// Reads the folder and brings the log into a state that can be written to.
    ///
    /// A log that was closed in order is taken as it is. After a crash the batches from the recovery point on are checked;
    /// the log ends before the first that is cut off or damaged. Offsets below the recovery point were on the device and are
    /// not read again.
    mutating func load(_ known: KnownLog, now: Int64) throws(StorageError) -> LogRecoveryReport {
        let (logStartOffset, isClean) = (known.logStartOffset, known.isClean)
        let recoveryPoint = known.recoveryPoint ?? 0
        checkpointedOffset = recoveryPoint
        var report = LogRecoveryReport()
        try readDirectory(now: now)
        if segments.isEmpty {
            try addSegment(at: logStartOffset, now: now)
            logEndOffset = logStartOffset
        } else if isClean, let end = try active.endOffset() {
            logEndOffset = end
        } else {
            try recover(from: max(recoveryPoint, logStartOffset), known, &report)
        }
        if logEndOffset < logStartOffset {
            // Deleted records are lost together with the log's end: their offsets are not given to others.
            try cut(at: 0, "the log ends at \(logEndOffset), before its first offset \(logStartOffset)", &report)
            try addSegment(at: logStartOffset, now: now)
            logEndOffset = logStartOffset
        }
        self.logStartOffset = min(max(logStartOffset, segments[0].baseOffset), logEndOffset)
        flushedOffset = isClean && report == LogRecoveryReport() ? logEndOffset : min(recoveryPoint, logEndOffset)
        dirtySince = now
        try loadProducers()
        return report
    }

    /// Finds segments and snapshots; removes what an interrupted deletion or compaction has left.
    private mutating func readDirectory(now: Int64) throws(StorageError) {
        var bases: Set<Int64> = []
        var indexes: [(name: String, base: Int64)] = []
        var names = try fileSystem.list(directory)
        try completeSwaps(&names)
        for name in names {
            if let base = LogFileNames.offset(name, suffix: LogFileNames.log) {
                bases.insert(base)
            } else if let base = LogFileNames.offset(name, suffix: LogFileNames.offsetIndex)
                ?? LogFileNames.offset(name, suffix: LogFileNames.timeIndex)
                ?? LogFileNames.offset(name, suffix: LogFileNames.transactionIndex)
            {
                indexes.append((name, base))
            } else if let offset = LogFileNames.offset(name, suffix: LogFileNames.snapshot) {
                snapshots.append(offset)
            } else if [".deleted", ".cleaned", ".swap", ".tmp"].contains(where: name.hasSuffix) {
                try fileSystem.remove("\(directory)/\(name)")
            }
        }
        for index in indexes where !bases.contains(index.base) {
            try fileSystem.remove("\(directory)/\(index.name)")
        }
        snapshots.sort()
        for base in bases.sorted() {
            let path = "\(directory)/\(LogFileNames.name(base, LogFileNames.log))"
            guard let information = try fileSystem.information(path) else { continue }
            segments.append(
                LogSegment(
                    baseOffset: base, size: information.size, created: min(information.modificationTime, now),
                    directory: directory, fileSystem: fileSystem, indexInterval: configuration.indexIntervalBytes))
        }
        for segment in segments.dropLast() { segment.isSealed = true }
    }

    private mutating func recover(
        from start: Int64, _ known: KnownLog, _ report: inout LogRecoveryReport
    ) throws(StorageError) {
        let first = segments.lastIndex { $0.baseOffset <= start } ?? 0
        logEndOffset = segments[first].baseOffset
        for index in first..<segments.count {
            let segment = segments[index]
            if segment.baseOffset < logEndOffset {
                try cut(at: index, "segment \(segment.baseOffset) begins before \(logEndOffset)", &report)
                return
            }
            // Compaction makes gaps below the recovery point only: here the end of the segment before is lost.
            if segment.baseOffset > logEndOffset, known.recoveryPoint != nil {
                try cut(at: index, "segment \(segment.baseOffset) follows \(logEndOffset)", &report)
                return
            }
            let size = segment.size
            let result = try segment.recover(from: known.recoveryPoint ?? 0)
            report.scannedBytes += result.scannedBytes
            logEndOffset = result.nextOffset ?? segment.baseOffset
            if let reason = result.invalid {
                report.truncatedBytes += size - segment.size
                try cut(at: index + 1, reason, &report)
                return
            }
        }
    }

    /// Removes the segments from `index` on: a batch before them is lost, so they cannot be reached.
    private mutating func cut(at index: Int, _ reason: String, _ report: inout LogRecoveryReport) throws(StorageError) {
        report.truncationReason = reason
        for segment in segments[index...] {
            report.truncatedBytes += segment.size
            report.removedSegments += 1
            try segment.delete()
        }
        // At once: should a segment come back after another crash, it would follow records that are not its own.
        try fileSystem.syncDirectory(directory)
        segments.removeSubrange(index...)
        segments.last?.isSealed = false
    }

    /// Restores the producers from the newest snapshot that is valid, and from the headers of the batches after it.
    private mutating func loadProducers() throws(StorageError) {
        if let last = snapshots.last, last > logEndOffset {
            for offset in snapshots where offset > logEndOffset { try removeSnapshot(offset) }
            // Should it come back after another crash, it would tell of batches that others have replaced by then.
            try fileSystem.syncDirectory(directory)
        }
        snapshots.removeAll { $0 > logEndOffset }
        var start = segments[0].baseOffset
        while let offset = snapshots.last {
            let path = "\(directory)/\(LogFileNames.name(offset, LogFileNames.snapshot))"
            if let bytes = try fileSystem.contents(of: path), let loaded = ProducerStateManager(snapshot: bytes) {
                producers = loaded
                start = offset
                break
            }
            try removeSnapshot(offset)
            snapshots.removeLast()
        }
        guard start < logEndOffset else { return }
        try truncateTransactionIndexes(to: start)
        let first = segments.lastIndex { $0.baseOffset <= start } ?? 0
        for segment in segments[first...] where segment.size > 0 {
            let view = try segment.view()
            let position = start > segment.baseOffset ? try view.startPosition(for: start) : 0
            var scanner = BatchScanner(view.file, position..<view.size, windowSize: 65_536)
            while case .batch(let header, let position) = try scanner.next() {
                guard header.baseOffset >= start else { continue }
                let marker = header.isControl ? try Self.marker(view.file, position, header) : nil
                if let ended = producers.record(header, baseOffset: header.baseOffset, marker: marker) {
                    try note(ended)
                }
            }
        }
    }
    /// What the control batch at `position` says; nil if it is not the end of a transaction.
    private static func marker(
        _ file: any StorageFile, _ position: Int64, _ header: RecordBatchHeader
    ) throws(StorageError) -> EndTransactionMarker? {
        let bytes = try FileSlice(file: file, position: position, length: header.totalSize).readBytes()
        do throws(RecordError) {
            return try RecordBatch(bytes).first { _ in true }.flatMap(EndTransactionMarker.init)
        } catch {
            throw StorageError(error)
        }
    }
}
