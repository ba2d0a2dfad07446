internal import KafkaProtocol
internal import Synchronization

/// A transaction that was aborted, as `.txnindex` and a read_committed fetch tell of it (Kafka's `AbortedTxn`).
public struct AbortedTransaction: Sendable, Equatable {
    /// The producer.
    public var producerID: Int64
    /// Offset of the transaction's first record in this partition.
    public var firstOffset: Int64
    /// Offset of the marker that aborted it.
    public var lastOffset: Int64
    /// The last stable offset once it was aborted: nothing after this entry aborts records before that offset.
    public var lastStableOffset: Int64

    static let size = 34

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        bytes.appendBigEndian(Int16(0))
        bytes.appendBigEndian(producerID)
        bytes.appendBigEndian(firstOffset)
        bytes.appendBigEndian(lastOffset)
        bytes.appendBigEndian(lastStableOffset)
        return bytes
    }

    /// Reads one entry; nil if its version or its offsets cannot be.
    init?(_ raw: UnsafeRawBufferPointer) {
        func integer(_ offset: Int) -> Int64 {
            Int64(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: Int64.self))
        }
        guard raw.count == Self.size, raw[0] == 0, raw[1] == 0 else { return nil }
        producerID = integer(2)
        firstOffset = integer(10)
        lastOffset = integer(18)
        lastStableOffset = integer(26)
        guard firstOffset >= 0, lastOffset >= firstOffset else { return nil }
    }

    init(producerID: Int64, firstOffset: Int64, lastOffset: Int64, lastStableOffset: Int64) {
        self.producerID = producerID
        self.firstOffset = firstOffset
        self.lastOffset = lastOffset
        self.lastStableOffset = lastStableOffset
    }
}

/// The aborted transactions whose markers lie in one segment: Kafka's `.txnindex` file, which exists only if there are any.
///
/// Entries are in the order of their markers. New ones are in memory until `store`; a recovery makes them anew from the
/// markers behind the newest snapshot of the producers, so everything before a snapshot must be stored and synced.
struct TransactionIndex {
    private let path: String
    private(set) var entries: [AbortedTransaction] = []
    private var storedCount = 0

    /// The index of a segment that begins.
    init(path: String) {
        self.path = path
    }

    /// Reads the file; a missing one has no entries. What is not whole at its end is left out.
    init(opening path: String, _ fileSystem: any FileSystem) throws(StorageError) {
        self.path = path
        guard let bytes = try fileSystem.contents(of: path) else { return }
        bytes.withUnsafeBytes { raw in
            for start in stride(from: 0, through: raw.count - AbortedTransaction.size, by: AbortedTransaction.size) {
                let end = start + AbortedTransaction.size
                guard let entry = AbortedTransaction(UnsafeRawBufferPointer(rebasing: raw[start..<end])) else { return }
                entries.append(entry)
            }
        }
        storedCount = entries.count
    }

    mutating func append(_ entry: AbortedTransaction) { entries.append(entry) }

    /// Drops the entries whose markers are at `offset` or behind it.
    mutating func truncate(to offset: Int64) {
        entries.removeAll { $0.lastOffset >= offset }
        storedCount = min(storedCount, entries.count)
    }

    /// Writes what is not in the file yet, and has it on the device when it returns.
    mutating func store(_ fileSystem: any FileSystem) throws(StorageError) {
        guard storedCount < entries.count else { return }
        let file = try fileSystem.open(path, create: true)
        let position = Int64(storedCount * AbortedTransaction.size)
        if try file.size() != position { try file.truncate(to: position) }
        try file.write(entries[storedCount...].flatMap(\.bytes), at: position)
        try file.sync()
        storedCount = entries.count
    }
}
