public import Logging

/// Reads a part of a system. The runtime runs every task on its own thread: blocking in C calls is allowed. A task is
/// made, used and stopped by one async function, and is not Sendable.
public protocol SourceTask: AnyObject {
    /// Opens what the task needs and finds where to resume.
    func start(_ config: [String: String], context: any SourceTaskContext) async throws

    /// The next records; an empty list means nothing for now. May wait, must honour cancellation of its Swift task.
    /// - Throws: ``ConnectError`` `.retriable` to be called again, any other to fail the task.
    func poll() async throws -> [SourceBatch]

    /// All records returned before have been acknowledged and their offsets stored.
    func commit() async

    /// Closes everything. Called once after a `start`, also a failed one.
    func stop() async
}

extension SourceTask {
    /// Does nothing.
    public func commit() async {}
}

/// What the runtime offers a source task.
public protocol SourceTaskContext: OffsetReader {
    /// The connector's name.
    var connectorName: String { get }
    /// The task's number.
    var taskID: Int { get }
    /// Where the task logs.
    var logger: Logger { get }
    /// Whether the task ends transactions (``SourceBatch/transactionEnd``): the worker delivers exactly once, and
    /// `transaction.boundary` is `connector`. Otherwise ends that it sets have no effect.
    var definesTransactions: Bool { get }
}

extension SourceTaskContext {
    /// Transactions are the worker's.
    public var definesTransactions: Bool { false }
}

/// Writes records into a system. Threads and lifetime as for ``SourceTask``.
public protocol SinkTask: AnyObject {
    /// Opens what the task needs.
    func start(_ config: [String: String], context: any SinkTaskContext) async throws

    /// The task now owns these partitions as well.
    func open(_ partitions: [TopicPartitionName]) async throws

    /// Writes the records. When it returns they may still be buffered; ``preCommit(_:)`` tells what is safe.
    /// - Throws: ``ConnectError`` `.retriable` to be called again with the same records, `.data` to apply tolerance,
    ///   any other to fail the task.
    func put(_ records: [SinkRecord]) async throws

    /// Which offsets may be committed, given the next offset to read of every partition. Default: all as given.
    func preCommit(_ offsets: [TopicPartitionName: Int64]) async throws -> [TopicPartitionName: Int64]

    /// The task no longer owns these partitions.
    func close(_ partitions: [TopicPartitionName]) async

    /// Closes everything. Called once after a `start`, also a failed one.
    func stop() async
}

extension SinkTask {
    /// Does nothing.
    public func open(_ partitions: [TopicPartitionName]) async throws {}

    /// Everything handed over may be committed.
    public func preCommit(_ offsets: [TopicPartitionName: Int64]) async throws -> [TopicPartitionName: Int64] {
        offsets
    }

    /// Does nothing.
    public func close(_ partitions: [TopicPartitionName]) async {}
}

/// What the runtime offers a sink task.
public protocol SinkTaskContext: Sendable {
    /// The connector's name.
    var connectorName: String { get }
    /// The task's number.
    var taskID: Int { get }
    /// Where the task logs.
    var logger: Logger { get }
    /// Where single bad records go (KIP-610), if the connector has dead letters or tolerance configured.
    var errantRecordReporter: (any ErrantRecordReporter)? { get }
    /// How long the runtime waits before it calls `put` again after a retriable error.
    func requestRetry(after delay: Duration)
    /// Goes on at these offsets, in place of the consumer group's (Kafka's `SinkTaskContext.offset`). Records of the
    /// partitions that have been read but not put are dropped.
    func seek(to offsets: [TopicPartitionName: Int64])
}

extension SinkTaskContext {
    /// Does nothing: for contexts without a consumer.
    public func seek(to offsets: [TopicPartitionName: Int64]) {}
}

/// Takes records that a sink could not write (KIP-610).
public protocol ErrantRecordReporter: Sendable {
    /// Hands over one record with what is wrong about it. Returns when it is safe.
    /// - Throws: when tolerance does not allow the error; the task should let it pass.
    func report(_ record: SinkRecord, error: ConnectError) async throws
}
