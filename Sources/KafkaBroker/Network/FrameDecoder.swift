import NIOCore

/// Cuts a byte stream into Kafka's frames: four bytes of size, then that many bytes.
struct FrameDecoder {
    /// A size that no honest client sends.
    struct IllegalSize: Error {
        let size: Int32
    }

    /// The smallest request: API key, version, correlation id and a null client id.
    static let minimumFrame = 8
    private static let largestClaim = 2 << 20

    private var buffer = ByteBuffer()
    private let maximumFrame: Int

    init(maximumFrame: Int) {
        self.maximumFrame = maximumFrame
    }

    /// Takes bytes that have arrived.
    mutating func append(_ bytes: inout ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            makeRoom()
            buffer.writeBuffer(&bytes)
        }
    }

    /// Whether bytes are waiting that may or may not be a whole frame.
    var hasBytes: Bool { buffer.readableBytes > 0 }

    /// The next whole frame without its size, or nil if more bytes are needed.
    mutating func next() throws(IllegalSize) -> ByteBuffer? {
        guard let size = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else { return nil }
        guard size >= Self.minimumFrame, size <= maximumFrame else { throw IllegalSize(size: size) }
        guard buffer.readableBytes >= 4 + Int(size) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        let frame = buffer.readSlice(length: Int(size))
        // Let go of the storage: whoever keeps the frame must not make the next append copy it all.
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return frame
    }

    /// Gives a frame that is only partly here the room it needs, so that it is copied once. A size that is only claimed
    /// gets no more than `largestClaim` before its bytes come.
    private mutating func makeRoom() {
        guard let size = buffer.getInteger(at: buffer.readerIndex, as: Int32.self), size <= maximumFrame else { return }
        let room = min(4 + Int(size), max(Self.largestClaim, 2 * buffer.readableBytes))
        guard buffer.readerIndex + room > buffer.capacity else { return }
        var roomier = ByteBufferAllocator().buffer(capacity: room)
        roomier.writeBuffer(&buffer)
        buffer = roomier
    }
}
