public import NIOCore

/// Builds one record batch v2. Offsets count from 0: the broker sets the base offset.
public struct RecordBatchBuilder: Sendable {
    /// How the records are to be compressed.
    public let compression: CompressionType
    /// The codec's level; nil is its default.
    public let level: Int?
    /// Who sets the timestamps.
    public let timestampType: TimestampType
    /// True if the batch belongs to a transaction.
    public let isTransactional: Bool
    /// True if the records are control records.
    public let isControl: Bool
    /// The idempotent producer's id, or -1. May be set until `build`.
    public var producerId: Int64
    /// The idempotent producer's epoch, or -1. May be set until `build`.
    public var producerEpoch: Int16
    /// Sequence number of the first record, or -1. May be set until `build`.
    public var baseSequence: Int32

    /// Number of records appended since the last `build`.
    public private(set) var count = 0
    /// Space for the header, then the records.
    private var payload = ByteBuffer()
    private var baseTimestamp: Int64 = -1
    private var maxTimestamp: Int64 = -1
    private var isTooLarge = false

    /// A builder of an empty batch.
    public init(
        compression: CompressionType = .none, level: Int? = nil, timestampType: TimestampType = .createTime,
        producerId: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1, isTransactional: Bool = false,
        isControl: Bool = false
    ) {
        self.compression = compression
        self.level = level
        self.timestampType = timestampType
        self.producerId = producerId
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        self.isTransactional = isTransactional
        self.isControl = isControl
    }

    /// True if there is no record yet.
    public var isEmpty: Bool { count == 0 }

    /// Size of the batch in bytes if it were not compressed, header included: an upper bound of what `build` gives.
    public var estimatedSize: Int { max(payload.readableBytes, RecordBatchHeader.size) }

    /// An upper bound of what `append` adds to `estimatedSize`.
    public static func estimatedSize(key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []) -> Int {
        let longestFixedPart = 5 + 1 + 10 + 5 + 5 + 5 + 5
        let headerSize = headers.reduce(0) { $0 + 10 + $1.key.utf8.count + ($1.value?.readableBytes ?? 0) }
        return longestFixedPart + (key?.readableBytes ?? 0) + (value?.readableBytes ?? 0) + headerSize
    }

    /// Appends a record. `timestamp` is ms since 1970, -1 for none.
    ///
    /// If the batch would pass the format's 2 GiB, the record is left out and `build` throws.
    public mutating func append(
        timestamp: Int64, key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []
    ) {
        withBytes(key) { key in
            withBytes(value) { value in
                append(timestamp: timestamp, keyBytes: key, valueBytes: value, headers: headers)
            }
        }
    }

    /// Appends a record whose key and value are copied from memory. See ``append(timestamp:key:value:headers:)``.
    public mutating func append(
        timestamp: Int64, keyBytes: UnsafeRawBufferPointer?, valueBytes: UnsafeRawBufferPointer?,
        headers: [RecordHeader] = []
    ) {
        if count == 0 { start(at: timestamp) }
        let timestampDelta = timestamp &- baseTimestamp
        let length =
            1 + ZigZag.size(timestampDelta) + ZigZag.size(count) + Self.prefixedSize(keyBytes?.count)
            + Self.prefixedSize(valueBytes?.count) + ZigZag.size(headers.count)
            + headers.reduce(0) {
                $0 + Self.prefixedSize($1.key.utf8.count) + Self.prefixedSize($1.value?.readableBytes)
            }
        let size = ZigZag.size(length) + length
        guard size <= Int(Int32.max) - payload.readableBytes else {
            isTooLarge = true
            return
        }
        payload.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { memory in
            var writer = RecordWriter(memory)
            writer.varint(Int64(length))
            writer.byte(0)  // attributes: unused
            writer.varint(timestampDelta)
            writer.varint(Int64(count))
            writer.lengthPrefixed(keyBytes)
            writer.lengthPrefixed(valueBytes)
            writer.varint(Int64(headers.count))
            for header in headers {
                var name = header.key
                name.withUTF8 { writer.lengthPrefixed(UnsafeRawBufferPointer($0)) }
                withBytes(header.value) { writer.lengthPrefixed($0) }
            }
            return writer.position
        }
        count += 1
        maxTimestamp = max(maxTimestamp, timestamp)
    }

    /// The finished batch. The builder is empty afterwards and may be used again.
    ///
    /// As librdkafka does, records that compression would not make smaller are stored uncompressed.
    public mutating func build() throws(RecordError) -> ByteBuffer {
        guard !isTooLarge else { throw RecordError(.tooLarge, "a batch cannot be larger than 2 GiB") }
        guard count > 0 else { throw RecordError(.invalidRecord, "a batch needs a record") }
        var batch = payload
        var used = CompressionType.none
        payload = ByteBuffer()  // so that `batch` owns the bytes alone and is patched in place
        if compression != .none, let compressed = try compress(batch) {
            batch = compressed
            used = compression
        }
        var header = RecordBatchHeader(
            attributes: attributes(used), producerId: producerId, producerEpoch: producerEpoch,
            baseSequence: baseSequence)
        header.batchLength = Int32(batch.readableBytes - RecordBatchHeader.lengthOverhead)
        header.lastOffsetDelta = Int32(count - 1)
        header.recordCount = Int32(count)
        header.baseTimestamp = baseTimestamp
        header.maxTimestamp = maxTimestamp
        header.write(into: &batch)
        RecordBatches.patchChecksum(&batch, batch.readableBytes)
        count = 0
        return batch
    }

    private mutating func start(at timestamp: Int64) {
        payload.writeRepeatingByte(0, count: RecordBatchHeader.size)
        baseTimestamp = timestamp
        maxTimestamp = timestamp
    }

    /// The batch with compressed records, or nil if that is no smaller.
    private func compress(_ batch: ByteBuffer) throws(RecordError) -> ByteBuffer? {
        var out = ByteBuffer()
        out.writeRepeatingByte(0, count: RecordBatchHeader.size)
        try batch.withUnsafeReadableBytes { (bytes) throws(RecordError) in
            let records = UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.size...])
            try Compression.compress(records, compression, level: level, into: &out)
        }
        return out.readableBytes < batch.readableBytes ? out : nil
    }

    private func attributes(_ used: CompressionType) -> Int16 {
        var bits = Int16(used.rawValue)
        if timestampType == .logAppendTime { bits |= RecordBatchHeader.timestampTypeBit }
        if isTransactional { bits |= RecordBatchHeader.transactionalBit }
        if isControl { bits |= RecordBatchHeader.controlBit }
        return bits
    }

    private static func prefixedSize(_ length: Int?) -> Int {
        guard let length else { return 1 }
        return ZigZag.size(length) + length
    }
}

/// The readable bytes of a buffer, or nil of none.
private func withBytes<T>(_ buffer: ByteBuffer?, _ body: (UnsafeRawBufferPointer?) -> T) -> T {
    guard let buffer else { return body(nil) }
    return buffer.withUnsafeReadableBytes { body($0) }
}
