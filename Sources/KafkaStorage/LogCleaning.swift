internal import KafkaProtocol
internal import NIOCore

/// One pass of compaction over one log, after Kafka's `LogCleaner`: the last offset of every key in the part that has not
/// been cleaned, then every segment up to there rewritten without the records that a later one replaces.
///
/// Segments are rewritten from the oldest on, each group durable before the next: a tombstone goes only when all that it
/// deletes has gone. The pass can be left between two steps for any time; it ends if its segments are no longer the log's.
struct LogCleaning {
    let log: PartitionLog
    /// The offset up to which the log is clean when the pass is over.
    private(set) var endOffset: Int64
    private let configuration: LogConfiguration
    private let now: Int64
    private let shouldStop: () -> Bool
    private var map: OffsetMap
    private var groups: ArraySlice<[CleanableSegment]> = []
    private var transactions: CleanedTransactions

    /// Bytes read so far.
    private(set) var bytesRead: Int64 = 0

    var isDone: Bool { groups.isEmpty }

    /// Reads the dirty part of the log, as far as the limits allow.
    init(
        of log: PartitionLog, _ demand: CleaningDemand, now: Int64, limits: LogCleaner.Limits,
        shouldStop: @escaping () -> Bool
    ) throws(StorageError) {
        self.log = log
        self.now = now
        self.shouldStop = shouldStop
        configuration = log.configuration
        endOffset = demand.firstDirtyOffset
        map = OffsetMap(limit: limits.keys)
        // What replaces a record must be on the device before the record goes.
        try log.flush(upTo: demand.firstUncleanableOffset)
        let segments = try log.cleanableSegments(before: demand.firstUncleanableOffset)
        transactions = CleanedTransactions(try log.abortedTransactions(in: 0..<log.lastStableOffset))
        try fillMap(segments, demand, byteLimit: limits.bytesPerRound)
        guard endOffset > demand.firstDirtyOffset else { return }
        groups = Self.group(segments.filter { $0.view.baseOffset < endOffset }, configuration)[...]
    }

    // MARK: Which offset is the last of its key

    private mutating func fillMap(
        _ segments: [CleanableSegment], _ demand: CleaningDemand, byteLimit: Int64
    ) throws(StorageError) {
        let start = demand.firstDirtyOffset
        for segment in segments where segment.endOffset > start {
            let isWithin = start > segment.view.baseOffset
            var batches = SegmentBatches(
                segment.view, from: isWithin ? try segment.view.startPosition(for: start) : 0)
            while let batch = try batches.next() {
                try checkStop()
                guard batch.header.lastOffset >= start else { continue }
                guard batch.header.baseOffset < demand.firstUncleanableOffset else {
                    endOffset = demand.firstUncleanableOffset
                    return
                }
                guard try note(batch, from: start) else { return }
                endOffset = batch.header.nextOffset
                bytesRead += Int64(batch.header.totalSize)
                if bytesRead >= byteLimit { return }
            }
        }
        endOffset = demand.firstUncleanableOffset
    }

    /// Puts a batch's keys into the map; false if it is full.
    private mutating func note(_ batch: RecordBatch, from start: Int64) throws(StorageError) -> Bool {
        guard !batch.header.isControl, !transactions.isAborted(batch.header) else { return true }
        var isFull = false
        do throws(RecordError) {
            try batch.forEachRecord { record in
                guard !isFull, record.offset >= start else { return }
                if let key = record.key, !map.put(key, record.offset) {
                    isFull = true
                } else {
                    endOffset = record.offset + 1
                }
            }
        } catch {
            throw StorageError(error)
        }
        return !isFull
    }

    // MARK: Rewriting

    /// Neighbours that fit into one segment together, indexes included (Kafka's `groupSegmentsBySize`).
    private static func group(
        _ segments: [CleanableSegment], _ configuration: LogConfiguration
    ) -> [[CleanableSegment]] {
        var groups: [[CleanableSegment]] = []
        var bytes: Int64 = 0
        var entries = (offset: 0, time: 0)
        for segment in segments {
            let counts = segment.indexCounts
            if let base = groups.last?.first?.view.baseOffset,
                bytes + segment.view.size <= Int64(configuration.segmentBytes),
                (entries.offset + counts.offset) * OffsetIndexEntry.size <= configuration.segmentIndexBytes,
                (entries.time + counts.time) * TimeIndexEntry.size <= configuration.segmentIndexBytes,
                segment.endOffset - base <= Int64(Int32.max)
            {
                groups[groups.count - 1].append(segment)
                bytes += segment.view.size
                entries = (entries.offset + counts.offset, entries.time + counts.time)
            } else {
                groups.append([segment])
                bytes = segment.view.size
                entries = counts
            }
        }
        return groups
    }

