import ConnectAPI
import KafkaClient
import NIOCore

/// Where a source task's records go.
protocol RecordSender: Sendable {
    /// Sends in order; returns when all are acknowledged.
    func send(_ records: [ProducerRecord]) async throws
    /// Lets go of the connections.
    func close() async
}

/// Makes sure that a topic exists before the first record goes there.
protocol TopicCreator: Sendable {
    func create(_ topic: String) async throws
}

/// The converters of one task.
struct TaskConverters: Sendable {
    var key: any Converter
    var value: any Converter
}

/// Turns source records into producer records whose keys and values are slices of one buffer.
struct SourceRecordConverter {
    private struct Item {
        var record: SourceRecord
        var key: Range<Int>?
        var value: Range<Int>?
    }

    private let converters: TaskConverters
    private var buffer = ByteBufferAllocator().buffer(capacity: 4096)
    private var items: [Item] = []

    init(converters: TaskConverters) {
        self.converters = converters
    }

    mutating func append(_ record: SourceRecord) throws(StageFailure) {
        let start = buffer.writerIndex
        var isKey = true
        do throws(ConnectError) {
            var key: Range<Int>?
            var value: Range<Int>?
            if try converters.key.fromConnect(
                topic: record.topic, schema: record.keySchema, value: record.key, into: &buffer)
            {
                key = start..<buffer.writerIndex
            }
            isKey = false
            let valueStart = buffer.writerIndex
            if try converters.value.fromConnect(
                topic: record.topic, schema: record.valueSchema, value: record.value, into: &buffer)
            {
                value = valueStart..<buffer.writerIndex
            }
            items.append(Item(record: record, key: key, value: value))
        } catch {
            buffer.moveWriterIndex(to: start)
            throw StageFailure(
                stage: isKey ? .keyConverter : .valueConverter,
                className: type(of: isKey ? converters.key : converters.value).className, error: error)
        }
    }

    /// The producer records, in order.
    consuming func finish() -> [ProducerRecord] {
        let buffer = self.buffer
        return items.map { item in
            ProducerRecord(
                topic: item.record.topic, partition: item.record.partition, key: Self.slice(buffer, item.key),
                value: Self.slice(buffer, item.value), headers: item.record.headers.map(HeaderText.recordHeader),
                timestamp: item.record.timestamp)
        }
    }

    private static func slice(_ buffer: ByteBuffer, _ range: Range<Int>?) -> ByteBuffer? {
        range.flatMap { buffer.getSlice(at: $0.lowerBound, length: $0.count) }
    }
}
