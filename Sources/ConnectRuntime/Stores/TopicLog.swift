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

/// Up to where a log is read.
enum LogEnd: Sendable {
    /// The end of what is settled: behind it a transaction may be open.
    case settled
    /// The end of what is written, which open transactions hold up.
    case written
}

/// Where a store keeps its records: a compacted topic, a file, or memory.
protocol TopicLog: Sendable {
    /// Makes the log if need be and reads all of it, in order per key. Called before anything else. A log that is
    /// followed goes on to call `apply` with what is written later, by this worker or another.
    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws
    /// Appends in order; returns when the records are durable, and where they are if the log is followed.
    @discardableResult func append(_ entries: [LogEntry]) async throws -> [LogPosition]
    /// Appends what only the group's leader may write: all of it or nothing, and nothing once another leader has come
    /// (KIP-618). Without exactly-once sources as ``append(_:)``.
    @discardableResult func appendAsLeader(_ entries: [LogEntry]) async throws -> [LogPosition]
    /// Shuts former leaders out, and reads what they have written.
    func claimLead() async throws
    /// Has every claim of the lead ask whether this worker leads.
    func setPermission(_ mayLead: @escaping @Sendable () -> Bool)
    /// Whether others write too, so that what is appended counts when it is read back. Otherwise this worker is the
    /// only one that writes, and knows what it has written.
    var isFollowed: Bool { get }
    /// The offset after the last record that has been read, of a log with one partition; -1 for none.
    var nextOffset: Int64 { get }
    /// Returns when all that is there now has been applied.
    func readToEnd(_ end: LogEnd, within timeout: Duration) async throws
    /// Returns when the records at these positions have been applied.
    func waitUntilRead(_ positions: [LogPosition], within timeout: Duration) async throws
    /// Lets go of what is open.
    func close() async
}

extension TopicLog {
    var isFollowed: Bool { false }
    var nextOffset: Int64 { -1 }
    func readToEnd(_ end: LogEnd, within timeout: Duration) async throws {}
    func appendAsLeader(_ entries: [LogEntry]) async throws -> [LogPosition] { try await append(entries) }
    func claimLead() async throws {}
    func setPermission(_ mayLead: @escaping @Sendable () -> Bool) {}
    func waitUntilRead(_ positions: [LogPosition], within timeout: Duration) async throws {}
}

/// Keeps nothing: standalone workers have their configuration and status in memory only.
struct MemoryTopicLog: TopicLog {
    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {}
    func append(_ entries: [LogEntry]) async throws -> [LogPosition] { [] }
    func close() async {}
}
