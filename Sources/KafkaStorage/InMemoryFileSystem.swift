import KafkaProtocol

internal import Synchronization

/// Files in memory: a broker without a disk, for tests and throw-away runs. Nothing survives the process.
public final class InMemoryFileSystem: FileSystem {
    private struct State {
        var files: [String: InMemoryFile] = [:]
        var directories: Set<String> = ["/"]
        var locks: Set<String> = []
    }

    private let state = Mutex(State())

    /// An empty file system.
    public init() {}

    /// Opens a file; see `FileSystem`.
    public func open(_ path: String, create: Bool) throws(StorageError) -> any StorageFile {
        try state.withLock { state throws(StorageError) in
            if let file = state.files[path] { return file }
            guard create else { throw StorageError(.notFound, "opening \(path): no such file") }
            guard state.directories.contains(Self.parent(of: path)) else {
                throw StorageError(.notFound, "opening \(path): no such folder")
            }
            let file = InMemoryFile()
            state.files[path] = file
            return file
        }
    }

    /// Size and age; nil if absent; see `FileSystem`.
    public func information(_ path: String) throws(StorageError) -> FileInformation? {
        state.withLock { state in
            if let file = state.files[path] { return file.information }
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
            return paths.filter { $0 != "/" && Self.parent(of: $0) == directory }.map {
                String($0[Self.nameStart($0)...])
            }
        }
    }

    /// Creates a folder and those above it; see `FileSystem`.
    public func createDirectory(_ path: String) throws(StorageError) {
        state.withLock { state in
            var path = path
            while !path.isEmpty, path != "/" {
                state.directories.insert(path)
                path = Self.parent(of: path)
            }
        }
    }

    /// Renames a file or folder; see `FileSystem`.
    public func rename(_ source: String, to destination: String) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            if let file = state.files.removeValue(forKey: source) {
                state.files[destination] = file
                return
            }
            guard state.directories.contains(source) else {
                throw StorageError(.notFound, "renaming \(source): no such file or folder")
            }
            func moved(_ path: String) -> String? {
                path == source || path.hasPrefix(source + "/") ? destination + path.dropFirst(source.count) : nil
            }
            state.directories = Set(state.directories.map { moved($0) ?? $0 })
            for (path, file) in state.files {
                guard let target = moved(path) else { continue }
                state.files[path] = nil
                state.files[target] = file
            }
        }
    }

    /// Removes a file's name; see `FileSystem`.
    public func remove(_ path: String) throws(StorageError) {
        state.withLock { $0.files[path] = nil }
    }

    /// Removes an empty folder; see `FileSystem`.
    public func removeDirectory(_ path: String) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            let prefix = path + "/"
            guard !state.files.keys.contains(where: { $0.hasPrefix(prefix) }) else {
                throw StorageError(.io, "removing folder \(path): not empty")
            }
            state.directories.remove(path)
        }
    }

    /// Makes a folder's entries durable; see `FileSystem`.
    public func syncDirectory(_ path: String) throws(StorageError) {}

    /// Takes a lock file; see `FileSystem`.
    public func lock(_ path: String) throws(StorageError) -> any FileLock {
        let isFree = state.withLock { $0.locks.insert(path).inserted }
        guard isFree else { throw StorageError(.locked, "\(path) is held") }
        return InMemoryLock { self.state.withLock { _ = $0.locks.remove(path) } }
    }

    private static func nameStart(_ path: String) -> String.Index {
        path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

private final class InMemoryLock: FileLock {
    private let release: @Sendable () -> Void
    init(_ release: @escaping @Sendable () -> Void) { self.release = release }
    deinit { release() }
}

private final class InMemoryFile: StorageFile {
    private struct Content {
        var bytes: [UInt8] = []
        var modificationTime = WallClock.now()
    }

    private let content = Mutex(Content())

    var fileDescriptor: CInt? { nil }

    var information: FileInformation {
        content.withLock { content in
            FileInformation(
                size: Int64(content.bytes.count), modificationTime: content.modificationTime, isDirectory: false)
        }
    }

    func size() -> Int64 { content.withLock { Int64($0.bytes.count) } }

    func write(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, at position: Int64) throws(StorageError)
    {
        content.withLock { content in
            let start = Int(position)
            let end = start + head.count + body.count
            content.modificationTime = WallClock.now()
            if content.bytes.count == start {
                content.bytes.append(contentsOf: head)
                content.bytes.append(contentsOf: body)
                return
            }
            if content.bytes.count < end {
                content.bytes.append(contentsOf: repeatElement(0, count: end - content.bytes.count))
            }
            content.bytes.replaceSubrange(start..<start + head.count, with: head)
            content.bytes.replaceSubrange(start + head.count..<end, with: body)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(StorageError) -> Int {
        content.withLock { content in
            guard position < content.bytes.count else { return 0 }
            let start = Int(position)
            let count = min(buffer.count, content.bytes.count - start)
            content.bytes.withUnsafeBytes { bytes in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
            }
            return count
        }
    }

    func truncate(to size: Int64) throws(StorageError) {
        content.withLock { content in
            let excess = content.bytes.count - Int(size)
            if excess > 0 {
                content.bytes.removeLast(excess)
            } else {
                content.bytes.append(contentsOf: repeatElement(0, count: -excess))
            }
        }
    }

    func sync() throws(StorageError) {}
}
