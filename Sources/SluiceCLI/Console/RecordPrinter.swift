import KafkaClient
import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// Prints batches up to a limit, one system call per poll, and counts.
final class RecordPrinter: Sendable {
    private struct State {
        var count = 0
        var isPipeBroken = false
    }

    private let formatter: RecordFormatter
    private let limit: Int
    private let state = NIOLockedValueBox(State())

    init(formatter: RecordFormatter, limit: Int) {
        self.formatter = formatter
        self.limit = limit
    }

    /// Messages printed so far.
    var count: Int { state.withLockedValue { $0.count } }

    /// Whether nobody reads our output any more.
    var isPipeBroken: Bool { state.withLockedValue { $0.isPipeBroken } }

    /// Whether there is no use in reading on.
    var isDone: Bool { isPipeBroken || count >= limit }

    /// Prints what the limit allows.
    ///
    /// - Returns: For partitions with messages that were not printed, the offset of the first of them.
    func print(_ batches: [ConsumerBatch]) -> [TopicPartition: Int64] {
        var left = limit - count
        var output = ByteBuffer()
        var unread: [TopicPartition: Int64] = [:]
        for batch in batches {
            let partition = batch.topicPartition
            for record in batch.records.prefix(left) {
                formatter.append(
                    record, partition: partition.partition, timestampType: .createTime, to: &output)
            }
            if batch.records.count > left, unread[partition] == nil { unread[partition] = batch.records[left].offset }
            left -= min(left, batch.records.count)
        }
        let isWritten = output.withUnsafeReadableBytes { Descriptor.standardOutput.writeAll($0) }
        state.withLockedValue { state in
            state.count = limit - left
            if !isWritten { state.isPipeBroken = true }
        }
        return unread
    }
}
