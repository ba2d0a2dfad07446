public import KafkaClient
public import KafkaProtocol
public import NIOCore

/// A record as a handler gets it.
public struct Message<Value: Sendable>: Sendable {
    /// The payload.
    public var value: Value
    /// The key's bytes; nil if it has none.
    public var key: ByteBuffer?
    /// The headers, in order.
    public var headers: [RecordHeader]
    /// Where it was read: the topic that was subscribed to, or a retry topic.
    public var topicPartition: TopicPartition
    /// Its offset there.
    public var offset: Int64
    /// ms since 1970.
    public var timestamp: Int64
    /// 1 when it is handled for the first time, one more with each retry, in place or through retry topics. A
    /// redelivery after a crash does not count.
    public var attempt: Int
    let acknowledgement: Acknowledgement?

    /// The key as text; nil if it has none or is not UTF-8.
    public var keyText: String? {
        key.flatMap { String(validating: $0.readableBytesView, as: UTF8.self) }
    }

    /// The last header of this name, as text.
    public func header(_ name: String) -> String? {
        headers.last { $0.key == name }?.value.map { String(buffer: $0) }
    }

    /// What tells this message from all others, also when it is delivered again or went through retry topics: the
    /// publisher's `message-id` header, or else where it was first written.
    public var id: String {
        if let id = header(MessageHeaders.messageID), !id.isEmpty { return id }
        let origin = RetryHeaders.origin(headers)
        let place = origin?.topicPartition ?? topicPartition
        return "\(place)@\(origin?.offset ?? offset)"
    }

    /// With ``AcknowledgementMode/manual``: this message is done. May be called from anywhere, at any time, once or
    /// more; offsets are committed when all messages before it in its partition are done too.
    public func acknowledge() {
        acknowledgement?()
    }
}

/// Says once that a message is done.
struct Acknowledgement: Sendable {
    let action: @Sendable () -> Void

    func callAsFunction() { action() }
}

/// Names of the headers that the library itself writes.
public enum MessageHeaders {
    /// Tells a message from all others. The outbox gives every message one; the inbox looks for it.
    public static let messageID = "message-id"
}
