public import NIOCore

/// Who set the timestamps of a batch's records.
public enum TimestampType: Int8, Sendable, CaseIterable {
    /// The producer: each record has its own.
    case createTime = 0
    /// The broker, on append: all records have the batch's maximum.
    case logAppendTime = 1

    /// Kafka's name in `message.timestamp.type`.
    public var name: String {
        switch self {
        case .createTime: "CreateTime"
        case .logAppendTime: "LogAppendTime"
        }
    }

    /// The type of that name in `message.timestamp.type`.
    public init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }
}

/// The first 61 bytes of a record batch v2 (`org.apache.kafka.common.record.DefaultRecordBatch`, KIP-98).
public struct RecordBatchHeader: Hashable, Sendable {
    /// The header's length in bytes.
    public static let size = 61
    /// Bytes before what `batchLength` counts: base offset and the length itself.
    public static let lengthOverhead = 12
    /// Where the bytes begin that the checksum covers: at the attributes.
    static let checksummedFrom = 21

    /// Offset of the first record.
    public var baseOffset: Int64
    /// Length of the batch in bytes, without base offset and this field.
    public var batchLength: Int32
    /// Epoch of the leader that appended the batch; -1 unless the broker has set it.
    public var partitionLeaderEpoch: Int32
    /// Message format: always 2.
    public var magic: Int8
    /// CRC32C of everything from the attributes to the end.
    public var crc: UInt32
    /// Bits: 0–2 compression, 3 timestamp type, 4 transactional, 5 control, 6 base timestamp is a delete horizon.
    public var attributes: Int16
    /// Offset of the last record less the base offset; kept when compaction removes the record.
    public var lastOffsetDelta: Int32
    /// Timestamp that the records' deltas count from, ms since 1970.
    public var baseTimestamp: Int64
    /// Largest timestamp, ms since 1970; -1 if none.
    public var maxTimestamp: Int64
    /// The idempotent producer's id, or -1.
    public var producerId: Int64
    /// The idempotent producer's epoch, or -1.
    public var producerEpoch: Int16
    /// Sequence number of the first record, or -1.
    public var baseSequence: Int32
    /// Number of records.
    public var recordCount: Int32

