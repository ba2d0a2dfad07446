public import KafkaProtocol
import NIOCore

/// One batch of records as the broker stores it, not decoded yet: what to pass between tasks when records are many.
///
/// ``forEach(_:)`` visits the records without allocating for any of them; ``records()`` makes ``Record`` values.
public struct FetchedBatch: Sendable {
    /// Where it comes from.
    public let topicPartition: TopicPartition
    /// The offset behind the last record that consumers may see, when the batch was fetched.
    public let highWatermark: Int64
    /// The batch with its header.
    public let batch: RecordBatch
    /// Records before this offset have been read before and are not shown.
    let position: Int64

    /// Number of records; less may be shown if the position lies within the batch.
    public var count: Int { Int(batch.header.recordCount) }

    /// Size on the wire, in bytes.
    public var byteCount: Int { batch.buffer.readableBytes }

    /// The offset behind the last record, to be committed when the batch is done.
    public var nextOffset: Int64 { batch.header.nextOffset }

    /// Visits the records in their order. The views point into the batch and must not be kept.
    ///
    /// Throws `RecordError` if the bytes are damaged.
    public func forEach(_ body: (RecordView) -> Void) throws {
        let position = position
        try batch.forEachRecord { view in
            if view.offset >= position { body(view) }
        }
    }

    /// All records; their bytes are slices of the batch. Throws `RecordError` if the bytes are damaged.
    public func records() throws(RecordError) -> [Record] {
        let records = try batch.records()
        return batch.header.baseOffset >= position ? records : records.filter { $0.offset >= position }
    }
}
