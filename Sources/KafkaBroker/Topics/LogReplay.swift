import KafkaProtocol
import KafkaStorage
import NIOCore

/// Reads a log of the broker's own from its beginning to its end.
enum LogReplay {
    /// What a log of the broker's own holds.
    enum Entry {
        /// A record; `producerID` is that of the transaction it belongs to.
        case record(key: ByteBuffer?, value: ByteBuffer?, producerID: Int64?)
        /// A transaction of this producer has ended.
        case marker(EndTransactionMarker, producerID: Int64)
    }

    private static let chunk = 1 << 20

    static func forEachEntry(
        in log: PartitionLog, _ body: (Entry) throws(WireError) -> Void
    ) throws(StorageError) {
        var offset = log.logStartOffset
        while offset < log.logEndOffset {
            guard let bytes = try log.read(from: offset, maxBytes: chunk).slice?.readBytes(), bytes.readableBytes > 0
            else { return }
            do {
                var batches = RecordBatchReader(bytes)
                while let batch = try batches.next() {
                    let producer = batch.header.isTransactional ? batch.header.producerId : nil
                    for record in try batch.records() where record.offset >= offset {
                        if !batch.header.isControl {
                            try body(.record(key: record.key, value: record.value, producerID: producer))
                        } else if let marker = EndTransactionMarker(record) {
                            try body(.marker(marker, producerID: batch.header.producerId))
                        }
                    }
                    offset = batch.header.nextOffset
                }
            } catch {
                throw StorageError(.corruptRecord, "the log at offset \(offset) cannot be read back: \(error)")
            }
        }
    }

    /// As `forEachEntry`, for a log without transactions.
    static func forEachRecord(
        in log: PartitionLog, _ body: (_ key: ByteBuffer?, _ value: ByteBuffer?) throws(WireError) -> Void
    ) throws(StorageError) {
        try forEachEntry(in: log) { entry throws(WireError) in
            if case .record(let key, let value, _) = entry { try body(key, value) }
        }
    }
}
