public import KafkaStorage
internal import Synchronization

/// A file system in memory that knows what a real one would have put on its device, and fails on request.
///
/// Bytes written and names made are visible at once and durable only after a sync, as on a disk behind a page cache.
/// `crash(seed:)` gives the file system that a machine finds after a power cut: durable content, and of the rest what chance
/// has let through, sector by sector. Space can run out, and syncs can fail; a failed sync drops the dirty bytes from the
/// device for good, while reads still show them (as Linux does).
public final class FaultInjectingFileSystem: FileSystem {
    /// What shall go wrong.
    public struct Faults: Sendable {
        /// Bytes that can still be written before the disk is full; nil for no limit. A write that does not fit writes what
        /// fits.
        public var freeBytes: Int64?
        /// Syncs of files that succeed before one fails; nil if none fails. The count goes on below zero: one fails only.
        public var syncsUntilFailure: Int?
        /// Truncations fail.
        public var failsTruncation = false

        /// No fault.
        public init() {}
    }

    /// What has been done, for tests that count.
    public struct Counters: Sendable {
        /// Writes to files.
        public var writes = 0
        /// Syncs of files.
        public var syncs = 0
        /// Syncs of folders.
        public var directorySyncs = 0
    }

    /// Called in the middle of every file sync, before the bytes count as durable, on the thread that syncs.
    public typealias SyncHook = @Sendable (_ path: String) -> Void

    fileprivate final class Inode: Sendable {
        struct Content {
            var bytes: [UInt8] = []
            var durable: [UInt8] = []
            /// Sectors that a failed sync has dropped; clean in the cache, they are not written by the next one.
            var lost: Set<Int> = []

            var count: Int { max(bytes.count, durable.count) }

            func sectors(_ range: Range<Int>) -> Range<Int> {
                range.lowerBound / sector..<(range.upperBound + sector - 1) / sector
            }

            func isEqual(_ index: Int) -> Bool {
                let start = index * sector
                return bytes.dropFirst(start).prefix(sector).elementsEqual(durable.dropFirst(start).prefix(sector))
            }

            /// Puts `snapshot`, the bytes when a sync began, on the device, but for what is lost.
            mutating func makeDurable(_ snapshot: [UInt8]) {
                let before = durable
                durable = snapshot
                for index in lost {
                    let range = index * sector..<min((index + 1) * sector, snapshot.count)
                    for place in range { durable[place] = place < before.count ? before[place] : 0 }
                }
            }
        }
        let content: Mutex<Content>
        init(_ bytes: [UInt8] = []) { content = Mutex(Content(bytes: bytes, durable: bytes)) }
    }

    fileprivate struct State {
        var files: [String: Inode] = [:]
        var durableFiles: [String: Inode] = [:]
        var directories: Set<String> = ["/"]
        var durableDirectories: Set<String> = ["/"]
        var locks: Set<String> = []
        var faults = Faults()
        var counters = Counters()
        var onSync: SyncHook?
    }

    fileprivate let state: Mutex<State>

    /// An empty file system without faults.
    public init() { state = Mutex(State()) }

    private init(_ state: sending State) { self.state = Mutex(state) }

    /// What shall go wrong from now on.
    public var faults: Faults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    /// What has been done so far.
    public var counters: Counters { state.withLock { $0.counters } }

    /// Sets what is called in the middle of every file sync.
    public func onSync(_ hook: SyncHook?) { state.withLock { $0.onSync = hook } }

    /// The file system after a power cut at this moment. The same seed and history give the same result.
    public func crash(seed: UInt64) -> FaultInjectingFileSystem {
        var random = SplitMix64(state: seed)
        let (volatile, durable, directories, durableDirectories) = state.withLock { state in
            (state.files, state.durableFiles, state.directories, state.durableDirectories)
        }
        var after = State()
        after.directories = durableDirectories
        for path in directories.subtracting(durableDirectories).sorted() where random.flip() {
            after.directories.insert(path)
        }
        // A rename is one entry of the file system's journal: both names are as before it, or both as after it.
        let durableNames = Dictionary(durable.map { (ObjectIdentifier($0.value), $0.key) }) { first, _ in first }
        var source: [String: String] = [:]
        for (path, inode) in volatile {
            if let name = durableNames[ObjectIdentifier(inode)], name != path { source[path] = name }
        }
        var isKept: [String: Bool] = [:]
        for path in Set(volatile.keys).union(durable.keys).sorted() {
            var origin = path
            while let earlier = source[origin] { origin = earlier }
            let isNew = isKept[origin] ?? (volatile[path] === durable[path] || random.flip())
            isKept[origin] = isNew
            let chosen = isNew ? volatile[path] : durable[path]
            guard let chosen, after.directories.contains(Self.parent(of: path)) else { continue }
            after.files[path] = Inode(Self.survivors(chosen, &random))
        }
        after.durableFiles = after.files
        after.durableDirectories = after.directories
        return FaultInjectingFileSystem(after)
    }

