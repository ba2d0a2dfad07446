public import NIOCore

/// One whole record batch: its header, and its records when asked for.
public struct RecordBatch: Sendable {
    /// The parsed header.
    public let header: RecordBatchHeader
    /// The batch's bytes, header included: as stored and sent.
    public let buffer: ByteBuffer

    /// What a batch may decompress to unless told otherwise: 128 MiB.
    public static let defaultDecompressionLimit = 128 << 20

    /// Length of the shortest record in bytes.
    static let shortestRecord = 7

    /// Reads the batch at the start of `buffer`, which must hold it whole; bytes after it are left alone.
    public init(_ buffer: ByteBuffer) throws(RecordError) {
        let header = try RecordBatchHeader(parsing: buffer)
        guard let batch = buffer.getSlice(at: buffer.readerIndex, length: header.totalSize) else {
            throw RecordError(.truncated, "a batch of \(header.totalSize) bytes has only \(buffer.readableBytes)")
        }
        self.header = header
        self.buffer = batch
    }

    /// True if the checksum in the header is that of the bytes.
    public var isChecksumValid: Bool {
        buffer.withUnsafeReadableBytes { bytes in
            CRC32C.checksum(.init(rebasing: bytes[RecordBatchHeader.checksummedFrom...])) == header.crc
        }
    }

    /// All records, as slices of the batch or of its decompressed bytes.
    public func records(
        decompressionLimit: Int = RecordBatch.defaultDecompressionLimit
    ) throws(RecordError) -> [Record] {
        let bytes = try recordBytes(limit: decompressionLimit)
        var records: [Record] = []
        records.reserveCapacity(Int(header.recordCount))
        try visit(bytes) { (view, start) throws(RecordError) in
            records.append(Record(view, in: bytes, startingAt: start))
            return true
        }
        return records
    }

    /// Visits all records without allocating for any; the views are valid only inside `body`.
    public func forEachRecord(
        decompressionLimit: Int = RecordBatch.defaultDecompressionLimit,
        _ body: (RecordView) throws(RecordError) -> Void
    ) throws(RecordError) {
        try visit(try recordBytes(limit: decompressionLimit)) { (view, _) throws(RecordError) in
            try body(view)
            return true
        }
    }

    /// The first record for which `predicate` holds; later records are not looked at.
    public func first(
        decompressionLimit: Int = RecordBatch.defaultDecompressionLimit,
        where predicate: (RecordView) -> Bool
    ) throws(RecordError) -> Record? {
        let bytes = try recordBytes(limit: decompressionLimit)
        var found: Record?
        try visit(bytes) { (view, start) throws(RecordError) in
            guard predicate(view) else { return true }
            found = Record(view, in: bytes, startingAt: start)
            return false
        }
        return found
    }

    /// The records' bytes, decompressed, once it is sure that they can hold as many records as the header says.
    func recordBytes(limit: Int) throws(RecordError) -> ByteBuffer {
        var body = buffer
        body.moveReaderIndex(forwardBy: RecordBatchHeader.size)
        if header.compression != .none, header.recordCount != 0 {
            body = try Compression.decompress(body, type: header.compression, limit: limit)
        }
        guard header.recordCount >= 0, Int(header.recordCount) <= body.readableBytes / Self.shortestRecord else {
            throw RecordError(.corrupt, "\(header.recordCount) records cannot be in \(body.readableBytes) bytes")
        }
        return body
    }

    /// Walks the records until `body` returns false; inlined, so that `body` costs no call. `body` is given the address of the first byte, to make slices.
    @inline(__always)
    func visit(
        _ records: ByteBuffer,
        _ body: (RecordView, UnsafeRawBufferPointer) throws(RecordError) -> Bool
    ) throws(RecordError) {
        try records.withUnsafeReadableBytes { (bytes) throws(RecordError) in
            var cursor = RecordCursor(bytes)
            let context = RecordContext(header)
            for index in 0..<header.recordCount {
                let view: RecordView
                do throws(RecordFault) {
                    view = try cursor.record(context)
                } catch {
                    throw RecordError(.corrupt, "record \(index) of the batch at \(header.baseOffset): \(error.text)")
                }
                guard try body(view, bytes) else { return }
            }
            guard cursor.isAtEnd else {
                throw RecordError(
                    .corrupt, "\(bytes.count - cursor.position) bytes follow the last record of the batch")
            }
        }
    }
}

extension Record {
    /// Copies a view's headers and slices its key and value out of the buffer that the view points into.
    init(_ view: RecordView, in buffer: ByteBuffer, startingAt start: UnsafeRawBufferPointer) {
        func slice(_ bytes: UnsafeRawBufferPointer?) -> ByteBuffer? {
            guard let bytes, let from = start.baseAddress, let address = bytes.baseAddress else { return nil }
            return buffer.getSlice(at: buffer.readerIndex + (address - from), length: bytes.count)
        }
        offset = view.offset
        timestamp = view.timestamp
        key = slice(view.key)
        value = slice(view.value)
        headers = []
        guard view.headerCount > 0 else { return }
        headers.reserveCapacity(Int(view.headerCount))
        view.forEachHeader { key, value in
            headers.append(RecordHeader(key: String(decoding: key, as: UTF8.self), value: slice(value)))
        }
    }
}

/// Reads the batches of a buffer one after the other. A last batch that is cut off is not an error: a fetch may end so.
public struct RecordBatchReader: Sendable {
    private var rest: ByteBuffer

    /// A reader of the batches in `buffer`'s readable bytes.
    public init(_ buffer: ByteBuffer) { rest = buffer }

    /// The bytes not read yet: at the end, those of an incomplete batch.
    public var remaining: ByteBuffer { rest }

    /// The next batch; nil at the end or where only a part of a batch is left. Throws if the bytes are not a batch; the
    /// reader then stays where it is.
    public mutating func next() throws(RecordError) -> RecordBatch? {
        guard rest.readableBytes >= RecordBatchHeader.size else { return nil }
        let header = try RecordBatchHeader(parsing: rest)
        guard rest.readableBytes >= header.totalSize else { return nil }
        let batch = try RecordBatch(rest)
        rest.moveReaderIndex(forwardBy: header.totalSize)
        return batch
    }
}

/// The batches of a buffer as a sequence. Making it checks the header of every batch, so that iterating cannot fail;
/// records are read, and decompressed, only when asked for. To keep the batches before a damaged one, use
/// ``RecordBatchReader``.
public struct RecordBatchSequence: Sequence, Sendable {
    private let buffer: ByteBuffer

    /// Checks the headers in `buffer`; a last batch that is cut off is left out.
    public init(_ buffer: ByteBuffer) throws(RecordError) {
        self.buffer = buffer
        var reader = RecordBatchReader(buffer)
        while try reader.next() != nil {}
    }

    /// Iterates over the whole batches.
    public func makeIterator() -> Iterator { Iterator(reader: RecordBatchReader(buffer)) }

    /// Gives the whole batches in their order.
    public struct Iterator: IteratorProtocol {
        fileprivate var reader: RecordBatchReader

        /// The next batch, or nil at the end.
        public mutating func next() -> RecordBatch? { (try? reader.next()) ?? nil }
    }
}
