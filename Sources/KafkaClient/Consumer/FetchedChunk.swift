import KafkaProtocol
import NIOCore

/// What one fetch brought for one partition, not decoded yet.
struct FetchedChunk: Sendable {
    private var reader: RecordBatchReader
    private var aborted: [(producerID: Int64, firstOffset: Int64)]
    private var openAborted: Set<Int64> = []
    let highWatermark: Int64
    /// The size when it came; what the prefetch limit counts.
    let size: Int

    init(buffer: ByteBuffer, aborted: [(producerID: Int64, firstOffset: Int64)], highWatermark: Int64) {
        reader = RecordBatchReader(buffer)
        self.aborted = aborted.sorted { $0.firstOffset > $1.firstOffset }
        self.highWatermark = highWatermark
        size = buffer.readableBytes
    }

    /// What was taken out.
    struct Taken {
        var batches: [RecordBatch] = []
        /// Records in them.
        var count = 0
        /// The position behind them.
        var nextOffset: Int64
        var leaderEpoch: Int32 = -1
        /// True when nothing is left in the chunk.
        var isExhausted = false
    }

    /// Takes whole batches, beginning at `position`, until there are at least `limit` records or no more batches.
    ///
    /// Control batches are skipped, and with `readCommitted` those of aborted transactions
    /// (Java: `CompletedFetch.nextFetchedRecord`).
    mutating func take(
        from position: Int64, limit: Int, checkCRCs: Bool, readCommitted: Bool
    ) throws(RecordError) -> Taken {
        var result = Taken(nextOffset: position)
        while result.count < limit {
            guard let batch = try reader.next() else {
                result.isExhausted = true
                break
            }
            let header = batch.header
            guard header.lastOffset >= position else { continue }
            if checkCRCs, !batch.isChecksumValid {
                throw RecordError(
                    .checksumMismatch, "the batch at offset \(header.baseOffset) does not have its checksum")
            }
            result.nextOffset = header.nextOffset
            result.leaderEpoch = header.partitionLeaderEpoch
            if readCommitted, try isAborted(batch) { continue }
            if header.isControl || header.recordCount == 0 { continue }
            result.batches.append(batch)
            result.count += Int(header.recordCount)
        }
        return result
    }

    private mutating func isAborted(_ batch: RecordBatch) throws(RecordError) -> Bool {
        let header = batch.header
        guard header.hasProducerId else { return false }
        while let next = aborted.last, next.firstOffset <= header.lastOffset {
            openAborted.insert(next.producerID)
            aborted.removeLast()
        }
        if header.isControl {
            if let record = try batch.records().first, let marker = EndTransactionMarker(record), !marker.isCommit {
                openAborted.remove(header.producerId)
            }
            return false
        }
        return header.isTransactional && openAborted.contains(header.producerId)
    }

    /// The offset behind the last whole batch of a fetched buffer; nil if there is none.
    static func nextOffset(_ buffer: ByteBuffer) throws(RecordError) -> Int64? {
        var reader = RecordBatchReader(buffer)
        var next: Int64?
        while let batch = try reader.next() { next = batch.header.nextOffset }
        return next
    }
}
