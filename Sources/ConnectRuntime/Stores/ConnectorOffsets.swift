import ConnectAPI
import NIOCore
import OrderedCollections

/// The offsets of one connector: in the worker's topic and, if it has one (`offsets.storage.topic`), in its own, which
/// wins (Kafka's `ConnectorOffsetBackingStore`).
struct ConnectorOffsets: Sendable {
    let connector: String
    let worker: OffsetStore
    let own: OffsetStore?

    /// Makes sure that what others have stored is known.
    func readToEnd(_ end: LogEnd = .settled) async throws {
        try await own?.readToEnd(end)
        try await worker.readToEnd(end)
    }

    /// The offset of one partition; nil if there is none.
    func offset(_ partition: OffsetMap) throws(ConnectError) -> OffsetMap? {
        let key = try OffsetRecords.key(connector: connector, partition: partition)
        return (own?.value(key) ?? worker.value(key)).flatMap(OffsetRecords.parseValue)
    }

    /// All offsets, as REST shows them.
    var all: [ConnectorOffset] {
        var entries = worker.entries(of: connector)
        if let own { entries.merge(own.entries(of: connector)) { $1 } }
        return entries.compactMap { key, value in
            guard let parsed = OffsetRecords.parseKey(key), let json = try? JSONValue(parsing: value) else {
                return nil
            }
            return ConnectorOffset(partition: parsed.partition.offsetValues, offset: json.offsetValues)
        }
    }

    /// Stores offsets; returns when they are durable. A removal goes to the worker's topic first: an old entry there
    /// must not show through.
    func put(_ writes: [OffsetStore.Write]) async throws {
        guard let own else { return try await worker.put(writes) }
        let removals = writes.filter { $0.value == nil }
        try await worker.put(removals)
        try await own.put(writes)
        try await worker.put(writes.filter { $0.value != nil })
    }

    /// Overwrites offsets as REST gives them.
    func alter(_ changes: [ConnectorOffset]) async throws {
        var writes: [OffsetStore.Write] = []
        for change in changes {
            let key = try OffsetRecords.key(connector: connector, partition: JSONValue(change.partition))
            let value = change.offset.map { ByteBuffer(bytes: JSONValue($0).bytes) }
            writes.append(OffsetStore.Write(key: key, value: value))
        }
        try await put(writes)
    }

    /// Removes all offsets.
    func reset() async throws {
        try await readToEnd()
        var keys = worker.entries(of: connector).keys
        if let own { keys.append(contentsOf: own.entries(of: connector).keys) }
        try await put(keys.map { OffsetStore.Write(key: $0, value: nil) })
    }
}

/// The offsets as the connector itself, or one of its tasks, sees them.
struct ConnectorOffsetReader: OffsetReader {
    /// Up to where is read: a task waits for what its predecessor has written.
    let end: LogEnd
    let offsets: @Sendable () async throws -> ConnectorOffsets

    func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] {
        let offsets = try await offsets()
        var result: [OffsetMap: OffsetMap] = [:]
        try await offsets.readToEnd(end)
        for partition in partitions { result[partition] = try offsets.offset(partition) }
        return result
    }
}
