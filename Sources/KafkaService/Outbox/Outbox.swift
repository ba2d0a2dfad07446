import KafkaClient
public import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// Publishes within the service's own database transaction: the message exists if and only if the transaction does.
///
/// ``publish(_:key:to:in:headers:messageID:)`` writes a row; ``OutboxRelay`` sends the rows in order and marks them.
/// A row may be sent twice if the relay dies between the two, with the same `message-id` header, which the receiver's
/// ``Inbox`` knows.
public final class Outbox: Sendable {
    /// The database with the table `sluice_outbox`.
    public let database: any ServiceDatabase
    let wake = WakeUp()

    /// Makes an outbox. Call ``migrate()`` at the start.
    public init(database: any ServiceDatabase) {
        self.database = database
    }

    /// Makes the tables or brings them up to date.
    public func migrate() async throws {
        try await MessagingSchema.outbox.run(on: database)
    }

    /// Runs the service's statements and its publishing as one transaction, then wakes the relay.
    public func withTransaction<Result: Sendable>(
        _ body: (any SQLTransaction) async throws -> Result
    ) async throws -> Result {
        let result = try await database.withTransaction(body)
        wake.notify()
        return result
    }

    /// Writes a message to the outbox, as part of a transaction of this outbox's database.
    ///
    /// - Parameters:
    ///   - value: What to publish.
    ///   - key: Whose messages stay in order. To keep the order of transactions too, they must wait for each other in
    ///     the database, such as by updating the same row first.
    ///   - topic: Where to.
    ///   - transaction: The transaction.
    ///   - headers: Are sent as they are.
    ///   - messageID: What tells the message from all others; at most 255 bytes. By default a random one.
    /// - Returns: The message's id.
    @discardableResult
    public func publish<Value: Sendable>(
        _ value: Value, key: String?, to topic: Topic<Value>, in transaction: any SQLTransaction,
        headers: [RecordHeader] = [], messageID: String? = nil
    ) async throws -> String {
        if topic.keyRule == .required, key?.isEmpty ?? true {
            throw KafkaServiceError(
                .key, "topic '\(topic.name)' needs a key: without one, messages of one thing get out of order")
        }
        try TopicCheck.validate(topic.name)
        let id = messageID ?? KafkaUUID.random().description
        guard (1...255).contains(id.utf8.count) else {
            throw KafkaServiceError(.configuration, "a message id has 1 to 255 bytes, not \(id.utf8.count)")
        }
        var headers = headers.filter { $0.key != MessageHeaders.messageID }
        headers += MessageTracing.headers(besides: headers)
        let payload = try topic.serde.encode(value)
        try await transaction.execute(
            """
            INSERT INTO sluice_outbox (message_id, topic, message_key, payload, headers, created_at)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .text(id), .text(topic.name), key.map { .bytes(Array($0.utf8)) } ?? .null,
                .bytes(Array(payload.readableBytesView)), .bytes(HeaderBytes.encode(headers)),
                .integer(WallClock.now()),
            ])
        return id
    }
}

/// Headers in one column: for each, the lengths of name and value (32 bits, big-endian; -1 is a null value), then both.
enum HeaderBytes {
    static func encode(_ headers: [RecordHeader]) -> [UInt8] {
        var buffer = ByteBuffer()
        for header in headers {
            buffer.writeInteger(Int32(clamping: header.key.utf8.count))
            buffer.writeInteger(header.value.map { Int32(clamping: $0.readableBytes) } ?? -1)
            buffer.writeString(header.key)
            if let value = header.value { buffer.writeImmutableBuffer(value) }
        }
        return Array(buffer.readableBytesView)
    }

    static func decode(_ bytes: [UInt8]) throws(KafkaServiceError) -> [RecordHeader] {
        var buffer = ByteBuffer(bytes: bytes)
        var headers: [RecordHeader] = []
        while buffer.readableBytes > 0 {
            guard let nameLength = buffer.readInteger(as: Int32.self), nameLength >= 0,
                let valueLength = buffer.readInteger(as: Int32.self), valueLength >= -1,
                let name = buffer.readString(length: Int(nameLength)),
                let value = valueLength < 0 ? .some(nil) : buffer.readSlice(length: Int(valueLength)).map(Optional.some)
            else { throw KafkaServiceError(.database, "the column headers of a row of sluice_outbox is damaged") }
            headers.append(RecordHeader(key: name, value: value))
        }
        return headers
    }
}

/// Lets tasks sleep until somebody has news. News that come while nobody sleeps are kept for the next.
final class WakeUp: Sendable {
    private struct State {
        var isSet = false
        /// Several relays of one process may share an outbox.
        var sleepers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = NIOLockedValueBox(State())

    /// Wakes all that sleep.
    func notify() {
        let sleepers = state.withLockedValue { state in
            state.isSet = state.sleepers.isEmpty
            defer { state.sleepers = [] }
            return state.sleepers
        }
        for sleeper in sleepers { sleeper.resume() }
    }

    /// Returns when there are news, when time is up, or when the task is cancelled; now and then also for no reason.
    func wait(_ limit: Duration) async {
        let alarm = Task {
            try await Task.sleep(for: limit)
            self.notify()
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isSet = state.withLockedValue { state in
                    if state.isSet {
                        state.isSet = false
                        return true
                    }
                    state.sleepers.append(continuation)
                    return false
                }
                if isSet { continuation.resume() }
            }
        } onCancel: {
            self.notify()
        }
        alarm.cancel()
    }
}
