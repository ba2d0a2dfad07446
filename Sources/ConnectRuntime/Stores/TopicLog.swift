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

/// Where a store keeps its records: a compacted topic, a file, or memory. One worker writes at a time.
protocol TopicLog: Sendable {
    /// Makes the log if need be and reads all of it, in order per key. Called once, before anything else.
    func open(_ apply: (LogEntry) -> Void) async throws
    /// Appends in order; returns when the records are durable.
    func append(_ entries: [LogEntry]) async throws
    /// Lets go of what is open.
    func close() async
}

/// Keeps nothing: standalone workers have their configuration and status in memory only.
struct MemoryTopicLog: TopicLog {
    func open(_ apply: (LogEntry) -> Void) async throws {}
    func append(_ entries: [LogEntry]) async throws {}
    func close() async {}
}
