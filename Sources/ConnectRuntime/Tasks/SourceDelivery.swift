import ConnectAPI
import KafkaClient
import Logging
import NIOCore
import OrderedCollections

/// Records of a source with the offsets that belong to them.
struct SourcePart: Sendable {
    var records: [ProducerRecord]
    /// By key of the offsets topic; nil removes one.
    var offsets: OrderedDictionary<ByteBuffer, ByteBuffer?>
    /// What the task wants to become of the open transaction, after these records.
    var end: TransactionEnd?
}

/// How records of a source, and their offsets, get to Kafka. Parts are delivered one after the other.
protocol SourceDelivery: Sendable {
    /// Returns when the next part may come; throws when the task must be given up.
    func deliver(_ part: SourcePart) async throws
    /// Nothing that was delivered waits for anything.
    var isClean: Bool { get async }
    /// Stores what can be stored now.
    func flush() async throws
    /// Lets go. What the task has not ended, or what was delivered before a failure, is given up.
    func close() async
}

/// At least once: offsets are stored when their records are acknowledged, and soon after (``EagerCommitter``).
struct AtLeastOnceDelivery: SourceDelivery {
    private let sender: any RecordSender
    private let errors: RecordErrors
    private let metrics: TaskMetrics
    private let committer: EagerCommitter<ByteBuffer, ByteBuffer?>

    init(
        sender: any RecordSender, offsets: ConnectorOffsets, errors: RecordErrors, metrics: TaskMetrics,
        timing: CommitTiming, logger: Logger
    ) {
        self.sender = sender
        self.errors = errors
        self.metrics = metrics
        committer = EagerCommitter(timing: timing, logger: logger) { positions in
            try await metrics.commit {
                try await offsets.put(positions.map { OffsetStore.Write(key: $0.key, value: $0.value) })
            }
        }
    }

    func deliver(_ part: SourcePart) async throws {
        try await errors.send(part.records, to: sender)
        metrics.update { $0.written += Int64(part.records.count) }
        await committer.commit(part.offsets)
    }

    var isClean: Bool { get async { await committer.isClean } }

    func flush() async throws { try await committer.flush() }

    func close() async {
        await committer.close()
        await sender.close()
    }
}
