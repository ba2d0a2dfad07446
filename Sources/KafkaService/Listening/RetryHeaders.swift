import KafkaClient
import KafkaProtocol
import NIOCore

/// The headers of messages in retry and dead letter topics. Names and forms are spring-kafka's (`KafkaHeaders`,
/// `RetryTopicHeaders`), so that its tools read ours: numbers are big-endian, texts are UTF-8.
enum RetryHeaders {
    static let attempts = "retry_topic-attempts"
    static let due = "retry_topic-backoff-timestamp"
    static let firstTimestamp = "retry_topic-original-timestamp"
    private static let original = "kafka_original-"
    private static let dead = "kafka_dlt-"

    /// Where a message was first written.
    struct Origin: Equatable {
        var topicPartition: TopicPartition
        var offset: Int64
        var timestamp: Int64
    }

    /// Where a message came from, if it went through a retry topic.
    static func origin(_ headers: [RecordHeader]) -> Origin? {
        guard let topic = text(headers, original + "topic"), let partition = integer(headers, original + "partition"),
            let offset = integer(headers, original + "offset"), let partition = Int32(exactly: partition)
        else { return nil }
        return Origin(
            topicPartition: TopicPartition(topic: topic, partition: partition), offset: offset,
            timestamp: integer(headers, original + "timestamp") ?? -1)
    }

    /// The headers of a message on its way to a retry topic.
    static func forRetry(
        _ headers: [RecordHeader], origin: Origin, attempts count: Int, due time: Int64, reason: String
    ) -> [RecordHeader] {
        withoutOurs(headers) + place(origin, original) + [
            RecordHeader(key: attempts, value: ByteBuffer(integer: Int32(clamping: count))),
            RecordHeader(key: due, value: ByteBuffer(integer: time)),
            RecordHeader(key: firstTimestamp, value: ByteBuffer(integer: origin.timestamp)),
            RecordHeader(key: "kafka_exception-message", value: ByteBuffer(string: reason)),
        ]
    }

    /// The headers of a dead letter.
    static func forDeadLetter(
        _ headers: [RecordHeader], origin: Origin, group: String, attempts count: Int, error: any Error
    ) -> [RecordHeader] {
        withoutOurs(headers) + place(origin, dead + "original-") + [
            RecordHeader(key: dead + "original-consumer-group", value: ByteBuffer(string: group)),
            RecordHeader(key: dead + "exception-fqcn", value: ByteBuffer(string: String(reflecting: type(of: error)))),
            RecordHeader(key: dead + "exception-message", value: ByteBuffer(string: reason(error))),
            RecordHeader(key: attempts, value: ByteBuffer(integer: Int32(clamping: count))),
        ]
    }

    /// An error's text, cut to a size that a header may have.
    static func reason(_ error: any Error) -> String {
        let text = "\(error)"
        return text.utf8.count <= 4_096 ? text : String(text.prefix(1_000)) + "…"
    }

    /// A number, big-endian, of up to 8 bytes: Java writes some as `BigInteger`, whose length varies.
    static func integer(_ headers: [RecordHeader], _ name: String) -> Int64? {
        guard let bytes = headers.last(where: { $0.key == name })?.value?.readableBytesView,
            (1...8).contains(bytes.count), let first = bytes.first
        else { return nil }
        return bytes.reduce(first >= 0x80 ? -1 : 0) { $0 << 8 | Int64($1) }
    }

    static func text(_ headers: [RecordHeader], _ name: String) -> String? {
        headers.last { $0.key == name }?.value.map { String(buffer: $0) }
    }

    private static func place(_ origin: Origin, _ prefix: String) -> [RecordHeader] {
        [
            RecordHeader(key: prefix + "topic", value: ByteBuffer(string: origin.topicPartition.topic)),
            RecordHeader(key: prefix + "partition", value: ByteBuffer(integer: origin.topicPartition.partition)),
            RecordHeader(key: prefix + "offset", value: ByteBuffer(integer: origin.offset)),
            RecordHeader(key: prefix + "timestamp", value: ByteBuffer(integer: origin.timestamp)),
        ]
    }

    private static func withoutOurs(_ headers: [RecordHeader]) -> [RecordHeader] {
        headers.filter {
            !$0.key.hasPrefix("retry_topic-") && !$0.key.hasPrefix(original) && !$0.key.hasPrefix(dead)
                && $0.key != "kafka_exception-message"
        }
    }
}