    /// Reads the header at the start of `bytes`, which may hold less than the whole batch.
    ///
    /// Checks that 61 bytes are there, that magic is 2, that the length can hold the header and that the compression
    /// type is known. Does not check the checksum or the counts (see ``RecordBatches/validateForAppend(_:maxMessageBytes:)``).
    public init(parsing bytes: UnsafeRawBufferPointer) throws(RecordError) {
        guard bytes.count >= Self.size else {
            throw RecordError(.truncated, "a batch header needs \(Self.size) bytes, there are \(bytes.count)")
        }
        func load<T: FixedWidthInteger>(_ position: Int, _ type: T.Type) -> T {
            T(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: type))
        }
        magic = load(16, Int8.self)
        guard magic == 2 else {
            throw RecordError(.unsupportedMagic, "message format \(magic) is not supported, only 2")
        }
        batchLength = load(8, Int32.self)
        guard batchLength >= Self.size - Self.lengthOverhead, batchLength <= Int32.max - Int32(Self.lengthOverhead)
        else {
            throw RecordError(.corrupt, "batch length \(batchLength) is out of range")
        }
        attributes = load(21, Int16.self)
        guard CompressionType(rawValue: Int8(attributes & 7)) != nil else {
            throw RecordError(.unsupportedCompression, "compression type \(attributes & 7) is unknown")
        }
        baseOffset = load(0, Int64.self)
        partitionLeaderEpoch = load(12, Int32.self)
        crc = load(17, UInt32.self)
        lastOffsetDelta = load(23, Int32.self)
        baseTimestamp = load(27, Int64.self)
        maxTimestamp = load(35, Int64.self)
        producerId = load(43, Int64.self)
        producerEpoch = load(51, Int16.self)
        baseSequence = load(53, Int32.self)
        recordCount = load(57, Int32.self)
    }

    /// Reads the header at the start of a buffer's readable bytes. See ``init(parsing:)-(UnsafeRawBufferPointer)``.
    public init(parsing buffer: ByteBuffer) throws(RecordError) {
        self = try buffer.withUnsafeReadableBytes { (bytes) throws(RecordError) in
            try RecordBatchHeader(parsing: bytes)
        }
    }

    /// A header for `RecordBatchBuilder`, which fills the rest.
    init(attributes: Int16, producerId: Int64, producerEpoch: Int16, baseSequence: Int32) {
        baseOffset = 0
        batchLength = Int32(Self.size - Self.lengthOverhead)
        partitionLeaderEpoch = -1
        magic = 2
        crc = 0
        self.attributes = attributes
        lastOffsetDelta = 0
        baseTimestamp = -1
        maxTimestamp = -1
        self.producerId = producerId
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        recordCount = 0
    }

    /// Writes all fields into the first 61 bytes of `buffer`'s readable bytes, which must be there.
    func write(into buffer: inout ByteBuffer) {
        let start = buffer.readerIndex
        buffer.setInteger(baseOffset, at: start)
        buffer.setInteger(batchLength, at: start + 8)
        buffer.setInteger(partitionLeaderEpoch, at: start + 12)
        buffer.setInteger(magic, at: start + 16)
        buffer.setInteger(crc, at: start + 17)
        buffer.setInteger(attributes, at: start + 21)
        buffer.setInteger(lastOffsetDelta, at: start + 23)
        buffer.setInteger(baseTimestamp, at: start + 27)
        buffer.setInteger(maxTimestamp, at: start + 35)
        buffer.setInteger(producerId, at: start + 43)
        buffer.setInteger(producerEpoch, at: start + 51)
        buffer.setInteger(baseSequence, at: start + 53)
        buffer.setInteger(recordCount, at: start + 57)
    }
}

extension RecordBatchHeader {
    static let timestampTypeBit: Int16 = 1 << 3
    static let transactionalBit: Int16 = 1 << 4
    static let controlBit: Int16 = 1 << 5
    static let deleteHorizonBit: Int16 = 1 << 6

    /// Length of the whole batch in bytes.
    public var totalSize: Int { Self.lengthOverhead + Int(batchLength) }

    /// Offset of the last record (also when compaction has removed it).
    public var lastOffset: Int64 { baseOffset &+ Int64(lastOffsetDelta) }

    /// Offset after the batch.
    public var nextOffset: Int64 { lastOffset &+ 1 }

    /// How the records are compressed. Parsing has refused unknown types.
    public var compression: CompressionType { CompressionType(rawValue: Int8(attributes & 7)) ?? .none }

    /// Who set the timestamps.
    public var timestampType: TimestampType { attributes & Self.timestampTypeBit == 0 ? .createTime : .logAppendTime }

    /// True if the batch belongs to a transaction.
    public var isTransactional: Bool { attributes & Self.transactionalBit != 0 }

    /// True if the batch holds control records (transaction markers), which consumers skip.
    public var isControl: Bool { attributes & Self.controlBit != 0 }

    /// When tombstones and markers of the batch may be removed (ms since 1970), if compaction has set it (KIP-534).
    public var deleteHorizon: Int64? { attributes & Self.deleteHorizonBit != 0 ? baseTimestamp : nil }

    /// True if an idempotent producer wrote the batch.
    public var hasProducerId: Bool { producerId >= 0 }

    /// Sequence number of the last record, or -1; wraps to 0 after `Int32.max`.
    public var lastSequence: Int32 {
        guard baseSequence >= 0 else { return -1 }
        return Int32(truncatingIfNeeded: (Int64(baseSequence) + Int64(lastOffsetDelta)) & Int64(Int32.max))
    }
}
