public import NIOCore

/// Writes Kafka's primitive types to a growing buffer.
public struct WireWriter: Sendable {
    /// A part of what has been written.
    public enum Piece: Sendable {
        /// Bytes to send as they are.
        case bytes(ByteBuffer)
        /// The place of a field of `externalLengths`, by its position there: the sender adds its bytes.
        case external(Int)
    }

    /// What has been written.
    public var buffer: ByteBuffer
    /// Bytes fields of at least this size are kept apart instead of being copied, for a sender that writes `pieces`.
    public var keepsApartFrom = Int.max
    /// Lengths of the bytes fields, in the order in which they are written, whose bytes the sender of `pieces` adds itself
    /// (sendfile). 0, and any field beyond the list, is for a field that is written as it is.
    public var externalLengths: [Int] = []
    private var fieldsWritten = 0
    /// The fields kept apart, each with its place in `buffer`.
    private var apart: [(index: Int, piece: Piece, length: Int)] = []

    /// A writer with room for `capacity` bytes before it grows.
    public init(capacity: Int = 0) {
        var buffer = ByteBuffer()
        if capacity > 0 { buffer.reserveCapacity(capacity) }
        self.buffer = buffer
    }

    /// A writer that appends to `buffer`.
    public init(appendingTo buffer: ByteBuffer) {
        self.buffer = buffer
    }

    /// One byte, 1 or 0.
    @inline(never)
    public mutating func writeBool(_ value: Bool) { buffer.writeInteger(value ? 1 : 0, as: UInt8.self) }
    /// A signed byte.
    @inline(never)
    public mutating func writeInt8(_ value: Int8) { buffer.writeInteger(value) }
    /// A big-endian 16-bit integer.
    @inline(never)
    public mutating func writeInt16(_ value: Int16) { buffer.writeInteger(value) }
    /// A big-endian unsigned 16-bit integer.
    @inline(never)
    public mutating func writeUint16(_ value: UInt16) { buffer.writeInteger(value) }
    /// A big-endian 32-bit integer.
    @inline(never)
    public mutating func writeInt32(_ value: Int32) { buffer.writeInteger(value) }
    /// A big-endian unsigned 32-bit integer.
    @inline(never)
    public mutating func writeUint32(_ value: UInt32) { buffer.writeInteger(value) }
    /// A big-endian 64-bit integer.
    @inline(never)
    public mutating func writeInt64(_ value: Int64) { buffer.writeInteger(value) }
    /// An IEEE 754 double.
    @inline(never)
    public mutating func writeFloat64(_ value: Double) { buffer.writeInteger(value.bitPattern) }

    /// Sixteen bytes.
    @inline(never)
    public mutating func writeUuid(_ value: KafkaUUID) {
        buffer.writeInteger(value.high)
        buffer.writeInteger(value.low)
    }

    /// An unsigned LEB128 integer.
    @inline(never)
    public mutating func writeUnsignedVarint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
    }

    /// A string; one longer than the old form's 32,767 bytes is cut there at a character's edge.
    @inline(never)
    public mutating func writeString(_ value: String, flexible: Bool) {
        if flexible {
            writeUnsignedVarint(UInt32(value.utf8.count) + 1)
            buffer.writeString(value)
            return
        }
        var fitting = Substring(value)
        while fitting.utf8.count > Int(Int16.max) {
            fitting = fitting.dropLast(max(1, (fitting.utf8.count - 32_767) / 4))
        }
        writeInt16(Int16(fitting.utf8.count))
        buffer.writeSubstring(fitting)
    }

    /// The absent string.
    @inline(never)
    public mutating func writeNullString(flexible: Bool) {
        if flexible { writeUnsignedVarint(0) } else { writeInt16(-1) }
    }

    /// The readable bytes of `value`.
    @inline(never)
    public mutating func writeBytes(_ value: ByteBuffer, flexible: Bool) {
        let field = fieldsWritten
        fieldsWritten += 1
        let external = field < externalLengths.count ? externalLengths[field] : 0
        let length = external > 0 ? external : value.readableBytes
        if flexible {
            writeUnsignedVarint(UInt32(length) + 1)
        } else {
            writeInt32(Int32(length))
        }
        if external > 0 { return apart.append((buffer.writerIndex, .external(field), length)) }
        guard length < keepsApartFrom else { return apart.append((buffer.writerIndex, .bytes(value), length)) }
        buffer.writeImmutableBuffer(value)
    }

    /// How many bytes have been written, those kept apart included.
    public var writtenBytes: Int { apart.reduce(buffer.readableBytes) { $0 + $1.length } }

    /// What has been written, in order, without copies of the fields that were kept apart.
    public var pieces: [Piece] {
        var pieces: [Piece] = []
        var start = buffer.readerIndex
        for field in apart {
            if let before = buffer.getSlice(at: start, length: field.index - start) { pieces.append(.bytes(before)) }
            pieces.append(field.piece)
            start = field.index
        }
        if let rest = buffer.getSlice(at: start, length: buffer.writerIndex - start), rest.readableBytes > 0 {
            pieces.append(.bytes(rest))
        }
        return pieces
    }

    /// Absent bytes.
    @inline(never)
    public mutating func writeNullBytes(flexible: Bool) {
        if flexible { writeUnsignedVarint(0) } else { writeInt32(-1) }
    }

    /// The number of elements that follow.
    @inline(never)
    public mutating func writeArrayCount(_ count: Int, flexible: Bool) {
        if flexible { writeUnsignedVarint(UInt32(count) + 1) } else { writeInt32(Int32(count)) }
    }

    /// The absent array.
    @inline(never)
    public mutating func writeNullArray(flexible: Bool) {
        if flexible { writeUnsignedVarint(0) } else { writeInt32(-1) }
    }
}

/// Collects the tagged fields of one struct, which are preceded by their number (KIP-482).
struct TaggedFieldWriter {
    private var count: UInt32 = 0
    private var body = WireWriter()

    /// Adds a field; tags must come in rising order.
    mutating func add(_ tag: UInt32, _ field: WireWriter) {
        count += 1
        body.writeUnsignedVarint(tag)
        body.writeUnsignedVarint(UInt32(field.buffer.readableBytes))
        body.buffer.writeImmutableBuffer(field.buffer)
    }

    func finish(into writer: inout WireWriter) {
        writer.writeUnsignedVarint(count)
        writer.buffer.writeImmutableBuffer(body.buffer)
    }
}
