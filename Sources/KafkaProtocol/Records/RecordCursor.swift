/// What can be wrong inside the records of a batch: small, so that the hot path passes it in a register.
enum RecordFault: UInt8, Error {
    case truncated
    case varintTooLong
    case lengthMismatch
    case badHeaderCount
    case nullHeaderKey

    var text: String {
        switch self {
        case .truncated: "a length reaches beyond the bytes that are there"
        case .varintTooLong: "a varint has too many bytes"
        case .lengthMismatch: "the record's length is not that of its fields"
        case .badHeaderCount: "the number of headers is negative or larger than the record can hold"
        case .nullHeaderKey: "a header has no name"
        }
    }
}

/// What a record needs to know of its batch.
struct RecordContext {
    let baseOffset: Int64
    let baseTimestamp: Int64
    /// The timestamp of all records, if the broker set it.
    let appendTime: Int64?

    init(_ header: RecordBatchHeader) {
        baseOffset = header.baseOffset
        baseTimestamp = header.baseTimestamp
        appendTime = header.timestampType == .logAppendTime ? header.maxTimestamp : nil
    }
}

/// Reads records from raw bytes; every read is checked against the end of the record, and that against the end of the
/// bytes.
struct RecordCursor {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0
    private var end: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        end = bytes.count
    }

    var isAtEnd: Bool { position == end }

    /// Reads the next record whole and checks that its length is that of its fields.
    @inline(__always)
    mutating func record(_ context: RecordContext) throws(RecordFault) -> RecordView {
        let length = Int(try varint())
        guard length >= 0, length <= end - position else { throw .truncated }
        let outerEnd = end
        end = position + length
        guard length > 0 else { throw .truncated }
        position &+= 1  // attributes: unused
        let timestampDelta = try varlong()
        let offsetDelta = try varint()
        let key = try lengthPrefixed()
        let value = try lengthPrefixed()
        let headerCount = try varint()
        let headersFrom = position
        if headerCount != 0 { try skipHeaders(headerCount) }
        guard position == end else { throw .lengthMismatch }
        end = outerEnd
        return RecordView(
            offset: context.baseOffset &+ Int64(offsetDelta), offsetDelta: offsetDelta,
            timestamp: context.appendTime ?? (context.baseTimestamp &+ timestampDelta), key: key, value: value,
            headerCount: headerCount, headerBytes: UnsafeRawBufferPointer(rebasing: bytes[headersFrom..<position]))
    }

    /// A varint length and that many bytes; nil if the length is negative, as in Kafka.
    @inline(__always)
    mutating func lengthPrefixed() throws(RecordFault) -> UnsafeRawBufferPointer? {
        let length = Int(try varint())
        guard length >= 0 else { return nil }
        guard length <= end - position else { throw .truncated }
        let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + length)])
        position += length
        return slice
    }

    private mutating func skipHeaders(_ count: Int32) throws(RecordFault) {
        // A header takes two bytes at least: a hostile count fails here instead of in a long loop.
        guard count > 0, Int(count) <= (end - position) / 2 else { throw .badHeaderCount }
        for _ in 0..<count {
            guard try lengthPrefixed() != nil else { throw .nullHeaderKey }
            _ = try lengthPrefixed()
        }
    }

    @inline(__always)
    private mutating func varint() throws(RecordFault) -> Int32 {
        // As in Java, bits beyond the 32nd are dropped.
        ZigZag.decode(UInt32(truncatingIfNeeded: try unsigned(maximumLength: 5)))
    }

    @inline(__always)
    private mutating func varlong() throws(RecordFault) -> Int64 {
        ZigZag.decode(try unsigned(maximumLength: 10))
    }

    /// One and two bytes here, because lengths below 8192 are the rule; the rest out of line.
    @inline(__always)
    private mutating func unsigned(maximumLength: Int) throws(RecordFault) -> UInt64 {
        let left = end - position
        guard left > 0 else { throw .truncated }
        let first = UInt64(bytes[position])
        if first < 0x80 {
            position += 1
            return first
        }
        guard left > 1 else { throw .truncated }
        let second = UInt64(bytes[position + 1])
        guard second >= 0x80 else {
            position += 2
            return first & 0x7f | second << 7
        }
        let long = try Self.longUnsigned(bytes, position..<(position + min(left, maximumLength)), left)
        position = long.position
        return long.value
    }

    /// Takes and gives values instead of changing the cursor, which can then live in registers.
    @inline(never)
    private static func longUnsigned(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ left: Int
    ) throws(RecordFault) -> (value: UInt64, position: Int) {
        var raw: UInt64 = 0
        var shift: UInt64 = 0
        for position in range {
            let byte = bytes[position]
            raw |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return (raw, position + 1) }
            shift += 7
        }
        throw range.count == left ? .truncated : .varintTooLong
    }
}
