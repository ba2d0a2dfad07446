/// One fixed-size entry of a segment's index file, integers big-endian as Kafka writes them.
protocol SegmentIndexEntry: Sendable {
    static var size: Int { get }
    init(bytes: UnsafeRawBufferPointer)
    func append(to bytes: inout [UInt8])
}

/// `.index`: a batch's last offset, relative to the segment's, and the batch's position in the file.
struct OffsetIndexEntry: SegmentIndexEntry, Equatable {
    static let size = 8
    var relativeOffset: Int32
    var position: Int32

    init(relativeOffset: Int32, position: Int32) {
        self.relativeOffset = relativeOffset
        self.position = position
    }

    init(bytes: UnsafeRawBufferPointer) {
        relativeOffset = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: Int32.self))
        position = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self))
    }

    func append(to bytes: inout [UInt8]) {
        bytes.appendBigEndian(relativeOffset)
        bytes.appendBigEndian(position)
    }
}

/// `.timeindex`: the largest timestamp so far in the segment, and the relative last offset of the batch that has it.
struct TimeIndexEntry: SegmentIndexEntry, Equatable {
    static let size = 12
    var timestamp: Int64
    var relativeOffset: Int32

    init(timestamp: Int64, relativeOffset: Int32) {
        self.timestamp = timestamp
        self.relativeOffset = relativeOffset
    }

    init(bytes: UnsafeRawBufferPointer) {
        timestamp = Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self))
        relativeOffset = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self))
    }

    func append(to bytes: inout [UInt8]) {
        bytes.appendBigEndian(timestamp)
        bytes.appendBigEndian(relativeOffset)
    }
}

/// A sparse index of one segment: entries in a file, and behind them those not written yet.
///
/// It is a value: a copy is a consistent view for lookups without a lock, since the file only grows, and a rebuilt index is
/// a new file. Entries are not written one by one: an append to the log costs one write, the index is written when the
/// segment is sealed, checkpointed or closed, and rebuilt by recovery if that did not happen.
struct SegmentIndex<Entry: SegmentIndexEntry>: Sendable {
    let path: String
    private var file: (any StorageFile)?
    private var storedCount: Int
    private var pending: [Entry] = []
    private(set) var last: Entry?
    /// Whether entries have been written that are not known to be on the device.
    private var isDirty = false

    /// Pending entries above which `append` asks to be stored; bounds the memory of a large active segment.
    static var pendingLimit: Int { 1024 }

    /// An index without a file.
    init(path: String) {
        self.path = path
        storedCount = 0
    }

    /// Opens an index file. Nil if it is absent or its length is not a multiple of an entry's.
    init?(opening path: String, _ fileSystem: any FileSystem) throws(StorageError) {
        guard let information = try fileSystem.information(path), information.size % Int64(Entry.size) == 0 else {
            return nil
        }
        self.path = path
        storedCount = Int(information.size) / Entry.size
        guard storedCount > 0 else { return }
        file = try fileSystem.open(path, create: false)
        last = try entry(storedCount - 1)
    }

    var count: Int { storedCount + pending.count }
    var byteCount: Int { count * Entry.size }
    var needsStore: Bool { pending.count >= Self.pendingLimit }

    mutating func append(_ entry: Entry) {
        pending.append(entry)
        last = entry
    }

    /// Writes what is pending; creates the file if there is none, even an empty one.
    mutating func store(_ fileSystem: any FileSystem) throws(StorageError) {
        if file == nil {
            file = try fileSystem.open(path, create: true)
            isDirty = true
        }
        guard !pending.isEmpty, let file else { return }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pending.count * Entry.size)
        for entry in pending { entry.append(to: &bytes) }
        try file.write(bytes, at: Int64(storedCount * Entry.size))
        storedCount += pending.count
        pending.removeAll()
        isDirty = true
    }

    /// The file, if it has entries that are not on the device; the caller syncs it, then or later.
    mutating func takeUnsyncedFile() -> (any StorageFile)? {
        defer { isDirty = false }
        return isDirty ? file : nil
    }

    /// The last entry for which `isBefore` holds, given that it holds for a prefix of the entries.
    func lastEntry(where isBefore: (Entry) -> Bool) throws(StorageError) -> Entry? {
        if let first = pending.first, isBefore(first) || storedCount == 0 {
            var low = 0
            var high = pending.count
            while low < high {
                let middle = (low + high) / 2
                if isBefore(pending[middle]) { low = middle + 1 } else { high = middle }
            }
            return low == 0 ? nil : pending[low - 1]
        }
        if let last, pending.isEmpty, isBefore(last) { return last }
        var low = 0
        var high = storedCount
        var found: Entry?
        while low < high {
            let middle = (low + high) / 2
            let candidate = try entry(middle)
            if isBefore(candidate) {
                low = middle + 1
                found = candidate
            } else {
                high = middle
            }
        }
        return found
    }

    /// All entries; one read.
    func entries() throws(StorageError) -> [Entry] {
        guard storedCount > 0 else { return pending }
        guard let file else { throw StorageError(.io, "\(path): the index has no file") }
        let bytes = try file.readBytes(at: 0, count: storedCount * Entry.size)
        guard bytes.count == storedCount * Entry.size else {
            throw StorageError(.corruptRecord, "\(path): the index ends early")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        bytes.withUnsafeBytes { raw in
            for start in stride(from: 0, to: raw.count, by: Entry.size) {
                entries.append(Entry(bytes: UnsafeRawBufferPointer(rebasing: raw[start..<start + Entry.size])))
            }
        }
        return entries + pending
    }

    /// A new index with these entries, whose file replaces this one's; views that use the old file stay valid.
    func replaced(by entries: some Sequence<Entry>, _ fileSystem: any FileSystem) throws(StorageError) -> Self {
        var index = Self(path: path)
        for entry in entries { index.append(entry) }
        try fileSystem.remove(path)
        try index.store(fileSystem)
        return index
    }

    private func entry(_ index: Int) throws(StorageError) -> Entry {
        guard let file else { throw StorageError(.io, "\(path): the index has no file") }
        let bytes = try file.readBytes(at: Int64(index * Entry.size), count: Entry.size)
        guard bytes.count == Entry.size else { throw StorageError(.corruptRecord, "\(path): the index ends early") }
        return bytes.withUnsafeBytes { Entry(bytes: $0) }
    }
}

extension [UInt8] {
    mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
