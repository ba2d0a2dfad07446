public import NIOCore

/// The marker that ends a transaction in a partition (`org.apache.kafka.common.record.EndTransactionMarker`, KIP-98).
public struct EndTransactionMarker: Hashable, Sendable {
    /// True for commit, false for abort.
    public var isCommit: Bool
    /// Epoch of the transaction coordinator that wrote the marker.
    public var coordinatorEpoch: Int32

    /// Makes a marker.
    public init(isCommit: Bool, coordinatorEpoch: Int32) {
        self.isCommit = isCommit
        self.coordinatorEpoch = coordinatorEpoch
    }

    /// Reads the marker from a record of a control batch; nil if the record is another kind of control record.
    public init?(_ record: Record) {
        guard
            let key = record.key, let type = key.getInteger(at: key.readerIndex + 2, as: Int16.self),
            type == 0 || type == 1,
            let value = record.value, let epoch = value.getInteger(at: value.readerIndex + 2, as: Int32.self)
        else { return nil }
        isCommit = type == 1
        coordinatorEpoch = epoch
    }

    /// The record's key: version 0 and the type, 0 abort or 1 commit.
    public var key: ByteBuffer {
        var key = ByteBuffer()
        key.writeMultipleIntegers(Int16(0), Int16(isCommit ? 1 : 0))
        return key
    }

    /// The record's value: version 0 and the coordinator's epoch.
    public var value: ByteBuffer {
        var value = ByteBuffer()
        value.writeMultipleIntegers(Int16(0), coordinatorEpoch)
        return value
    }
}
