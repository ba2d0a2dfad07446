public import NIOCore

/// What an append did.
public struct LogAppendInfo: Sendable, Equatable {
    /// Offset of the batch's first record.
    public var baseOffset: Int64
    /// Offset of the batch's last record.
    public var lastOffset: Int64
    /// The broker's time that the records carry, -1 if they carry the producer's.
    public var logAppendTime: Int64
    /// The log's first offset after the append.
    public var logStartOffset: Int64
    /// The batch was in the log already (idempotent producer); the offsets are those of then.
    public var isDuplicate: Bool
}

/// What a read found.
public struct LogReadResult: Sendable {
    /// Whole batches, the first of which holds the asked offset or is the next one after it; nil if there is nothing to
    /// return.
    public var slice: FileSlice?
    /// The log's first offset.
    public var logStartOffset: Int64
    /// The offset that the next record gets; with one replica also the high watermark.
    public var logEndOffset: Int64
    /// The base offset of the batch behind the slice, if it was looked for and lies in the same segment.
    var sliceEndOffset: Int64?

    init(slice: FileSlice?, logStartOffset: Int64, logEndOffset: Int64) {
        self.slice = slice
        self.logStartOffset = logStartOffset
        self.logEndOffset = logEndOffset
    }
}

/// Bytes in a segment's file. The handle is held by reference: the slice stays readable when its segment is deleted.
public struct FileSlice: Sendable {
    /// The file, for `sendfile` through its `fileDescriptor`.
    public let file: any StorageFile
    /// Position of the first byte.
    public let position: Int64
    /// Number of bytes.
    public let length: Int

    /// Copies the bytes into memory.
    public func readBytes(allocator: ByteBufferAllocator = ByteBufferAllocator()) throws(StorageError) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: length)
        try read(into: &buffer)
        return buffer
    }

    /// Copies the bytes to the end of a buffer.
    public func read(into buffer: inout ByteBuffer) throws(StorageError) {
        var failure: StorageError?
        let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { raw in
            do throws(StorageError) {
                return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[..<length]), at: position)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        guard count == length else {
            throw StorageError(.io, "\(length) bytes were to be read at position \(position), the file has \(count)")
        }
    }
}

/// What opening a log had to repair.
public struct LogRecoveryReport: Sendable, Equatable {
    /// Bytes whose batches were checked.
    public var scannedBytes: Int64 = 0
    /// Bytes cut off at the end.
    public var truncatedBytes: Int64 = 0
    /// Why they were cut off.
    public var truncationReason: String?
    /// Segments behind the cut that were removed.
    public var removedSegments = 0
}

/// The result of walking a segment to its end.
struct ScanResult {
    /// The offset behind the last valid batch; nil if there is no batch in the range.
    var nextOffset: Int64?
    /// Why the walk ended before the file did.
    var invalid: String?
    var scannedBytes: Int64 = 0
}
