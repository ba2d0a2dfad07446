import KafkaProtocol
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of a log, open for reading.
final class SegmentFile {
    let path: String
    /// Bytes that it had when it was opened.
    let length: Int
    private let descriptor: Int32

    init(path: String) throws(CommandFailure) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(Descriptor.lastError)") }
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else {
            let problem = Descriptor.lastError
            close(descriptor)
            throw CommandFailure("cannot read \(path): \(problem)")
        }
        length = Int(end)
    }

    deinit { close(descriptor) }

    /// The name without its folders.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The offset that the name says the segment begins at.
    var baseOffset: Int64? { name.split(separator: ".").first.flatMap { Int64($0) } }

    /// The path of this segment's file of another kind.
    func sibling(_ suffix: String) -> String {
        guard let dot = path.lastIndex(of: ".") else { return path }
        return path[...dot] + suffix
    }

    /// Reads bytes, fewer if the file ends before.
    func bytes(at position: Int, count: Int) throws(CommandFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, min(count, length - position)))
        var filled = 0
        while filled < bytes.count {
            let got = bytes.withUnsafeMutableBytes { raw in
                pread(descriptor, raw.baseAddress?.advanced(by: filled), raw.count - filled, off_t(position + filled))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw CommandFailure("cannot read \(path): \(Descriptor.lastError)") }
            if got == 0 { break }
            filled += got
        }
        return filled == bytes.count ? bytes : Array(bytes[..<filled])
    }

    /// The batch at a position; nil where the bytes are no whole batch.
    func batch(at position: Int) throws(CommandFailure) -> RecordBatch? {
        let start = try bytes(at: position, count: RecordBatchHeader.size)
        guard let header = try? RecordBatchHeader(parsing: ByteBuffer(bytes: start)),
            header.totalSize <= length - position
        else { return nil }
        return try? RecordBatch(ByteBuffer(bytes: try bytes(at: position, count: header.totalSize)))
    }

    /// Calls for each entry of an index until it answers false; a torn entry at the end is left out.
    func forEachEntry(
        of size: Int, from start: Int = 0, _ body: (FileEntry) -> Bool
    ) throws(CommandFailure) {
        let perRound = 4096
        var position = start
        while position + size <= length {
            let chunk = try bytes(at: position, count: min(perRound, (length - position) / size) * size)
            for offset in stride(from: 0, through: chunk.count - size, by: size) {
                guard body(FileEntry(Array(chunk[offset..<(offset + size)]))) else { return }
            }
            guard chunk.count >= size else { return }
            position += chunk.count / size * size
        }
    }
}

/// A few bytes with big-endian integers in them.
struct FileEntry {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The integer at a position, which must be within the entry.
    func integer<T: FixedWidthInteger>(_ position: Int, _ type: T.Type) -> T {
        bytes[position..<(position + MemoryLayout<T>.size)].reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }
}