    /// Durable bytes overlaid with those sectors that have reached the device without a sync.
    private static func survivors(_ inode: Inode, _ random: inout SplitMix64) -> [UInt8] {
        let (bytes, durable) = inode.content.withLock { ($0.bytes, $0.durable) }
        if bytes == durable { return durable }
        let low = min(bytes.count, durable.count)
        let high = max(bytes.count, durable.count)
        let length = low + Int(random.next() % UInt64(high - low + 1))
        var result = Array(durable.prefix(length))
        result += repeatElement(0, count: length - result.count)
        for start in stride(from: 0, to: min(length, bytes.count), by: sector) where random.flip() {
            let end = min(start + sector, length, bytes.count)
            result.replaceSubrange(start..<end, with: bytes[start..<end])
        }
        return result
    }

    // MARK: FileSystem

    /// Opens a file; see `FileSystem`.
    public func open(_ path: String, create: Bool) throws(StorageError) -> any StorageFile {
        let inode = try state.withLock { state throws(StorageError) -> Inode in
            if let inode = state.files[path] { return inode }
            guard create, state.directories.contains(Self.parent(of: path)) else {
                throw StorageError(.notFound, "opening \(path): no such file or folder")
            }
            let inode = Inode()
            state.files[path] = inode
            return inode
        }
        return FaultInjectingFile(inode: inode, path: path, fileSystem: self)
    }

    /// Size of a file; see `FileSystem`.
    public func information(_ path: String) throws(StorageError) -> FileInformation? {
        state.withLock { state in
            if let inode = state.files[path] {
                let size = inode.content.withLock { Int64($0.bytes.count) }
                return FileInformation(size: size, modificationTime: 0, isDirectory: false)
            }
            guard state.directories.contains(path) else { return nil }
            return FileInformation(size: 0, modificationTime: 0, isDirectory: true)
        }
    }

    /// Names in a folder; see `FileSystem`.
    public func list(_ directory: String) throws(StorageError) -> [String] {
        try state.withLock { state throws(StorageError) in
            guard state.directories.contains(directory) else {
                throw StorageError(.notFound, "listing \(directory): no such folder")
            }
            let paths = Array(state.files.keys) + state.directories
            return paths.filter { $0 != "/" && Self.parent(of: $0) == directory }
                .map { String($0.dropFirst(directory.count + (directory == "/" ? 0 : 1))) }
        }
    }

    /// Creates a folder; see `FileSystem`.
    public func createDirectory(_ path: String) throws(StorageError) {
        state.withLock { state in
            var path = path
            while path != "/", !path.isEmpty, state.directories.insert(path).inserted { path = Self.parent(of: path) }
        }
    }

