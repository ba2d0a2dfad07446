import ConnectAPI
import KafkaClient
import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// Where a sink's bad records go (KIP-298): the original bytes, with headers that say where they came from and what was
/// wrong, if `errors.deadletterqueue.context.headers.enable` is on.
struct DeadLetterQueue: Sendable {
    /// When a record was found to be bad; the text that Connect writes.
    enum Stage: String, Sendable {
        case keyConverter = "KEY_CONVERTER"
        case valueConverter = "VALUE_CONVERTER"
        case headerConverter = "HEADER_CONVERTER"
        case transformation = "TRANSFORMATION"
        case taskPut = "TASK_PUT"
        case kafkaProduce = "KAFKA_PRODUCE"
    }

    let topic: String
    let hasContextHeaders: Bool
    let id: TaskID
    let className: String
    let sender: any RecordSender
    let topics: any TopicCreator
    let metrics: TaskMetrics

    /// Returns when the record is safe in the dead letter topic.
    /// - Parameter className: the class that found the error; nil for the sink's task.
    func send(
        _ record: Record, from partition: TopicPartition, stage: Stage, className: String? = nil, error: ConnectError,
        _ mask: SecretMask
    ) async throws {
        var headers = record.headers
        if hasContextHeaders {
            let message = mask.mask(error.message)
            let context: [(String, String)] = [
                ("topic", partition.topic), ("partition", "\(partition.partition)"), ("offset", "\(record.offset)"),
                ("connector.name", id.connector), ("task.id", "\(id.task)"), ("stage", stage.rawValue),
                ("class.name", className ?? self.className),
                ("exception.class.name", "org.apache.kafka.connect.errors.DataException"),
                ("exception.message", message), ("exception.stacktrace", mask.mask("\(error)")),
            ]
            headers += context.map {
                RecordHeader(key: "__connect.errors.\($0)", value: ByteBuffer(string: $1))
            }
        }
        metrics.update { $0.deadLetters += 1 }
        do {
            try await topics.create(topic)
            try await sender.send([
                ProducerRecord(
                    topic: topic, partition: nil, key: record.key, value: record.value, headers: headers,
                    timestamp: record.timestamp)
            ])
        } catch {
            metrics.update { $0.failedDeadLetters += 1 }
            throw error
        }
    }
}

/// Takes single bad records from a sink task (KIP-610) and finds their original bytes.
final class SinkErrorReporter: ErrantRecordReporter {
    private let tolerance: ErrorTolerance
    private let deadLetters: DeadLetterQueue?
    private let mask: SecretMask
    private let log: @Sendable (SinkRecord, ConnectError) -> Void
    /// The batches being put, which the task's records come from.
    private let batches = NIOLockedValueBox<[ConsumerBatch]>([])

    init(
        tolerance: ErrorTolerance, deadLetters: DeadLetterQueue?, mask: SecretMask,
        log: @escaping @Sendable (SinkRecord, ConnectError) -> Void
    ) {
        self.tolerance = tolerance
        self.deadLetters = deadLetters
        self.mask = mask
        self.log = log
    }

    func setBatches(_ batches: [ConsumerBatch]) {
        self.batches.withLockedValue { $0 = batches }
    }

    func report(_ record: SinkRecord, error: ConnectError) async throws {
        guard tolerance.toleratesAll else { throw error }
        log(record, error)
        guard let deadLetters, let (original, partition) = original(of: record) else { return }
        try await deadLetters.send(original, from: partition, stage: .taskPut, error: error, mask)
    }

    private func original(of record: SinkRecord) -> (Record, TopicPartition)? {
        batches.withLockedValue { batches in
            for batch in batches
            where batch.topicPartition.topic == record.originalTopic
                && batch.topicPartition.partition == record.partition
            {
                if let found = batch.records.first(where: { $0.offset == record.offset }) {
                    return (found, batch.topicPartition)
                }
            }
            return nil
        }
    }
}
