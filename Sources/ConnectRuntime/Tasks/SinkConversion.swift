import ConnectAPI
import KafkaClient
import KafkaProtocol
import NIOCore

/// Turns what was consumed into a sink's records: deserialises and transforms them. One call at a time; the next records
/// may be converted while the sink writes the ones before.
struct SinkConversion: Sendable {
    let converters: TaskConverters
    let transformations: Confined<TransformationChain>
    let errors: RecordErrors
    let deadLetters: DeadLetterQueue?
    let mask: SecretMask

    /// The records in order, without those that a transformation drops, and those that are bad if that is tolerated.
    func convert(_ batches: [ConsumerBatch]) async throws -> [SinkRecord] {
        var records: [SinkRecord] = []
        records.reserveCapacity(batches.reduce(0) { $0 + $1.records.count })
        for batch in batches {
            var next = 0
            while next < batch.records.count {
                do throws(StageFailure) {
                    try convert(batch, &next, &records)
                } catch  where error.error.code != .retriable {
                    try await skip(batch.records[next], batch.topicPartition, error)
                    next += 1
                } catch {
                    if let record = try await retried(batch.records[next], batch.topicPartition) {
                        records.append(record)
                    }
                    next += 1
                }
            }
        }
        return records
    }

    /// Converts from record `next` on until one fails, at which `next` stays.
    private func convert(
        _ batch: ConsumerBatch, _ next: inout Int, _ records: inout [SinkRecord]
    ) throws(StageFailure) {
        let all = batch.records
        let partition = batch.topicPartition
        try all.withUnsafeBufferPointer { (all) throws(StageFailure) in
            // A pointer lends the record; the array's subscript would copy it.
            guard let first = all.baseAddress else { return }
            while next < all.count {
                try append(first + next, partition, to: &records)
                next += 1
            }
        }
    }

    /// A record that failed in a way that may pass; nil if it is given up or dropped.
    private func retried(_ record: Record, _ partition: TopicPartition) async throws -> SinkRecord? {
        do {
            return try await errors.retrying { () throws(StageFailure) in
                var records: [SinkRecord] = []
                try withUnsafePointer(to: record) { (record) throws(StageFailure) in
                    try append(record, partition, to: &records)
                }
                return records.first
            }
        } catch let failure as StageFailure {
            try await skip(record, partition, failure)
            return nil
        }
    }

    /// Deserialises and transforms a record, and appends it unless a transformation drops it.
    private func append(
        _ record: UnsafePointer<Record>, _ partition: TopicPartition, to records: inout [SinkRecord]
    ) throws(StageFailure) {
        let key = try deserialized(record.pointee.key, partition.topic, converters.key, .keyConverter)
        let value = try deserialized(record.pointee.value, partition.topic, converters.value, .valueConverter)
        let timestamp = record.pointee.timestamp
        let headers = record.pointee.headers.isEmpty ? [] : try headers(of: record.pointee, partition.topic)
        records.append(
            SinkRecord(
                topic: partition.topic, partition: partition.partition, offset: record.pointee.offset,
                timestamp: timestamp < 0 ? nil : timestamp, timestampType: .createTime,
                keySchema: key.schema, key: key.value, valueSchema: value.schema, value: value.value,
                headers: headers))
        guard !transformations.value.isEmpty else { return }
        var converted = records.removeLast()
        guard let view = try transformations.value.apply(ConnectRecord(converted)) else { return }
        converted.update(view)
        records.append(converted)
    }

    private func deserialized(
        _ bytes: ByteBuffer?, _ topic: String, _ converter: any Converter, _ stage: DeadLetterQueue.Stage
    ) throws(StageFailure) -> SchemaAndValue {
        do throws(ConnectError) {
            return try converter.toConnect(topic: topic, bytes: bytes)
        } catch {
            throw StageFailure(stage: stage, className: type(of: converter).className, error: error)
        }
    }

    private func headers(of record: Record, _ topic: String) throws(StageFailure) -> [ConnectHeader] {
        var headers: [ConnectHeader] = []
        for header in record.headers {
            do throws(ConnectError) {
                let value = try converters.header.toConnectHeader(topic: topic, name: header.key, bytes: header.value)
                headers.append(ConnectHeader(key: header.key, schema: value.schema, value: value.value))
            } catch {
                throw StageFailure(header: header.key, converters.header, error)
            }
        }
        return headers
    }

    /// Gives up a bad record, or the task if that is not tolerated.
    private func skip(_ record: Record, _ partition: TopicPartition, _ failure: StageFailure) async throws {
        let place = "\(partition.topic)-\(partition.partition) at offset \(record.offset)"
        errors.log(
            failure, record: place, details: RecordErrors.details(record, partition.topic, partition.partition))
        guard errors.tolerance.toleratesAll else { throw TaskError("\(Self.what(failure, place)): \(failure.error)") }
        try await deadLetters?.send(
            record, from: partition, stage: failure.stage, className: failure.className, error: failure.error, mask)
    }

    private static func what(_ failure: StageFailure, _ place: String) -> String {
        switch failure.stage {
        case .keyConverter: "the key of the record in \(place) cannot be converted"
        case .headerConverter: "the headers of the record in \(place) cannot be converted"
        case .transformation: "\(failure.className): the record in \(place) cannot be transformed"
        default: "the value of the record in \(place) cannot be converted"
        }
    }
}
