public import NIOCore

/// What compaction does to a batch (`MemoryRecords.filterTo` of Kafka): offsets, timestamps, producer, sequence numbers and
/// codec stay as they are; only records go.
extension RecordBatch {
    /// The batch with those records for which `isKept` holds.
    ///
    /// The base offset and the last offset stay, so that sequence numbers can still be told from them. If a tombstone (a
    /// record without value) is kept and the batch has no delete horizon yet, `horizon` becomes it: bit 6 of the attributes
    /// and the base timestamp, from which the records' deltas then count (KIP-534).
    /// - Parameters:
    ///   - horizon: ms since 1970 from which on the batch's tombstones may go.
    ///   - always: set the horizon even if there is no tombstone: of a transaction's marker.
    ///   - decompressionLimit: most bytes that the records may take uncompressed.
    /// - Returns: the batch's own buffer if nothing is to be changed; nil if no record is kept.
    /// - Throws: `RecordError` if the records cannot be read or the new ones do not fit a batch.
    public func filtered(
        settingDeleteHorizon horizon: Int64, always: Bool = false,
        decompressionLimit: Int = RecordBatch.defaultDecompressionLimit,
        keeping isKept: (RecordView) -> Bool
    ) throws(RecordError) -> ByteBuffer? {
        let bytes = try recordBytes(limit: decompressionLimit)
        var kept: [Bool] = []
        kept.reserveCapacity(Int(header.recordCount))
        var hasTombstone = false
        var firstTimestamp: Int64?
        var maxTimestamp: Int64 = -1
        try visit(bytes) { (view, _) throws(RecordError) in
            let isKept = isKept(view)
            kept.append(isKept)
            guard isKept else { return true }
            if view.value == nil { hasTombstone = true }
            if firstTimestamp == nil { firstTimestamp = view.timestamp }
            maxTimestamp = max(maxTimestamp, view.timestamp)
            return true
        }
        guard let firstTimestamp else { return nil }
        let setsHorizon = (hasTombstone || always) && header.deleteHorizon == nil
        guard setsHorizon || kept.contains(false) else { return buffer }
        var result = header
        result.baseTimestamp = setsHorizon ? horizon : header.deleteHorizon ?? firstTimestamp
        result.maxTimestamp = maxTimestamp
        result.recordCount = Int32(clamping: kept.count { $0 })
        if setsHorizon { result.attributes |= RecordBatchHeader.deleteHorizonBit }
        let records = try encode(bytes, keeping: kept, baseTimestamp: result.baseTimestamp)
        return try Self.assemble(&result, records)
    }

    /// The batch without its records: what is kept of an idempotent producer's last batch, so that its sequence numbers are
    /// found by a recovery that has no snapshot (`DefaultRecordBatch.writeEmptyHeader`).
    public func emptied() -> ByteBuffer {
        var result = header
        result.attributes &= ~(7 | RecordBatchHeader.deleteHorizonBit)
        result.baseTimestamp = header.maxTimestamp
        result.recordCount = 0
        result.batchLength = Int32(RecordBatchHeader.size - RecordBatchHeader.lengthOverhead)
        var out = ByteBuffer(repeating: 0, count: RecordBatchHeader.size)
        result.write(into: &out)
        RecordBatches.patchChecksum(&out, RecordBatchHeader.size)
        return out
    }

    /// The kept records, uncompressed.
    private func encode(
        _ bytes: ByteBuffer, keeping kept: [Bool], baseTimestamp: Int64
    ) throws(RecordError) -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(bytes.readableBytes)
        var index = 0
        try visit(bytes) { (view, _) throws(RecordError) in
            defer { index += 1 }
            if kept[index] { Self.write(view, timestampDelta: view.timestamp &- baseTimestamp, to: &out) }
            return true
        }
        return out
    }

    private static func write(_ view: RecordView, timestampDelta: Int64, to out: inout ByteBuffer) {
        func prefixed(_ bytes: UnsafeRawBufferPointer?) -> Int {
            bytes.map { ZigZag.size($0.count) + $0.count } ?? 1
        }
        let length =
            1 + ZigZag.size(timestampDelta) + ZigZag.size(Int64(view.offsetDelta)) + prefixed(view.key)
            + prefixed(view.value) + ZigZag.size(Int64(view.headerCount)) + view.headerBytes.count
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: ZigZag.size(length) + length) { memory in
            var writer = RecordWriter(memory)
            writer.varint(Int64(length))
            writer.byte(0)
            writer.varint(timestampDelta)
            writer.varint(Int64(view.offsetDelta))
            writer.lengthPrefixed(view.key)
            writer.lengthPrefixed(view.value)
            writer.varint(Int64(view.headerCount))
            for byte in view.headerBytes { writer.byte(byte) }
            return writer.position
        }
    }

    private static func assemble(
        _ header: inout RecordBatchHeader, _ records: ByteBuffer
    ) throws(RecordError) -> ByteBuffer {
        var out = ByteBuffer(repeating: 0, count: RecordBatchHeader.size)
        if header.compression == .none {
            out.writeImmutableBuffer(records)
        } else {
            try records.withUnsafeReadableBytes { (bytes) throws(RecordError) in
                try Compression.compress(bytes, header.compression, level: nil, into: &out)
            }
        }
        guard out.readableBytes <= Int(Int32.max) else {
            throw RecordError(.tooLarge, "a batch cannot be larger than 2 GiB")
        }
        header.batchLength = Int32(out.readableBytes - RecordBatchHeader.lengthOverhead)
        header.write(into: &out)
        RecordBatches.patchChecksum(&out, out.readableBytes)
        return out
    }
}
