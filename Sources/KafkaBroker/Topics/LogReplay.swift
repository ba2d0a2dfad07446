import KafkaProtocol
import KafkaStorage
import NIOCore

/// Reads a log of the broker's own from its beginning to its end.
enum LogReplay {
    private static let chunk = 1 << 20

    static func forEachRecord(
        in log: PartitionLog, _ body: (_ key: ByteBuffer?, _ value: ByteBuffer?) throws(WireError) -> Void
    ) throws(StorageError) {
        var offset = log.logStartOffset
        while offset < log.logEndOffset {
            guard let bytes = try log.read(from: offset, maxBytes: chunk).slice?.readBytes(), bytes.readableBytes > 0
            else { return }
            do {
                var batches = RecordBatchReader(bytes)
                while let batch = try batches.next() {
                    for record in try batch.records() where record.offset >= offset {
                        try body(record.key, record.value)
                    }
                    offset = batch.header.nextOffset
                }
            } catch {
                throw StorageError(.corruptRecord, "the log at offset \(offset) cannot be read back: \(error)")
            }
        }
    }
}
