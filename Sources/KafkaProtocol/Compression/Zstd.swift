import CZstd
import NIOCore

/// RFC 8878 through libzstd.
enum Zstd {
    /// `ZSTD_CONTENTSIZE_UNKNOWN` is the largest number, `ZSTD_CONTENTSIZE_ERROR` the one before.
    private static let smallestSizeError = UInt64.max - 1

    static func compress(
        _ bytes: UnsafeRawBufferPointer, level: Int?, into out: inout ByteBuffer
    ) throws(RecordError) {
        let level = level.map { min(max(Int32(clamping: $0), ZSTD_minCLevel()), ZSTD_maxCLevel()) }
        var written = 0
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: ZSTD_compressBound(bytes.count)) { memory in
            written = ZSTD_compress(
                memory.baseAddress, memory.count, bytes.baseAddress, bytes.count, level ?? ZSTD_defaultCLevel())
            return ZSTD_isError(written) == 0 ? written : 0
        }
        guard ZSTD_isError(written) == 0 else { throw RecordError(.compressionFailed, "zstd cannot compress") }
    }

    /// Reads all frames.
    static func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(RecordError) -> ByteBuffer {
        guard let context = ZSTD_createDCtx() else { throw RecordError(.compressionFailed, "zstd cannot start") }
        defer { ZSTD_freeDCtx(context) }
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog(limit))
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var out = BoundedOutput(limit: limit, hint: try sizeHint(bytes, limit))
        while true {
            var produced = 0
            var status = 0
            let before = input.pos
            try out.write { memory in
                var output = ZSTD_outBuffer(dst: memory.baseAddress, size: memory.count, pos: 0)
                status = ZSTD_decompressStream(context, &output, &input)
                produced = output.pos
                return ZSTD_isError(status) == 0 ? produced : 0
            }
            guard ZSTD_isError(status) == 0 else { throw damaged }
            if status == 0, input.pos == input.size { return out.buffer }
            guard produced > 0 || input.pos > before else { throw damaged }
        }
    }

    /// The size that the first frame claims, if it is believable: then libzstd decompresses in one go.
    private static func sizeHint(_ bytes: UnsafeRawBufferPointer, _ limit: Int) throws(RecordError) -> Int {
        let claimed = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        guard claimed < smallestSizeError else { return bytes.count * 4 }
        guard claimed <= UInt64(max(limit, 0)) else { throw BoundedOutput.tooLarge(limit) }
        return min(Int(claimed) + 1, bytes.count * 64 + 4096)
    }

    /// A frame of a few bytes may ask for a window of 128 MiB: allow as much as the output may be, and 8 MiB at least,
    /// because frames that were written as a stream name the window of their level, however short they are (RFC 8878
    /// asks every decoder for 8 MiB).
    private static func windowLog(_ limit: Int) -> Int32 {
        let bits = Int.bitWidth - max(limit - 1, 1).leadingZeroBitCount
        return Int32(min(max(bits, 23), 27))
    }

    private static var damaged: RecordError { RecordError(.compressionFailed, "zstd data is damaged or cut off") }
}
