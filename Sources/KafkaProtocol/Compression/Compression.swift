public import NIOCore

/// The codecs of record batches, over the system's libraries.
public enum Compression {
    /// Compresses a buffer's readable bytes. `level` is the codec's own; nil is its default, and it is clamped to the
    /// codec's range. Snappy has none.
    public static func compress(
        _ buffer: ByteBuffer, _ type: CompressionType, level: Int? = nil
    ) throws(RecordError) -> ByteBuffer {
        var out = ByteBuffer()
        try buffer.withUnsafeReadableBytes { (bytes) throws(RecordError) in
            try compress(bytes, type, level: level, into: &out)
        }
        return out
    }

    /// Decompresses a buffer's readable bytes to at most `limit` bytes; more is an error of code `.tooLarge`.
    ///
    /// Memory follows what has been decompressed, not what the compressed bytes claim.
    public static func decompress(
        _ buffer: ByteBuffer, type: CompressionType, limit: Int
    ) throws(RecordError) -> ByteBuffer {
        guard type != .none else {
            guard buffer.readableBytes <= limit else { throw BoundedOutput.tooLarge(limit) }
            return buffer
        }
        return try buffer.withUnsafeReadableBytes { (bytes) throws(RecordError) in
            switch type {
            case .none: buffer
            case .gzip: try Gzip.decompress(bytes, limit: limit)
            case .snappy: try Snappy.decompress(bytes, limit: limit)
            case .lz4: try LZ4.decompress(bytes, limit: limit)
            case .zstd: try Zstd.decompress(bytes, limit: limit)
            }
        }
    }

    /// Compresses memory and appends the outcome to `out`.
    static func compress(
        _ bytes: UnsafeRawBufferPointer, _ type: CompressionType, level: Int?, into out: inout ByteBuffer
    ) throws(RecordError) {
        switch type {
        case .none: out.writeBytes(bytes)
        case .gzip: try Gzip.compress(bytes, level: level, into: &out)
        case .snappy: try Snappy.compress(bytes, into: &out)
        case .lz4: try LZ4.compress(bytes, level: level, into: &out)
        case .zstd: try Zstd.compress(bytes, level: level, into: &out)
        }
    }
}

/// The output of a decompressor: grows by doubling, never beyond one byte more than the limit (that byte tells "too
/// much").
struct BoundedOutput {
    private(set) var buffer: ByteBuffer
    let limit: Int

    /// `hint` is where to begin; it is taken from the input's size, which the caller has in memory already.
    init(limit: Int, hint: Int) {
        self.limit = min(max(limit, 0), Int(Int32.max) - 1)
        buffer = ByteBuffer()
        buffer.reserveCapacity(min(self.limit + 1, max(hint, 512)))
    }

    static func tooLarge(_ limit: Int) -> RecordError {
        RecordError(.tooLarge, "the records decompress to more than the \(limit) bytes allowed")
    }

    /// Gives `body` free memory, at least a byte; `body` returns how much it has filled.
    mutating func write(_ body: (UnsafeMutableRawBufferPointer) -> Int) throws(RecordError) {
        if buffer.writableBytes == 0 {
            buffer.reserveCapacity(min(limit + 1, buffer.readableBytes * 2))
        }
        let room = limit + 1 - buffer.readableBytes
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { memory in
            body(UnsafeMutableRawBufferPointer(rebasing: memory.prefix(room)))
        }
        guard buffer.readableBytes <= limit else { throw Self.tooLarge(limit) }
    }

    /// Gives `body` exactly `count` bytes of memory, which it fills or returns false.
    mutating func write(exactly count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Bool) throws(RecordError) -> Bool
    {
        guard count <= limit - buffer.readableBytes else { throw Self.tooLarge(limit) }
        var isFilled = false
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { memory in
            isFilled = body(UnsafeMutableRawBufferPointer(rebasing: memory.prefix(count)))
            return isFilled ? count : 0
        }
        return isFilled
    }
}
