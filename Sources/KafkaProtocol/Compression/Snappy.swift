import CSnappy
import NIOCore

/// Snappy: written in the framing of the Java library (xerial `SnappyOutputStream`), as all Kafka clients expect; read
/// in that framing or raw (librdkafka and others write raw).
///
/// The framing is a header of 16 bytes, then for each block of 32 KiB its compressed length (big endian) and its raw
/// Snappy bytes.
enum Snappy {
    private static let header: [UInt8] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    private static let magicLength = 8
    private static let blockSize = 32 * 1024
    /// A copy of 3 bytes gives at most 64; a claim beyond this many times the input is a lie.
    private static let largestRatio = 64

    static func compress(_ bytes: UnsafeRawBufferPointer, into out: inout ByteBuffer) throws(RecordError) {
        out.writeBytes(header)
        var position = 0
        while position < bytes.count {
            let end = min(position + blockSize, bytes.count)
            try compressBlock(UnsafeRawBufferPointer(rebasing: bytes[position..<end]), into: &out)
            position = end
        }
    }

    private static func compressBlock(
        _ block: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) throws(RecordError) {
        let lengthIndex = out.writerIndex
        out.writeInteger(Int32(0))
        var length = snappy_max_compressed_length(block.count)
        var status = SNAPPY_OK
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { memory in
            status = snappy_compress(
                block.baseAddress?.assumingMemoryBound(to: CChar.self), block.count,
                memory.baseAddress?.assumingMemoryBound(to: CChar.self), &length)
            return status == SNAPPY_OK ? length : 0
        }
        guard status == SNAPPY_OK else { throw RecordError(.compressionFailed, "snappy cannot compress") }
        out.setInteger(Int32(length), at: lengthIndex)
    }

    static func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(RecordError) -> ByteBuffer {
        var out = BoundedOutput(limit: limit, hint: 0)
        guard startsFrame(bytes) else {
            try decompressBlock(bytes, into: &out)
            return out.buffer
        }
        // Version and compatible version are ignored, as kafka-python does: some producers write them little endian.
        var position = header.count
        while position < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            if startsFrame(rest) {  // frames may be strung together
                position += header.count
                continue
            }
            guard rest.count >= 4 else { throw damaged }
            let length = Int(Int32(bigEndian: rest.loadUnaligned(as: Int32.self)))
            guard length > 0, length <= rest.count - 4 else { throw damaged }
            try decompressBlock(UnsafeRawBufferPointer(rebasing: rest[4..<(4 + length)]), into: &out)
            position += 4 + length
        }
        return out.buffer
    }

    private static var damaged: RecordError { RecordError(.compressionFailed, "snappy data is damaged or cut off") }

    private static func startsFrame(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= header.count && bytes.prefix(magicLength).elementsEqual(header.prefix(magicLength))
    }

    private static func decompressBlock(
        _ block: UnsafeRawBufferPointer, into out: inout BoundedOutput
    ) throws(RecordError) {
        let input = block.baseAddress?.assumingMemoryBound(to: CChar.self)
        var length = 0
        guard snappy_uncompressed_length(input, block.count, &length) == SNAPPY_OK,
            length <= block.count * largestRatio
        else { throw damaged }
        let isFilled = try out.write(exactly: length) { memory in
            var written = length
            let status = snappy_uncompress(
                input, block.count, memory.baseAddress?.assumingMemoryBound(to: CChar.self), &written)
            return status == SNAPPY_OK && written == length
        }
        guard isFilled else { throw damaged }
    }
}
