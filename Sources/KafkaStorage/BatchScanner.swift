internal import KafkaProtocol

/// Walks the batches of a segment file, header by header, without decoding records.
struct BatchScanner {
    enum Step {
        /// A batch at `position`; `scanner.bytes(of:)` gives its bytes if the checksum was asked for.
        case batch(RecordBatchHeader, position: Int64)
        /// The end of the range.
        case end
        /// No valid batch at `position`: cut off, a wrong checksum, or not a batch at all.
        case invalid(position: Int64, reason: String)
    }

    private let file: any StorageFile
    private let end: Int64
    private var position: Int64
    private var window: [UInt8] = []
    private var windowStart: Int64 = 0
    private let windowSize: Int

    /// Walks `range` of the file, `windowSize` bytes at once: few to find one batch, many to walk a segment.
    init(_ file: any StorageFile, _ range: Range<Int64>, windowSize: Int = 4096) {
        self.file = file
        self.windowSize = windowSize
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next batch. `verifyingChecksum` reads it whole and compares its CRC.
    mutating func next(verifyingChecksum: Bool = false) throws(StorageError) -> Step {
        guard position < end else { return .end }
        guard end - position >= Int64(RecordBatchHeader.size) else {
            return .invalid(position: position, reason: "\(end - position) bytes are left, less than a batch header")
        }
        guard try fill(RecordBatchHeader.size) else {
            return .invalid(position: position, reason: "the file ends in a batch header")
        }
        let header: RecordBatchHeader
        do throws(RecordError) {
            header = try parse()
        } catch {
            return .invalid(position: position, reason: "\(error)")
        }
        guard Int64(header.totalSize) <= end - position else {
            return .invalid(
                position: position, reason: "a batch of \(header.totalSize) bytes, of which \(end - position) are there"
            )
        }
        if verifyingChecksum {
            guard try fill(header.totalSize) else {
                return .invalid(position: position, reason: "the file ends in a batch")
            }
            let start = Int(position - windowStart)
            let checksum = window.withUnsafeBytes { bytes in
                CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[start + 21..<start + header.totalSize]))
            }
            guard checksum == header.crc else {
                return .invalid(
                    position: position, reason: "the batch at offset \(header.baseOffset) has a wrong checksum")
            }
        }
        defer { position += Int64(header.totalSize) }
        return .batch(header, position: position)
    }

    private func parse() throws(RecordError) -> RecordBatchHeader {
        let start = Int(position - windowStart)
        var result: Result<RecordBatchHeader, RecordError>?
        window.withUnsafeBytes { bytes in
            do throws(RecordError) {
                result = .success(try RecordBatchHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[start...])))
            } catch {
                result = .failure(error)
            }
        }
        guard let result else { preconditionFailure("the closure ran") }
        return try result.get()
    }

    /// Makes `count` bytes from `position` on available in the window; false if the file is shorter.
    private mutating func fill(_ count: Int) throws(StorageError) -> Bool {
        let windowEnd = windowStart + Int64(window.count)
        if position >= windowStart, position + Int64(count) <= windowEnd { return true }
        let wanted = min(Int64(max(count, windowSize)), end - position)
        window = try file.readBytes(at: position, count: Int(wanted))
        windowStart = position
        return window.count >= count
    }
}
