import NIOCore

/// Cuts a byte stream into Kafka's frames: four bytes of size, then that many bytes.
struct FrameDecoder {
    /// A size that no honest client sends.
    struct IllegalSize: Error {
        let size: Int32
    }

    /// The smallest request: API key, version, correlation id and a null client id.
    static let minimumFrame = 8

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
            buffer.writeBuffer(&bytes)
        }
    }

    /// Whether bytes are waiting that may or may not be a whole frame.
    var hasBytes: Bool { buffer.readableBytes > 0 }

    /// The next whole frame without its size, or nil if more bytes are needed.
    mutating func next() throws(IllegalSize) -> ByteBuffer? {
        guard let size = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else { return nil }
        guard size >= Self.minimumFrame, size <= maximumFrame else { throw IllegalSize(size: size) }
        guard buffer.readableBytes >= 4 + Int(size) else {
            makeRoom(for: 4 + Int(size))
            return nil
        }
        buffer.moveReaderIndex(forwardBy: 4)
        let frame = buffer.readSlice(length: Int(size))
        // Let go of the storage: whoever keeps the frame must not make the next append copy it all.
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return frame
    }

    /// Reserves room for a frame that is only partly here, in steps so that a mere size cannot claim memory.
    private mutating func makeRoom(for frame: Int) {
        if buffer.readerIndex > 0 {
            var rest = ByteBuffer()
            rest.reserveCapacity(min(frame, max(4 * buffer.readableBytes, 65536)))
            rest.writeBuffer(&buffer)
            buffer = rest
        }
    }
}
