import ConnectAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

/// The source connectors' offsets, in the offsets topic or, for a standalone worker, in a file.
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
    func readToEnd() async throws { try await log.readToEnd(within: .seconds(30)) }

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

    /// The offset of one partition; nil if there is none.
    func offset(connector: String, partition: OffsetMap) throws(ConnectError) -> OffsetMap? {
        let key = try OffsetRecords.key(connector: connector, partition: partition)
        return offsets.withLockedValue { $0[key] }.flatMap(OffsetRecords.parseValue)
    }

    /// All offsets of a connector, as REST shows them.
    func offsets(of connector: String) -> [ConnectorOffset] {
        offsets.withLockedValue { $0 }.compactMap { key, value in
            guard let parsed = OffsetRecords.parseKey(key), parsed.connector == connector,
                let json = try? JSONValue(parsing: value)
            else { return nil }
            return ConnectorOffset(partition: parsed.partition.offsetValues, offset: json.offsetValues)
        }
    }

    /// Overwrites offsets as REST gives them.
    func alter(_ connector: String, _ changes: [ConnectorOffset]) async throws {
        var writes: [Write] = []
        for change in changes {
            let key = try OffsetRecords.key(connector: connector, partition: JSONValue(change.partition))
            let value = change.offset.map { ByteBuffer(bytes: JSONValue($0).bytes) }
            writes.append(Write(key: key, value: value))
        }
        try await put(writes)
    }

    /// Removes all offsets of a connector.
    func reset(_ connector: String) async throws {
        try await readToEnd()
        let keys = offsets.withLockedValue { $0.keys.filter { OffsetRecords.parseKey($0)?.connector == connector } }
        try await put(keys.map { Write(key: $0, value: nil) })
    }
}

/// The offsets as one connector sees them.
struct ConnectorOffsetReader: OffsetReader {
    let connector: String
    let store: OffsetStore

    func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] {
        var result: [OffsetMap: OffsetMap] = [:]
        try await store.readToEnd()
        for partition in partitions {
            result[partition] = try store.offset(connector: connector, partition: partition)
        }
        return result
    }
}