    /// Renames a file or folder; see `FileSystem`.
    public func rename(_ source: String, to destination: String) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            if let inode = state.files.removeValue(forKey: source) {
                state.files[destination] = inode
                return
            }
            guard state.directories.contains(source) else {
                throw StorageError(.notFound, "renaming \(source): no such file or folder")
            }
            func moved(_ path: String) -> String {
                path == source || path.hasPrefix(source + "/") ? destination + path.dropFirst(source.count) : path
            }
            state.directories = Set(state.directories.map(moved))
            state.files = Dictionary(uniqueKeysWithValues: state.files.map { (moved($0.key), $0.value) })
            // A folder's content goes with its inode: what was durable in it is durable under the new name.
            for (path, inode) in state.durableFiles where moved(path) != path {
                state.durableFiles[moved(path)] = inode
            }
        }
    }

    /// Removes a file's name; see `FileSystem`.
    public func remove(_ path: String) throws(StorageError) {
        state.withLock { $0.files[path] = nil }
    }

    /// Removes a folder; see `FileSystem`.
    public func removeDirectory(_ path: String) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard !state.files.keys.contains(where: { $0.hasPrefix(path + "/") }) else {
                throw StorageError(.io, "removing folder \(path): not empty")
            }
            state.directories.remove(path)
        }
    }

    /// Makes a folder's entries durable; see `FileSystem`.
    public func syncDirectory(_ path: String) throws(StorageError) {
        state.withLock { state in
            state.counters.directorySyncs += 1
            func isEntry(_ entry: String) -> Bool { Self.parent(of: entry) == path }
            state.durableFiles = state.durableFiles.filter { !isEntry($0.key) }
            for (file, inode) in state.files where isEntry(file) { state.durableFiles[file] = inode }
            state.durableDirectories = state.durableDirectories.filter { !isEntry($0) }
            state.durableDirectories.formUnion(state.directories.filter(isEntry))
            state.durableDirectories.insert(path)
        }
    }

    /// Takes a lock file; see `FileSystem`.
    public func lock(_ path: String) throws(StorageError) -> any FileLock {
        let isFree = state.withLock { $0.locks.insert(path).inserted }
        guard isFree else { throw StorageError(.locked, "\(path) is held") }
        return HeldLock { self.state.withLock { _ = $0.locks.remove(path) } }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

private final class HeldLock: FileLock {
    private let release: @Sendable () -> Void
    init(_ release: @escaping @Sendable () -> Void) { self.release = release }
    deinit { release() }
}

private final class FaultInjectingFile: StorageFile {
    let inode: FaultInjectingFileSystem.Inode
    let path: String
    let fileSystem: FaultInjectingFileSystem

    init(inode: FaultInjectingFileSystem.Inode, path: String, fileSystem: FaultInjectingFileSystem) {
        self.inode = inode
        self.path = path
        self.fileSystem = fileSystem
    }

    var fileDescriptor: CInt? { nil }

    func size() -> Int64 { inode.content.withLock { Int64($0.bytes.count) } }

    func write(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, at position: Int64) throws(StorageError)
    {
        let wanted = head.count + body.count
        let allowed = fileSystem.state.withLock { state in
            state.counters.writes += 1
            guard let free = state.faults.freeBytes else { return wanted }
            let allowed = min(wanted, Int(max(0, free)))
            state.faults.freeBytes = free - Int64(allowed)
            return allowed
        }
        inode.content.withLock { content in
            let bytes = (Array(head) + Array(body)).prefix(allowed)
            let start = Int(position)
            if content.bytes.count < start + bytes.count {
                content.bytes += repeatElement(0, count: start + bytes.count - content.bytes.count)
            }
            content.bytes.replaceSubrange(start..<start + bytes.count, with: bytes)
            content.lost.subtract(content.sectors(start..<start + bytes.count))
        }
        if allowed < wanted { throw StorageError(.diskFull, "writing \(path): no space left") }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(StorageError) -> Int {
        inode.content.withLock { content in
            guard position < content.bytes.count else { return 0 }
            let bytes = content.bytes[Int(position)...].prefix(buffer.count)
            buffer.copyBytes(from: bytes)
            return bytes.count
        }
    }

    func truncate(to size: Int64) throws(StorageError) {
        if fileSystem.faults.failsTruncation { throw StorageError(.io, "cutting \(path): injected") }
        inode.content.withLock { content in
            let excess = content.bytes.count - Int(size)
            if excess > 0 {
                content.bytes.removeLast(excess)
            } else {
                content.bytes += repeatElement(0, count: -excess)
            }
        }
    }

    func sync() throws(StorageError) {
        let (fails, hook) = fileSystem.state.withLock { state in
            state.counters.syncs += 1
            guard let left = state.faults.syncsUntilFailure else { return (false, state.onSync) }
            state.faults.syncsUntilFailure = left - 1
            return (left == 0, state.onSync)
        }
        // The bytes of now: what is written while the device works is not covered.
        let bytes = inode.content.withLock { $0.bytes }
        hook?(path)
        inode.content.withLock { content in
            guard fails else { return content.makeDurable(bytes) }
            content.lost.formUnion(content.sectors(0..<content.count).filter { !content.isEqual($0) })
        }
        if fails { throw StorageError(.io, "syncing \(path): injected") }
    }
}

/// Bytes that reach a device whole or not at all.
private let sector = 512

/// A small generator whose sequence depends on the seed alone.
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func flip() -> Bool { next() & 1 == 0 }
}
