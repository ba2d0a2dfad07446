import CLz4
import NIOCore

/// LZ4 frames, written as Kafka's Java client does (`Lz4BlockOutputStream`): independent blocks of 64 KiB without
/// checksums. The Java client could not read dependent blocks.
enum LZ4 {
    static func compress(
        _ bytes: UnsafeRawBufferPointer, level: Int?, into out: inout ByteBuffer
    ) throws(RecordError) {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.compressionLevel = Int32(min(max(level ?? 0, -65_536), 17))
        let bound = LZ4F_compressFrameBound(bytes.count, &preferences)
        var written = 0
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
            written = LZ4F_compressFrame(memory.baseAddress, memory.count, bytes.baseAddress, bytes.count, &preferences)
            return LZ4F_isError(written) == 0 ? written : 0
        }
        guard LZ4F_isError(written) == 0 else { throw RecordError(.compressionFailed, "lz4 cannot compress") }
    }

    /// Reads the first frame; what follows it is ignored, as the Java client does.
    static func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(RecordError) -> ByteBuffer {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context else {
            throw RecordError(.compressionFailed, "lz4 cannot start")
        }
        defer { LZ4F_freeDecompressionContext(context) }
        var out = BoundedOutput(limit: limit, hint: bytes.count * 4)
        var position = 0
        while true {
            var consumed = bytes.count - position
            var produced = 0
            var status = 0
            try out.write { memory in
                produced = memory.count
                status = LZ4F_decompress(
                    context, memory.baseAddress, &produced, bytes.baseAddress.map { $0 + position }, &consumed, nil)
                return LZ4F_isError(status) == 0 ? produced : 0
            }
            guard LZ4F_isError(status) == 0 else { throw damaged }
            position += consumed
            if status == 0 { return out.buffer }
            guard produced > 0 || consumed > 0 else { throw damaged }
        }
    }

    private static var damaged: RecordError { RecordError(.compressionFailed, "lz4 data is damaged or cut off") }
}
