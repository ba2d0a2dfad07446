internal import KafkaProtocol
internal import NIOCore

/// A segment on its way out of compaction: the file `<base offset>.log.cleaned` and the index entries that it will have.
struct CleanedSegment: Sendable {
    let baseOffset: Int64
    /// When the newest of the segments that it replaces was begun.
    let created: Int64
    let file: any StorageFile
    private(set) var size: Int64 = 0
    private(set) var offsetEntries: [OffsetIndexEntry] = []
    private(set) var timeEntries: [TimeIndexEntry] = []
    private(set) var firstTimestamp: Int64?
    private(set) var maxTimestamp: Int64 = -1
    private(set) var offsetOfMaxTimestamp: Int64 = -1
    private var bytesSinceLastIndexEntry = 0
    private var buffer = ByteBuffer()

    private static let bufferSize = 1 << 20

    init(baseOffset: Int64, created: Int64, file: any StorageFile) {
        self.baseOffset = baseOffset
        self.created = created
        self.file = file
    }

    /// Adds a batch. Its bytes are in the file after `flush`.
    mutating func append(_ batch: ByteBuffer, _ header: RecordBatchHeader, indexInterval: Int) throws(StorageError) {
        guard size + Int64(batch.readableBytes) <= Int64(Int32.max) else {
            throw StorageError(.io, "segment \(baseOffset) is too large when it is cleaned")
        }
        note(header, indexInterval)
        buffer.writeImmutableBuffer(batch)
        size += Int64(batch.readableBytes)
        bytesSinceLastIndexEntry += batch.readableBytes
        if buffer.readableBytes >= Self.bufferSize { try flush() }
    }

    /// As `LogSegment` does when a batch is appended.
    private mutating func note(_ header: RecordBatchHeader, _ indexInterval: Int) {
        if firstTimestamp == nil { firstTimestamp = header.maxTimestamp }
        if header.maxTimestamp > maxTimestamp {
            maxTimestamp = header.maxTimestamp
            offsetOfMaxTimestamp = header.lastOffset
        }
        guard bytesSinceLastIndexEntry > indexInterval else { return }
        offsetEntries.append(
            OffsetIndexEntry(
                relativeOffset: Int32(clamping: header.lastOffset - baseOffset), position: Int32(clamping: size)))
        if maxTimestamp >= 0, maxTimestamp > timeEntries.last?.timestamp ?? -1 {
            timeEntries.append(
                TimeIndexEntry(
                    timestamp: maxTimestamp, relativeOffset: Int32(clamping: offsetOfMaxTimestamp - baseOffset)))
        }
        bytesSinceLastIndexEntry = 0
    }

    mutating func flush() throws(StorageError) {
        var failure: StorageError?
        let position = size - Int64(buffer.readableBytes)
        buffer.withUnsafeReadableBytes { bytes in
            do throws(StorageError) {
                try file.write(UnsafeRawBufferPointer(start: nil, count: 0), bytes, at: position)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        buffer.clear()
    }
}
