public import NIOCore

/// A header of a record: a name and a value. Names may repeat; order is kept.
public struct RecordHeader: Hashable, Sendable {
    /// The name.
    public var key: String
    /// The value; nil is Kafka's null.
    public var value: ByteBuffer?

    /// Makes a header.
    public init(key: String, value: ByteBuffer?) {
        self.key = key
        self.value = value
    }
}

/// One record, whose key and value are slices of the (decompressed) batch and keep it alive.
public struct Record: Hashable, Sendable {
    /// Offset in the partition.
    public var offset: Int64
    /// Milliseconds since 1970; -1 if none.
    public var timestamp: Int64
    /// The key; nil is Kafka's null.
    public var key: ByteBuffer?
    /// The value; nil is Kafka's null (a tombstone on compacted topics).
    public var value: ByteBuffer?
    /// The headers in their order.
    public var headers: [RecordHeader]

    /// Makes a record.
    public init(offset: Int64, timestamp: Int64, key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []) {
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }
}

/// One record as it lies in the batch: nothing is copied or allocated.
///
/// The pointers are valid only inside the closure that was given the view; do not keep them.
public struct RecordView {
    /// Offset in the partition.
    public let offset: Int64
    /// Offset less the batch's base offset.
    public let offsetDelta: Int32
    /// Milliseconds since 1970; -1 if none.
    public let timestamp: Int64
    /// The key's bytes; nil is Kafka's null.
    public let key: UnsafeRawBufferPointer?
    /// The value's bytes; nil is Kafka's null.
    public let value: UnsafeRawBufferPointer?
    /// Number of headers.
    public let headerCount: Int32
    /// The headers' bytes, checked when the record was read.
    let headerBytes: UnsafeRawBufferPointer

    /// Visits the headers in their order; the key's bytes are UTF-8.
    public func forEachHeader(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        var cursor = RecordCursor(headerBytes)
        do throws(RecordFault) {
            for _ in 0..<headerCount {
                guard let key = try cursor.lengthPrefixed() else { return }
                body(key, try cursor.lengthPrefixed())
            }
        } catch {
            // Not reached: the same bytes were walked without a fault when the record was read.
        }
    }
}
