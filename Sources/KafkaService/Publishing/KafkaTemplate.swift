public import KafkaClient
public import KafkaProtocol
import Logging
import NIOCore

/// Publishes values to one topic. Made by ``KafkaApplication``.
///
/// Call ``check()`` at the start: a topic that does not exist is then found before the first value is lost. A value
/// that must not be lost although the process may die goes through the ``Outbox`` instead.
public struct KafkaTemplate<Value: Sendable>: Sendable {
    /// Where it publishes.
    public let topic: Topic<Value>
    private let application: KafkaApplication

    init(_ application: KafkaApplication, topic: Topic<Value>) {
        self.application = application
        self.topic = topic
    }

    /// Checks that the topic's name is legal and that it exists, or makes it if the topic says so.
    public func check() async throws {
        _ = try await application.topics.check(topic.name, topic.creation)
    }

    /// Publishes a value and waits until the brokers have it.
    ///
    /// - Parameters:
    ///   - value: What to publish.
    ///   - key: Whose messages stay in order.
    ///   - headers: Are sent as they are, after those that carry this task's trace.
    ///   - partition: Nil: by the key.
    ///   - timestamp: ms since 1970; nil: now.
    @discardableResult
    public func publish(
        _ value: Value, key: String?, headers: [RecordHeader] = [], partition: Int32? = nil, timestamp: Int64? = nil
    ) async throws -> RecordMetadata {
        try await MessageTracing.sending(to: topic.name) {
            try await application.producer.send(
                record(value, key: key, headers: headers, partition: partition, timestamp: timestamp))
        }
    }

    /// Publishes values together, in order, and waits until the brokers have all of them.
    @discardableResult
    public func publish(
        contentsOf values: some Sequence<(key: String?, value: Value)>, headers: [RecordHeader] = []
    ) async throws -> [RecordMetadata] {
        let values = Array(values)
        return try await MessageTracing.sending(to: topic.name, count: values.count) {
            try await application.producer.send(
                contentsOf: values.map { try record($0.value, key: $0.key, headers: headers) })
        }
    }

    /// Publishes a value without waiting; values of one application keep their order. Needs the application's
    /// `run()`. Throws only for a value or key that can't be sent at all.
    ///
    /// - Parameter onFailure: Called when the brokers could not be given the message; it may have arrived all the
    ///   same, if only the answer was lost. By default the failure is logged.
    public func enqueue(
        _ value: Value, key: String?, headers: [RecordHeader] = [],
        onFailure: @escaping @Sendable (any Error) -> Void = { _ in }
    ) throws {
        application.outgoing.append(
            OutgoingQueue.Entry(record: try record(value, key: key, headers: headers), onFailure: onFailure))
    }

    /// The record that would be sent.
    func record(
        _ value: Value, key: String?, headers: [RecordHeader], partition: Int32? = nil, timestamp: Int64? = nil
    ) throws -> ProducerRecord {
        if topic.keyRule == .required, key?.isEmpty ?? true {
            throw KafkaServiceError(
                .key, "topic '\(topic.name)' needs a key: without one, messages of one thing get out of order")
        }
        let headers = MessageTracing.headers(besides: headers) + headers
        return ProducerRecord(
            topic: topic.name, partition: partition, key: key.map { ByteBuffer(string: $0) },
            value: try topic.serde.encode(value), headers: headers, timestamp: timestamp)
    }
}
