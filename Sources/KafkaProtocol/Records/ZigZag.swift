/// Zigzag varints, as records use them (`org.apache.kafka.common.utils.ByteUtils`): sizes and writing. For reading see
/// `RecordCursor`.
enum ZigZag {
    @inline(__always)
    static func encode(_ value: Int32) -> UInt32 { UInt32(bitPattern: (value << 1) ^ (value >> 31)) }

    @inline(__always)
    static func encode(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    @inline(__always)
    static func decode(_ raw: UInt32) -> Int32 { Int32(bitPattern: raw >> 1) ^ -Int32(bitPattern: raw & 1) }

    @inline(__always)
    static func decode(_ raw: UInt64) -> Int64 { Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1) }

    /// How many bytes `value` takes: 1 to 5 in the range of Int32, up to 10 beyond.
    @inline(__always)
    static func size(_ value: Int64) -> Int {
        let bits = 64 - (encode(value) | 1).leadingZeroBitCount
        return (bits + 6) / 7
    }

    /// How many bytes a length takes.
    @inline(__always)
    static func size(_ value: Int) -> Int { size(Int64(value)) }
}

/// Writes at rising positions of memory that the caller has measured beforehand.
struct RecordWriter {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var position = 0

    init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        memory[position] = value
        position += 1
    }

    @inline(__always)
    mutating func varint(_ value: Int64) {
        var raw = ZigZag.encode(value)
        while raw >= 0x80 {
            byte(UInt8(truncatingIfNeeded: raw) | 0x80)
            raw >>= 7
        }
        byte(UInt8(truncatingIfNeeded: raw))
    }

    /// A length as varint, then the bytes; -1 for nil.
    @inline(__always)
    mutating func lengthPrefixed(_ bytes: UnsafeRawBufferPointer?) {
        guard let bytes else { return varint(-1) }
        varint(Int64(bytes.count))
        UnsafeMutableRawBufferPointer(rebasing: memory[position..<(position + bytes.count)]).copyMemory(from: bytes)
        position += bytes.count
    }
}
