import KafkaProtocol
import KafkaTesting
import NIOCore
import Synchronization

@testable import KafkaStorage

/// A record with a key; no value is a tombstone.
struct Keyed: Sendable {
    var key: String?
    var value: String?
    var timestamp = startOfTests

    init(_ key: String?, _ value: String?, _ timestamp: Int64 = startOfTests) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
    }
}

func keyedBatch(
    _ records: [Keyed], compression: CompressionType = .none, producer: Int64 = -1, epoch: Int16 = -1,
    sequence: Int32 = -1, isTransactional: Bool = false, isControl: Bool = false
) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(
        compression: compression, producerId: producer, producerEpoch: epoch, baseSequence: sequence,
        isTransactional: isTransactional, isControl: isControl)
    for record in records {
        builder.append(
            timestamp: record.timestamp, key: record.key.map { ByteBuffer(string: $0) },
            value: record.value.map { ByteBuffer(string: $0) },
            headers: [RecordHeader(key: "h", value: ByteBuffer(string: record.key ?? ""))])
    }
    return try builder.build()
}

/// A compacted log whose active segment is sealed by every maintenance, whatever its size, and that is cleaned whenever
/// there is anything to clean.
func eager() -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.cleanupPolicy = .compact
    configuration.minCleanableDirtyRatio = 0
    configuration.compactionRollBytes = 1
    configuration.indexIntervalBytes = 100
    return configuration
}

extension PartitionLog {
    func append(_ records: [Keyed], compression: CompressionType = .none) throws {
        let batch = try keyedBatch(records, compression: compression)
        let header = try RecordBatchHeader(parsing: batch)
        _ = try append(batch, validated: header)
    }

    func batches(from offset: Int64 = 0) throws -> [RecordBatch] {
        var batches: [RecordBatch] = []
        var next = offset
        while let slice = try read(from: next, maxBytes: 1 << 20).slice {
            for batch in try RecordBatches.records(in: try slice.readBytes(), from: next) {
                batches.append(batch)
                next = batch.header.nextOffset
            }
        }
        return batches
    }

    /// `offset:key=value` of every record, `offset:key` of a tombstone.
    func contents() throws -> [String] {
        try records(from: logStartOffset).map { record in
            let key = record.key.map { String(buffer: $0) } ?? "null"
            return "\(record.offset):\(key)" + (record.value.map { "=" + String(buffer: $0) } ?? "")
        }
    }
}

/// A file system that tells before each change of a folder, and in the middle of every sync, so that a test can pull the plug
/// there.
final class SteppingFileSystem: FileSystem {
    let inner: FaultInjectingFileSystem
    private let hook = Mutex<(@Sendable (String) -> Void)?>(nil)

    init(_ inner: FaultInjectingFileSystem) { self.inner = inner }

    func onStep(_ body: (@Sendable (String) -> Void)?) {
        hook.withLock { $0 = body }
        guard let body else { return inner.onSync(nil) }
        inner.onSync { path in body("sync \(path)") }
    }

    private func step(_ name: String) { hook.withLock { $0 }?(name) }

    func open(_ path: String, create: Bool) throws(StorageError) -> any StorageFile {
        if create { step("create \(path)") }
        return try inner.open(path, create: create)
    }
    func information(_ path: String) throws(StorageError) -> FileInformation? { try inner.information(path) }
    func list(_ directory: String) throws(StorageError) -> [String] { try inner.list(directory) }
    func createDirectory(_ path: String) throws(StorageError) { try inner.createDirectory(path) }
    func rename(_ source: String, to destination: String) throws(StorageError) {
        step("rename \(source) \(destination)")
        try inner.rename(source, to: destination)
        step("renamed \(source) \(destination)")
    }
    func remove(_ path: String) throws(StorageError) {
        step("remove \(path)")
        try inner.remove(path)
    }
    func removeDirectory(_ path: String) throws(StorageError) { try inner.removeDirectory(path) }
    func syncDirectory(_ path: String) throws(StorageError) {
        step("sync folder \(path)")
        try inner.syncDirectory(path)
        step("synced folder \(path)")
    }
    func lock(_ path: String) throws(StorageError) -> any FileLock { try inner.lock(path) }
}

/// Numbers that a seed determines.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var mixed = state
        mixed ^= mixed >> 33
        mixed = mixed &* 0xff51_afd7_ed55_8ccd
        return mixed ^ (mixed >> 33)
    }
}
