public import NIOCore

/// A record of one of the worker's own topics.
public struct LogEntry: Sendable, Hashable {
    /// The key's bytes.
    public var key: ByteBuffer
    /// The value's bytes; nil removes the key.
    public var value: ByteBuffer?

    /// Makes a record.
    public init(key: ByteBuffer, value: ByteBuffer?) {
        self.key = key
        self.value = value
    }

    /// Makes a record of texts.
    public init(key: String, value: [UInt8]?) {
        self.key = ByteBuffer(string: key)
        self.value = value.map { ByteBuffer(bytes: $0) }
    }
}

/// Where a record of a topic is.
struct LogPosition: Sendable, Hashable {
    var partition: Int32
    var offset: Int64
}

/// Where a store keeps its records: a compacted topic, a file, or memory.
protocol TopicLog: Sendable {
    /// Makes the log if need be and reads all of it, in order per key. Called before anything else. A log that is
    /// followed goes on to call `apply` with what is written later, by this worker or another.
    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws
    /// Appends in order; returns when the records are durable, and where they are if the log is followed.
    @discardableResult func append(_ entries: [LogEntry]) async throws -> [LogPosition]
    /// Whether others write too, so that what is appended counts when it is read back. Otherwise this worker is the
    /// only one that writes, and knows what it has written.
    var isFollowed: Bool { get }
    /// The offset after the last record that has been read, of a log with one partition; -1 for none.
    var nextOffset: Int64 { get }
    /// Returns when all that is there now has been applied.
    func readToEnd(within timeout: Duration) async throws
    /// Returns when the records at these positions have been applied.
    func waitUntilRead(_ positions: [LogPosition], within timeout: Duration) async throws
    /// Lets go of what is open.
    func close() async
}

extension TopicLog {
    var isFollowed: Bool { false }
    var nextOffset: Int64 { -1 }
    func readToEnd(within timeout: Duration) async throws {}
    func waitUntilRead(_ positions: [LogPosition], within timeout: Duration) async throws {}
}

/// Keeps nothing: standalone workers have their configuration and status in memory only.
struct MemoryTopicLog: TopicLog {
    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {}
    func append(_ entries: [LogEntry]) async throws -> [LogPosition] { [] }
    func close() async {}
}
