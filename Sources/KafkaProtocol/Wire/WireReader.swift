public import NIOCore

/// A fault in bytes that were to be a Kafka message, or in a message that its version cannot carry.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong, in words for a log line.
    public var description: String

    /// An error with its text.
    public init(_ description: String) {
        self.description = description
    }

    static let truncated = WireError("the message ends before its last field")

    static func unexpectedNull(_ field: String) -> WireError {
        WireError("field \(field) is null where its version does not allow it")
    }

    static func unsupportedField(_ field: String, version: Int16) -> WireError {
        WireError("field \(field) is set but version \(version) of the message cannot carry it")
    }
}

/// Reads Kafka's primitive types from a buffer. Every length is checked against the bytes that are left before
/// anything is allocated for it.
///
/// The functions are not inlined: spread over all generated messages they would make the release build a minute longer
/// and the binary larger.
public struct WireReader: Sendable {
    /// The bytes not yet read.
    public private(set) var buffer: ByteBuffer

    /// A reader of the readable bytes of `buffer`.
    public init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    /// How many bytes are left.
    public var remaining: Int { buffer.readableBytes }

    // MARK: - Numbers

    @inline(__always)
    private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(WireError) -> T {
        guard let value = buffer.readInteger(as: type) else { throw WireError.truncated }
        return value
    }

    /// One byte, true unless zero.
    @inline(never)
    public mutating func readBool() throws(WireError) -> Bool { try integer(UInt8.self) != 0 }
    /// A signed byte.
    @inline(never)
    public mutating func readInt8() throws(WireError) -> Int8 { try integer(Int8.self) }
    /// A big-endian 16-bit integer.
    @inline(never)
    public mutating func readInt16() throws(WireError) -> Int16 { try integer(Int16.self) }
    /// A big-endian unsigned 16-bit integer.
    @inline(never)
    public mutating func readUint16() throws(WireError) -> UInt16 { try integer(UInt16.self) }
    /// A big-endian 32-bit integer.
    @inline(never)
    public mutating func readInt32() throws(WireError) -> Int32 { try integer(Int32.self) }
    /// A big-endian unsigned 32-bit integer.
    @inline(never)
    public mutating func readUint32() throws(WireError) -> UInt32 { try integer(UInt32.self) }
    /// A big-endian 64-bit integer.
    @inline(never)
    public mutating func readInt64() throws(WireError) -> Int64 { try integer(Int64.self) }
    /// An IEEE 754 double.
    @inline(never)
    public mutating func readFloat64() throws(WireError) -> Double { Double(bitPattern: try integer(UInt64.self)) }

    /// Sixteen bytes.
    @inline(never)
    public mutating func readUuid() throws(WireError) -> KafkaUUID {
        KafkaUUID(high: try integer(UInt64.self), low: try integer(UInt64.self))
    }

    /// An unsigned LEB128 integer of at most 32 bits.
    @inline(never)
    public mutating func readUnsignedVarint() throws(WireError) -> UInt32 {
        var value: UInt32 = 0
        for shift in stride(from: UInt32(0), through: 28, by: 7) {
            let byte = try integer(UInt8.self)
            if shift == 28, byte > 0x0F { break }
            value |= UInt32(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw WireError("a varint is longer than 32 bits")
    }

    // MARK: - Strings and bytes

    /// The length of a string: nil for null.
    private mutating func stringLength(flexible: Bool) throws(WireError) -> Int? {
        let length = flexible ? Int(try readUnsignedVarint()) - 1 : Int(try integer(Int16.self))
        guard length >= 0 else { return nil }
        guard length <= buffer.readableBytes else { throw WireError.truncated }
        return length
    }

    /// A string, or nil for null.
    @inline(never)
    public mutating func readNullableString(flexible: Bool) throws(WireError) -> String? {
        guard let length = try stringLength(flexible: flexible) else { return nil }
        guard let string = buffer.readString(length: length) else { throw WireError.truncated }
        return string
    }

    /// A string that may not be null.
    @inline(never)
    public mutating func readString(flexible: Bool) throws(WireError) -> String {
        guard let string = try readNullableString(flexible: flexible) else {
            throw WireError("a string is null where none may be")
        }
        return string
    }

    /// Bytes as a slice of the buffer, or nil for null.
    @inline(never)
    public mutating func readNullableBytes(flexible: Bool) throws(WireError) -> ByteBuffer? {
        let length = flexible ? Int(try readUnsignedVarint()) - 1 : Int(try integer(Int32.self))
        guard length >= 0 else { return nil }
        guard let slice = buffer.readSlice(length: length) else { throw WireError.truncated }
        return slice
    }

    /// Bytes that may not be null, as a slice of the buffer.
    @inline(never)
    public mutating func readBytes(flexible: Bool) throws(WireError) -> ByteBuffer {
        guard let bytes = try readNullableBytes(flexible: flexible) else {
            throw WireError("bytes are null where none may be")
        }
        return bytes
    }

    // MARK: - Arrays and tagged fields

    /// The number of elements of an array, nil for null. `elementSize` is the least number of bytes an element takes:
    /// a count that the remaining bytes cannot hold is an error before anything is allocated.
    @inline(never)
    public mutating func readNullableArrayCount(flexible: Bool, elementSize: Int) throws(WireError) -> Int? {
        let count = flexible ? Int(try readUnsignedVarint()) - 1 : Int(try integer(Int32.self))
        guard count >= 0 else { return nil }
        guard count <= buffer.readableBytes / max(1, elementSize) else { throw WireError.truncated }
        return count
    }

    /// The number of elements of an array that may not be null.
    @inline(never)
    public mutating func readArrayCount(flexible: Bool, elementSize: Int) throws(WireError) -> Int {
        guard let count = try readNullableArrayCount(flexible: flexible, elementSize: elementSize) else {
            throw WireError("an array is null where none may be")
        }
        return count
    }

    /// Tag and size of a tagged field, and what must be left after it.
    public struct TagHeader: Sendable {
        /// The field's tag.
        public let tag: UInt32
        /// The bytes that the field takes.
        public let size: Int
        let remainingAfter: Int
    }

    /// The number of tagged fields that follow.
    @inline(never)
    public mutating func readTagCount() throws(WireError) -> Int {
        let count = Int(try readUnsignedVarint())
        guard count <= buffer.readableBytes / 2 else { throw WireError.truncated }
        return count
    }

    /// Begins a tagged field.
    @inline(never)
    public mutating func readTagHeader() throws(WireError) -> TagHeader {
        let tag = try readUnsignedVarint()
        let size = Int(try readUnsignedVarint())
        guard size <= buffer.readableBytes else { throw WireError.truncated }
        return TagHeader(tag: tag, size: size, remainingAfter: buffer.readableBytes - size)
    }

    /// Ends a tagged field: all of its bytes must have been read, and no more.
    public func finishTag(_ header: TagHeader) throws(WireError) {
        guard buffer.readableBytes == header.remainingAfter else {
            throw WireError("tagged field \(header.tag) does not take the \(header.size) bytes it announces")
        }
    }

    /// Skips a tag section whose fields are all unknown.
    @inline(never)
    public mutating func skipTags() throws(WireError) {
        for _ in 0..<(try readTagCount()) {
            try skip(try readTagHeader().size)
        }
    }

    /// Skips `count` bytes.
    @inline(never)
    public mutating func skip(_ count: Int) throws(WireError) {
        guard count >= 0, count <= buffer.readableBytes else { throw WireError.truncated }
        buffer.moveReaderIndex(forwardBy: count)
    }
}
