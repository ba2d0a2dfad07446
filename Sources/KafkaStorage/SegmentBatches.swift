internal import KafkaProtocol
internal import NIOCore

/// Reads a segment's batches whole, one after the other, a megabyte at once; for the cleaner, which needs the records.
struct SegmentBatches {
    private let view: SegmentView
    private var position: Int64
    private var reader = RecordBatchReader(ByteBuffer())

    private static let windowSize = 1 << 20

    /// The batches from `position` on, where one begins.
    init(_ view: SegmentView, from position: Int64 = 0) {
        self.view = view
        self.position = position
    }

    /// Whether the batch given last is the segment's last.
    var isAtEnd: Bool { position >= view.size }

    /// The next batch, its checksum verified; nil at the end.
    /// - Throws: `.corruptRecord` if there is none where one should be.
    mutating func next() throws(StorageError) -> RecordBatch? {
        guard !isAtEnd else { return nil }
        if let batch = try parse() { return batch }
        try fill(Self.windowSize)
        if let batch = try parse() { return batch }
        let size: Int
        do throws(RecordError) {
            size = try RecordBatchHeader(parsing: reader.remaining).totalSize
        } catch {
            throw damaged(error.message)
        }
        try fill(size)
        guard let batch = try parse() else { throw damaged("the segment ends in a batch") }
        return batch
    }

    private mutating func parse() throws(StorageError) -> RecordBatch? {
        do throws(RecordError) {
            guard let batch = try reader.next() else { return nil }
            guard batch.isChecksumValid else {
                throw RecordError(.corrupt, "the batch at offset \(batch.header.baseOffset) has a wrong checksum")
            }
            position += Int64(batch.header.totalSize)
            return batch
        } catch {
            throw damaged(error.message)
        }
    }

    private func damaged(_ reason: String) -> StorageError {
        StorageError(
            .corruptRecord, "\(view.offsetIndex.path): the log at position \(position) cannot be cleaned: \(reason)")
    }

    private mutating func fill(_ wanted: Int) throws(StorageError) {
        let length = Int(min(Int64(wanted), view.size - position))
        reader = RecordBatchReader(try FileSlice(file: view.file, position: position, length: length).readBytes())
    }
}