    /// Rewrites the next group.
    mutating func step() throws(StorageError) {
        guard let group = groups.first, let first = group.first, let last = group.last else { return }
        var cleaned = try log.beginCleaned(first, created: last.created)
        do throws(StorageError) {
            guard try rewrite(group, to: &cleaned) || group.count > 1 else {
                log.discard(cleaned)
                groups.removeFirst()
                return
            }
            try cleaned.flush()
            try cleaned.file.sync()
            try log.replace(group, with: cleaned)
        } catch {
            log.discard(cleaned)
            throw error
        }
        groups.removeFirst()
    }

    /// - Returns: whether anything differs.
    private mutating func rewrite(
        _ group: [CleanableSegment], to cleaned: inout CleanedSegment
    ) throws(StorageError) -> Bool {
        let producers = log.producerTraces()
        var isChanged = false
        for (index, segment) in group.enumerated() {
            var batches = SegmentBatches(segment.view)
            while let batch = try batches.next() {
                try checkStop()
                bytesRead += Int64(batch.header.totalSize)
                var result = try rewritten(batch)
                // The group's last batch tells a recovery which segments the new one replaces.
                let isLast = batches.isAtEnd && index + 1 == group.count
                let isProducersLast = Self.isLast(batch.header, producers)
                if result == nil, isLast || isProducersLast {
                    result = batch.header.recordCount == 0 ? batch.buffer : batch.emptied()
                }
                guard let result else {
                    isChanged = true
                    continue
                }
                let header = try Self.header(of: result)
                if header != batch.header { isChanged = true }
                try cleaned.append(result, header, indexInterval: configuration.indexIntervalBytes)
            }
        }
        return isChanged
    }

    /// Whether the batch is what a recovery knows its producer by.
    private static func isLast(_ header: RecordBatchHeader, _ producers: [Int64: LogState.ProducerTrace]) -> Bool {
        guard header.hasProducerId, let trace = producers[header.producerId] else { return false }
        if let last = trace.lastOffset { return last == header.lastOffset }
        return header.isControl && trace.epoch == header.producerEpoch
    }

    private static func header(of batch: ByteBuffer) throws(StorageError) -> RecordBatchHeader {
        do throws(RecordError) {
            return try RecordBatchHeader(parsing: batch)
        } catch {
            throw StorageError(error)
        }
    }

    /// The batch with what is to be kept of it; nil if that is nothing.
    private mutating func rewritten(_ batch: RecordBatch) throws(StorageError) -> ByteBuffer? {
        let header = batch.header
        if header.isTransactional, transactions.isAborted(header) { return nil }
        let result = header.isControl ? try rewrittenMarker(batch) : try rewrittenData(batch)
        if result != nil { transactions.noteKept(header) }
        return result
    }

    /// A marker goes `delete.retention.ms` after the last record of its transaction has: who has read that record must
    /// have the time to read what became of it.
    private mutating func rewrittenMarker(_ batch: RecordBatch) throws(StorageError) -> ByteBuffer? {
        guard transactions.endsNothing(batch.header), batch.header.baseOffset < endOffset else { return batch.buffer }
        if let horizon = batch.header.deleteHorizon { return now < horizon ? batch.buffer : nil }
        do throws(RecordError) {
            return try batch.filtered(settingDeleteHorizon: horizon, always: true) { _ in true }
        } catch {
            throw StorageError(error)
        }
    }

    private var horizon: Int64 {
        let (sum, isTooFar) = now.addingReportingOverflow(configuration.deleteRetentionMs)
        return isTooFar ? .max : sum
    }

    private func rewrittenData(_ batch: RecordBatch) throws(StorageError) -> ByteBuffer? {
        let header = batch.header
        guard header.baseOffset < endOffset else { return batch.buffer }
        let keepsTombstones = header.deleteHorizon.map { now < $0 } ?? true
        do throws(RecordError) {
            return try batch.filtered(settingDeleteHorizon: horizon) { record in
                guard record.offset < endOffset else { return true }
                guard let key = record.key else { return false }
                if let last = map.offset(of: key), record.offset < last { return false }
                return record.value != nil || keepsTombstones
            }
        } catch {
            throw StorageError(error)
        }
    }

    private func checkStop() throws(StorageError) {
        if shouldStop() { throw StorageError(.closed, "the cleaner is stopped") }
    }
}
