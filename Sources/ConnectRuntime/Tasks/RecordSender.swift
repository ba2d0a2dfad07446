import ConnectAPI
import KafkaClient
import KafkaProtocol
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
    var header: any HeaderConverter
}

/// Turns source records into producer records whose keys and values are slices of one buffer.
struct SourceRecordConverter {
    private let converters: TaskConverters
    private var buffer: ByteBuffer
    /// Without keys and values, which are cut out of the buffer once it does not grow any more.
    private var records: [ProducerRecord] = []
    /// Where each key and value is; -1 for none.
    private var places: [(key: Int, value: Int, end: Int)] = []
    /// Where each of the last rows ends.
    private var ends: [Int] = []

    /// - Parameters:
    ///   - bytes: room for so many bytes of keys and values; more is made as needed.
    ///   - count: room for so many records.
    init(converters: TaskConverters, reserving bytes: Int = 4096, count: Int = 0) {
        self.converters = converters
        buffer = ByteBufferAllocator().buffer(capacity: bytes)
        records.reserveCapacity(count)
        places.reserveCapacity(count)
    }

    /// Bytes of keys and values so far.
    var size: Int { buffer.writerIndex }

    mutating func append(_ record: SourceRecord) throws(StageFailure) {
        let start = buffer.writerIndex
        let headers = record.headers.isEmpty ? [] : try self.headers(of: record)
        var isKey = true
        do throws(ConnectError) {
            let hasKey = try converters.key.fromConnect(
                topic: record.topic, schema: record.keySchema, value: record.key, into: &buffer)
            isKey = false
            let valueStart = buffer.writerIndex
            let hasValue = try converters.value.fromConnect(
                topic: record.topic, schema: record.valueSchema, value: record.value, into: &buffer)
            records.append(
                ProducerRecord(
                    topic: record.topic, partition: record.partition, value: nil,
                    headers: headers, timestamp: record.timestamp))
            places.append((hasKey ? start : -1, hasValue ? valueStart : -1, buffer.writerIndex))
        } catch {
            buffer.moveWriterIndex(to: start)
            throw StageFailure(
                stage: isKey ? .keyConverter : .valueConverter,
                className: type(of: isKey ? converters.key : converters.value).className, error: error)
        }
    }

    private func headers(of record: SourceRecord) throws(StageFailure) -> [RecordHeader] {
        var headers: [RecordHeader] = []
        for header in record.headers {
            do throws(ConnectError) {
                let bytes = try converters.header.fromConnectHeader(
                    topic: record.topic, name: header.key, schema: header.schema, value: header.value)
                headers.append(RecordHeader(key: header.key, value: bytes))
            } catch {
                throw StageFailure(header: header.key, converters.header, error)
            }
        }
        return headers
    }

    /// Converts rows together.
    /// - Returns: false, with nothing appended, if they must be converted as records.
    mutating func append(_ rows: RecordRows) -> Bool {
        guard let converter = converters.value as? any RowConverter, hasNoKey(rows.topic) else { return false }
        ends.removeAll(keepingCapacity: true)
        var start = buffer.writerIndex
        guard converter.fromConnect(rows: rows, into: &buffer, ends: &ends) else { return false }
        let record = ProducerRecord(topic: rows.topic, value: nil)
        for end in ends {
            records.append(record)
            places.append((-1, start, end))
            start = end
        }
        return true
    }

    /// Whether a key that is absent is null on the wire.
    private func hasNoKey(_ topic: String) -> Bool {
        var bytes = ByteBuffer()
        let hasKey = try? converters.key.fromConnect(topic: topic, schema: nil, value: .null, into: &bytes)
        return hasKey == false
    }

    /// The producer records, in order.
    consuming func finish() -> [ProducerRecord] {
        for index in places.indices {
            let place = places[index]
            if place.key >= 0 {
                let end = place.value >= 0 ? place.value : place.end
                records[index].key = buffer.getSlice(at: place.key, length: end - place.key)
            }
            if place.value >= 0 {
                records[index].value = buffer.getSlice(at: place.value, length: place.end - place.value)
            }
        }
        return records
    }
}
