public import NIOCore

/// What a batch must fulfil to be appended to a log.
public struct AppendRules: Sendable {
    /// Largest batch in bytes, compressed as it came (`max.message.bytes`).
    public var maxMessageBytes: Int
    /// Every record needs a key: compacted topics.
    public var requiresKeys = false
    /// The batch comes from a client: base offset 0, no control batch, no gaps between offsets. Kafka checks the same
    /// (`LogValidator`, `UnifiedLog.analyzeAndValidateRecords`).
    public var isFromClient = true
    /// Also decompress and walk the records. Kafka does; without it, a well-checksummed batch of rubbish can be stored,
    /// at which every consumer would stop.
    public var checksRecords = true
    /// Look into compressed batches too when records are checked.
    public var decompresses = true
    /// What the records may decompress to.
    public var decompressionLimit = RecordBatch.defaultDecompressionLimit

    /// The rules for a client's batch of at most `maxMessageBytes`.
    public init(maxMessageBytes: Int) { self.maxMessageBytes = maxMessageBytes }
}

/// Operations on buffers that hold whole record batches.
public enum RecordBatches {
    /// Checks that `buffer` is exactly one batch that a client may append: sizes, checksum, counts and records agree.
    public static func validateForAppend(
        _ buffer: ByteBuffer, maxMessageBytes: Int
    ) throws(RecordError) -> RecordBatchHeader {
        try validateForAppend(buffer, rules: AppendRules(maxMessageBytes: maxMessageBytes))
    }

    /// Checks that `buffer` is exactly one batch that fulfils `rules`, and gives its header.
    public static func validateForAppend(
        _ buffer: ByteBuffer, rules: AppendRules
    ) throws(RecordError) -> RecordBatchHeader {
        let batch = try RecordBatch(buffer)
        let header = batch.header
        guard header.totalSize <= rules.maxMessageBytes else {
            throw RecordError(
                .tooLarge, "a batch of \(header.totalSize) bytes is larger than the \(rules.maxMessageBytes) allowed")
        }
        guard header.totalSize == buffer.readableBytes else {
            let excess = buffer.readableBytes - header.totalSize
            throw RecordError(.invalidRecord, "\(excess) bytes follow the batch; exactly one batch is allowed")
        }
        guard batch.isChecksumValid else {
            throw RecordError(.checksumMismatch, "the batch's checksum \(header.crc) is not that of its bytes")
        }
        guard header.recordCount > 0, header.lastOffsetDelta >= 0 else {
            throw RecordError(
                .invalidRecord, "\(header.recordCount) records with last offset delta \(header.lastOffsetDelta)")
        }
        guard header.producerId < 0 || (header.producerEpoch >= 0 && (header.baseSequence >= 0 || header.isControl))
        else {
            throw RecordError(
                .invalidRecord,
                "producer \(header.producerId) with epoch \(header.producerEpoch), sequence \(header.baseSequence)")
        }
        if rules.isFromClient { try checkClientRules(header) }
        if rules.checksRecords, rules.decompresses || header.compression == .none { try checkRecords(batch, rules) }
        return header
    }

    private static func checkClientRules(_ header: RecordBatchHeader) throws(RecordError) {
        guard !header.isControl else {
            throw RecordError(.invalidRecord, "clients may not write control batches")
        }
        guard header.baseOffset == 0 else {
            throw RecordError(.invalidRecord, "the base offset must be 0, it is \(header.baseOffset)")
        }
        guard header.recordCount - 1 == header.lastOffsetDelta else {
            throw RecordError(
                .invalidRecord,
                "\(header.recordCount) records do not agree with last offset delta \(header.lastOffsetDelta)")
        }
        guard header.isTransactional == false || header.hasProducerId else {
            throw RecordError(.invalidRecord, "a transactional batch needs a producer id")
        }
    }

    private static func checkRecords(_ batch: RecordBatch, _ rules: AppendRules) throws(RecordError) {
        var previous: Int32 = -1
        let lastDelta = batch.header.lastOffsetDelta
        try batch.forEachRecord(decompressionLimit: rules.decompressionLimit) { (view) throws(RecordError) in
            let delta = view.offsetDelta
            guard rules.isFromClient ? delta == previous + 1 : (delta > previous && delta <= lastDelta) else {
                throw RecordError(.invalidRecord, "offset delta \(delta) follows \(previous)")
            }
            guard view.key != nil || !rules.requiresKeys else {
                throw RecordError(.invalidRecord, "record \(delta) has no key, which a compacted topic needs")
            }
            previous = delta
        }
    }

    /// The whole batches of `buffer` that reach `offset` or beyond; a last batch that is cut off is left out. Their
    /// records are read only when asked for; the first batch may begin with records before `offset`.
    public static func records(
        in buffer: ByteBuffer, from offset: Int64
    ) throws(RecordError) -> [RecordBatch] {
        var reader = RecordBatchReader(buffer)
        var batches: [RecordBatch] = []
        while let batch = try reader.next() {
            if batch.header.lastOffset >= offset { batches.append(batch) }
        }
        return batches
    }

    /// Sets base offset and leader epoch of the batch at the start of `buffer`, in place. The checksum does not cover
    /// them.
    ///
    /// The buffer must hold a batch that has been parsed before; a shorter one is left as it is.
    public static func patch(_ buffer: inout ByteBuffer, baseOffset: Int64, leaderEpoch: Int32) {
        guard buffer.readableBytes >= RecordBatchHeader.size else { return }
        buffer.setInteger(baseOffset, at: buffer.readerIndex)
        buffer.setInteger(leaderEpoch, at: buffer.readerIndex + 12)
    }

    /// Makes `time` (ms since 1970) the append time of the one batch in `buffer`: sets the timestamp type and the
    /// maximum timestamp, in place, and computes the checksum again.
    public static func patchTimestamp(_ buffer: inout ByteBuffer, logAppendTime time: Int64) throws(RecordError) {
        let header = try RecordBatch(buffer).header
        buffer.setInteger(header.attributes | RecordBatchHeader.timestampTypeBit, at: buffer.readerIndex + 21)
        buffer.setInteger(time, at: buffer.readerIndex + 35)
        patchChecksum(&buffer, header.totalSize)
    }

    /// Sets the producer's id, epoch and first sequence number in the one batch of `buffer`, in place, and computes the
    /// checksum again: for a batch that is sent again after its producer was given a new epoch.
    public static func patchProducer(
        _ buffer: inout ByteBuffer, producerId: Int64, producerEpoch: Int16, baseSequence: Int32
    ) throws(RecordError) {
        let header = try RecordBatch(buffer).header
        buffer.setInteger(producerId, at: buffer.readerIndex + 43)
        buffer.setInteger(producerEpoch, at: buffer.readerIndex + 51)
        buffer.setInteger(baseSequence, at: buffer.readerIndex + 53)
        patchChecksum(&buffer, header.totalSize)
    }

    /// Computes the checksum of the batch at the start of `buffer`, which must hold its `totalSize` bytes, and sets it.
    static func patchChecksum(_ buffer: inout ByteBuffer, _ totalSize: Int) {
        let crc = buffer.withUnsafeReadableBytes { bytes in
            CRC32C.checksum(.init(rebasing: bytes[RecordBatchHeader.checksummedFrom..<totalSize]))
        }
        buffer.setInteger(crc, at: buffer.readerIndex + 17)
    }
}
