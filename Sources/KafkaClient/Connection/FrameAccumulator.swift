package import NIOCore

/// Cuts the byte stream of a connection into frames of Kafka: a length (int32), then so many bytes.
package struct FrameAccumulator {
    private var buffer: ByteBuffer?
    private let maximumFrameSize: Int
    private var isFirst = true

    package init(maximumFrameSize: Int = Int(Int32.max)) {
        self.maximumFrameSize = maximumFrameSize
    }

    /// Takes the next bytes of the stream.
    package mutating func append(_ bytes: ByteBuffer) {
        guard var current = buffer, current.readableBytes > 0 else {
            buffer = bytes
            return
        }
        // The frames handed out share the storage: appending to it would copy all of it. Start a fresh one, with room
        // for the rest of the frame that has begun, so that a large frame is copied once.
        buffer = nil
        if current.readerIndex > 0 {
            var fresh = ByteBufferAllocator().buffer(capacity: current.readableBytes + bytes.readableBytes)
            fresh.writeImmutableBuffer(current)
            current = fresh
        }
        if let length = current.getInteger(at: current.readerIndex, as: Int32.self), length >= 0,
            Int(length) <= maximumFrameSize
        {
            let missing = Int(length) + 4 - current.readableBytes
            current.reserveCapacity(minimumWritableBytes: max(min(missing, 1 << 24), bytes.readableBytes))
        }
        current.writeImmutableBuffer(bytes)
        buffer = current
    }

    /// The next whole frame without its length, or nil when more bytes are needed.
    package mutating func next() throws(KafkaError) -> ByteBuffer? {
        guard let length = buffer.flatMap({ $0.getInteger(at: $0.readerIndex, as: Int32.self) }) else { return nil }
        guard length >= 4, Int(length) <= maximumFrameSize else {
            throw Self.notKafka(length)
        }
        // An alert of TLS begins with 21, 3: no broker announces a frame of 352 MB as its first.
        if isFirst, length >> 16 == 0x1503 { throw Self.notKafka(length) }
        guard let available = buffer?.readableBytes, available >= Int(length) + 4 else { return nil }
        isFirst = false
        buffer?.moveReaderIndex(forwardBy: 4)
        let frame = buffer?.readSlice(length: Int(length))
        if buffer?.readableBytes == 0 { buffer = nil }
        return frame
    }

    private static func notKafka(_ length: Int32) -> KafkaError {
        KafkaError(
            .malformedResponse,
            length >> 16 == 0x1503
                ? "the port speaks TLS: set security.protocol to SSL or SASL_SSL"
                : "a frame of \(length) bytes was announced: this is not a Kafka broker's port",
            isRetriable: false)
    }
}
