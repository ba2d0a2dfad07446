import ConnectAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

/// The offsets of source connectors in one offsets topic or, for a standalone worker, in a file.
final class OffsetStore: Sendable {
    /// One offset to store; nil removes it.
    struct Write: Sendable, Hashable {
        var key: ByteBuffer
        var value: ByteBuffer?
    }

    private let log: any TopicLog
    private let fence = NIOLockedValueBox<(@Sendable () -> Bool)?>(nil)
    private let offsets = NIOLockedValueBox<OrderedDictionary<ByteBuffer, ByteBuffer>>([:])

    init(log: any TopicLog) {
        self.log = log
    }

    /// Reads what is stored.
    func start() async throws {
        try await log.open { [offsets] entry, _ in
            offsets.withLockedValue { $0[entry.key] = entry.value }
        }
    }

    /// Makes sure that what other workers have stored is known.
    /// - Parameter end: ``LogEnd/written`` waits for transactions that are open now.
    func readToEnd(_ end: LogEnd = .settled) async throws { try await log.readToEnd(end, within: .seconds(30)) }

    func stop() async { await log.close() }

    /// Has every write ask first whether this worker may still write: one that its group has given up must not put
    /// older offsets over those of its successor.
    func setFence(_ mayWrite: @escaping @Sendable () -> Bool) { fence.withLockedValue { $0 = mayWrite } }

    /// Stores offsets; returns when they are durable.
    func put(_ writes: [Write]) async throws {
        guard !writes.isEmpty else { return }
        if let mayWrite = fence.withLockedValue({ $0 }), !mayWrite() {
            throw TaskError(
                "offsets are not stored while this worker has no contact with its group: others may have its tasks",
                isRetriable: true)
        }
        try await log.append(writes.map { LogEntry(key: $0.key, value: $0.value) })
        guard !log.isFollowed else { return }
        offsets.withLockedValue { offsets in
            for write in writes { offsets[write.key] = write.value }
        }
    }

    /// The offset of one partition as it is stored; nil if there is none.
    func value(_ key: ByteBuffer) -> ByteBuffer? { offsets.withLockedValue { $0[key] } }

    /// All that is stored of a connector, in the order of its first writing.
    func entries(of connector: String) -> OrderedDictionary<ByteBuffer, ByteBuffer> {
        offsets.withLockedValue { $0 }.filter { OffsetRecords.parseKey($0.key)?.connector == connector }
    }
}
