import NIOConcurrencyHelpers
import NIOCore

/// Cuts a byte stream into Kafka's frames: four bytes of size, then that many bytes.
///
/// A frame that arrived whole is a slice of the bytes read. One that comes in parts is put together in a buffer that has
/// room for it, so that each byte is copied once; such buffers are used again (`FrameBufferPool`).
struct FrameDecoder {
    /// A size that no honest client sends.
    struct IllegalSize: Error {
        let size: Int32
    }

    /// The smallest request: API key, version, correlation id and a null client id.
    static let minimumFrame = 8
    private static let largestClaim = 2 << 20

    /// The frame that is put together, with its size; empty if the next one begins in `arrived`.
    private var partial = ByteBuffer()
    /// What comes after it.
    private var arrived = ByteBuffer()
    /// The largest frame that is taken.
    var maximumFrame: Int
    private let pool: FrameBufferPool?

    init(maximumFrame: Int, pool: FrameBufferPool? = nil) {
        self.maximumFrame = maximumFrame
        self.pool = pool
    }

    /// Takes bytes that have arrived.
    mutating func append(_ bytes: inout ByteBuffer) {
        if arrived.readableBytes == 0 {
            arrived = bytes
        } else if partial.readableBytes == 0, !hasWholeFrame {
            partial = arrived
            arrived = bytes
            makeRoom(copying: true)
        } else {
            arrived.writeBuffer(&bytes)
        }
    }

    /// Whether bytes are waiting that may or may not be a whole frame.
    var hasBytes: Bool { partial.readableBytes > 0 || arrived.readableBytes > 0 }

    /// The bytes that the next frame takes with its size, if it has begun and is one that is taken.
    mutating func announcedSize() -> Int? {
        if partial.readableBytes > 0, partial.readableBytes < 4 { fill(upTo: 4) }
        let size =
            partial.readableBytes > 0
            ? partial.getInteger(at: partial.readerIndex, as: Int32.self)
            : arrived.getInteger(at: arrived.readerIndex, as: Int32.self)
        guard let size, size >= Self.minimumFrame, size <= maximumFrame else { return nil }
        return 4 + Int(size)
    }

    /// The next whole frame without its size, or nil if more bytes are needed.
    mutating func next() throws(IllegalSize) -> ByteBuffer? {
        if partial.readableBytes == 0 { return try Self.cut(&arrived, maximumFrame) }
        if partial.readableBytes < 4 { fill(upTo: 4) }
        guard let size = partial.getInteger(at: partial.readerIndex, as: Int32.self) else { return nil }
        guard size >= Self.minimumFrame, size <= maximumFrame else { throw IllegalSize(size: size) }
        fill(upTo: 4 + Int(size))
        guard let frame = partial.getSlice(at: partial.readerIndex + 4, length: Int(size)) else { return nil }
        // Taken again when nobody holds the frame any more.
        pool?.put(partial)
        partial = ByteBuffer()
        return frame
    }

    private var hasWholeFrame: Bool {
        guard let size = arrived.getInteger(at: arrived.readerIndex, as: Int32.self) else { return false }
        return arrived.readableBytes >= 4 + Int(size)
    }

    private static func cut(_ bytes: inout ByteBuffer, _ maximumFrame: Int) throws(IllegalSize) -> ByteBuffer? {
        guard let size = bytes.getInteger(at: bytes.readerIndex, as: Int32.self) else { return nil }
        guard size >= minimumFrame, size <= maximumFrame else { throw IllegalSize(size: size) }
        guard bytes.readableBytes >= 4 + Int(size) else { return nil }
        bytes.moveReaderIndex(forwardBy: 4)
        let frame = bytes.readSlice(length: Int(size))
        // Let go of the storage: whoever keeps the frame must not make the next append copy it all.
        if bytes.readableBytes == 0 { bytes = ByteBuffer() }
        return frame
    }

    /// Moves bytes from `arrived` until `partial` has `count`.
    private mutating func fill(upTo count: Int) {
        while partial.readableBytes < count, arrived.readableBytes > 0 {
            makeRoom(copying: false)
            let missing = count - partial.readableBytes
            let part = min(missing, arrived.readableBytes, max(4, partial.writableBytes))
            if var bytes = arrived.readSlice(length: part) { partial.writeBuffer(&bytes) }
        }
        if arrived.readableBytes == 0 { arrived = ByteBuffer() }
    }

    /// Gives the frame in `partial` the room it needs, so that it is copied once. A size that is only claimed gets no more
    /// than `largestClaim` before its bytes come.
    private mutating func makeRoom(copying: Bool) {
        let size = partial.getInteger(at: partial.readerIndex, as: Int32.self) ?? 0
        guard size <= maximumFrame else { return }
        let room = min(4 + max(0, Int(size)), max(Self.largestClaim, 2 * partial.readableBytes))
        guard copying || partial.writableBytes == 0 else { return }
        var roomier = pool?.take(room) ?? ByteBufferAllocator().buffer(capacity: max(room, 64))
        roomier.writeBuffer(&partial)
        partial = roomier
    }
}

/// Buffers of large frames, so that memory is not asked from the system, and filled with zeros by it, for each one.
final class FrameBufferPool: Sendable {
    private static let smallest = 64 * 1024
    private static let largest = 4 << 20
    private static let capacity = 2

    private let buffers = NIOLockedValueBox<[ByteBuffer]>([])

    /// Keeps a buffer, which may be in use still, if it is worth it and there is a place.
    func put(_ buffer: ByteBuffer) {
        guard buffer.capacity >= Self.smallest, buffer.capacity <= Self.largest else { return }
        buffers.withLockedValue { buffers in
            if buffers.count == Self.capacity { buffers.removeFirst() }
            buffers.append(buffer)
        }
    }

    /// An empty buffer with this much room that nobody uses any more; nil if there is none.
    func take(_ room: Int) -> ByteBuffer? {
        guard room >= Self.smallest else { return nil }
        return buffers.withLockedValue { buffers in
            for index in buffers.indices where buffers[index].capacity >= room {
                let isFree = buffers[index].modifyIfUniquelyOwned { buffer in
                    buffer.clear()
                    return true
                }
                if isFree == true { return buffers.remove(at: index) }
            }
            return nil
        }
    }

    /// Lets all buffers go.
    func drain() { buffers.withLockedValue { $0 = [] } }
}
