import CZlib
import NIOCore

/// RFC 1952 through zlib.
enum Gzip {
    private static let gzipWindowBits = 15 + 16
    private static let memoryLevel: Int32 = 8

    static func compress(
        _ bytes: UnsafeRawBufferPointer, level: Int?, into out: inout ByteBuffer
    ) throws(RecordError) {
        var stream = z_stream()
        let level = Int32(min(max(level ?? -1, -1), 9))
        let opened = deflateInit2_(
            &stream, level, Z_DEFLATED, Int32(gzipWindowBits), memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK, bytes.count <= Int(Int32.max) else { throw failure("cannot compress", opened) }
        defer { deflateEnd(&stream) }
        stream.setInput(bytes)
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        var status = Z_OK
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
            stream.setOutput(memory)
            status = deflate(&stream, Z_FINISH)
            return memory.count - Int(stream.avail_out)
        }
        guard status == Z_STREAM_END else { throw failure("cannot compress", status) }
    }

    /// Reads all members; what follows the last one and is none is ignored, as `java.util.zip.GZIPInputStream` does.
    static func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(RecordError) -> ByteBuffer {
        var stream = z_stream()
        let opened = inflateInit2_(
            &stream, Int32(gzipWindowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK, bytes.count <= Int(Int32.max) else { throw failure("cannot decompress", opened) }
        defer { inflateEnd(&stream) }
        stream.setInput(bytes)
        var out = BoundedOutput(limit: limit, hint: bytes.count * 4)
        while true {
            var status = Z_OK
            try out.write { memory in
                stream.setOutput(memory)
                status = inflate(&stream, Z_NO_FLUSH)
                return memory.count - Int(stream.avail_out)
            }
            switch status {
            case Z_OK: continue
            case Z_STREAM_END:
                guard nextMemberFollows(stream) else { return out.buffer }
                inflateReset(&stream)
            default: throw failure("gzip data is damaged or cut off", status)
            }
        }
    }

    private static func nextMemberFollows(_ stream: z_stream) -> Bool {
        guard stream.avail_in > 2, let next = stream.next_in else { return false }
        return next[0] == 0x1f && next[1] == 0x8b
    }

    private static func failure(_ text: String, _ status: Int32) -> RecordError {
        RecordError(.compressionFailed, "\(text) (zlib \(status))")
    }
}

extension z_stream {
    /// zlib reads, but never writes, through `next_in`.
    fileprivate mutating func setInput(_ bytes: UnsafeRawBufferPointer) {
        next_in = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: UInt8.self)
        avail_in = UInt32(bytes.count)
    }

    fileprivate mutating func setOutput(_ memory: UnsafeMutableRawBufferPointer) {
        next_out = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
        avail_out = UInt32(memory.count)
    }
}
