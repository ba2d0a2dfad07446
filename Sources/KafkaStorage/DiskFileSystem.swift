#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The file system of the machine.
public struct DiskFileSystem: FileSystem {
    /// The file system of the machine; it has no state.
    public init() {}

    /// Opens a file; see `FileSystem`.
    public func open(_ path: String, create: Bool) throws(StorageError) -> any StorageFile {
        let flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0)
        let descriptor = try SystemCalls.retrying("opening \(path)") { Int(openFile(path, flags, 0o600)) }
        return DiskFile(descriptor: CInt(descriptor), path: path)
    }

    /// Size and age; nil if absent; see `FileSystem`.
    public func information(_ path: String) throws(StorageError) -> FileInformation? {
        var status = stat()
        do throws(StorageError) {
            _ = try SystemCalls.retrying("looking at \(path)") { Int(stat(path, &status)) }
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
        #if canImport(Darwin)
            let modified = status.st_mtimespec
        #else
            let modified = status.st_mtim
        #endif
        return FileInformation(
            size: Int64(status.st_size),
            modificationTime: Int64(modified.tv_sec) * 1000 + Int64(modified.tv_nsec) / 1_000_000,
            isDirectory: status.st_mode & S_IFMT == S_IFDIR)
    }

    /// Names in a folder; see `FileSystem`.
    public func list(_ directory: String) throws(StorageError) -> [String] {
        guard let stream = opendir(directory) else { throw SystemCalls.failure("listing \(directory)", errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Creates a folder and those above it; see `FileSystem`.
    public func createDirectory(_ path: String) throws(StorageError) {
        if mkdir(path, 0o700) == 0 { return }
        let number = errno
        if number == EEXIST { return }
        guard number == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SystemCalls.failure("creating folder \(path)", number)
        }
        try createDirectory(String(path[..<slash]))
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw SystemCalls.failure("creating folder \(path)", errno) }
    }

    /// Renames a file or folder; see `FileSystem`.
    public func rename(_ source: String, to destination: String) throws(StorageError) {
        _ = try SystemCalls.retrying("renaming \(source) to \(destination)") { Int(renameFile(source, destination)) }
    }

    /// Removes a file's name; see `FileSystem`.
    public func remove(_ path: String) throws(StorageError) {
        if unlink(path) != 0, errno != ENOENT { throw SystemCalls.failure("removing \(path)", errno) }
    }

    /// Removes an empty folder; see `FileSystem`.
    public func removeDirectory(_ path: String) throws(StorageError) {
        if rmdir(path) != 0, errno != ENOENT { throw SystemCalls.failure("removing folder \(path)", errno) }
    }

    /// Makes a folder's entries durable; see `FileSystem`.
    public func syncDirectory(_ path: String) throws(StorageError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let descriptor = CInt(try SystemCalls.retrying("opening folder \(path)") { Int(openFile(path, flags, 0)) })
        defer { close(descriptor) }
        _ = try SystemCalls.retrying("syncing folder \(path)") { Int(fsync(descriptor)) }
    }

    /// Takes a lock file; see `FileSystem`.
    public func lock(_ path: String) throws(StorageError) -> any FileLock {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC
        let descriptor = CInt(try SystemCalls.retrying("opening \(path)") { Int(openFile(path, flags, 0o600)) })
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            defer { close(descriptor) }
            guard number == EWOULDBLOCK else { throw SystemCalls.failure("locking \(path)", number) }
            let holder = DiskFileLock.holder(descriptor)
            throw StorageError(
                .locked, holder.map { "\(path) is held by process \($0)" } ?? "\(path) is held", errno: number)
        }
        return DiskFileLock(descriptor: descriptor)
    }
}

// Free functions, since the methods above hide the system's functions of the same name.
private func openFile(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt { open(path, flags, mode) }
private func renameFile(_ source: String, _ destination: String) -> CInt { rename(source, destination) }
private func readFile(_ descriptor: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int, _ position: off_t) -> Int {
    pread(descriptor, buffer, count, position)
}

/// A lock on an open file (`flock`): the system releases it when the process ends, however it ends.
private final class DiskFileLock: FileLock {
    private let descriptor: CInt

    init(descriptor: CInt) {
        self.descriptor = descriptor
        // Only for the message that another process shows; the lock is flock's.
        let text = Array("\(SystemCalls.processID)\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        // Given back by name: a child that was forked a moment ago shares the open file until it runs its program.
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    static func holder(_ descriptor: CInt) -> Int? {
        var text = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &text, text.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: text.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}

/// An open file of the machine.
private final class DiskFile: StorageFile {
    private let descriptor: CInt
    private let path: String

    init(descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    var fileDescriptor: CInt? { descriptor }

    func size() throws(StorageError) -> Int64 {
        var status = stat()
        _ = try SystemCalls.retrying("looking at \(path)") { Int(fstat(descriptor, &status)) }
        return Int64(status.st_size)
    }

    func write(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, at position: Int64) throws(StorageError)
    {
        var head = head
        var body = body
        var position = position
        while head.count + body.count > 0 {
            let written = try SystemCalls.retrying("writing \(path)") {
                if head.isEmpty { return pwrite(descriptor, body.baseAddress, body.count, off_t(position)) }
                let parts = [
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress), iov_len: head.count),
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count),
                ]
                return pwritev(descriptor, parts, body.isEmpty ? 1 : 2, off_t(position))
            }
            let fromHead = min(written, head.count)
            head = UnsafeRawBufferPointer(rebasing: head[fromHead...])
            body = UnsafeRawBufferPointer(rebasing: body[(written - fromHead)...])
            position += Int64(written)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(StorageError) -> Int {
        var total = 0
        while total < buffer.count {
            let count = try SystemCalls.retrying("reading \(path)") {
                readFile(
                    descriptor, buffer.baseAddress?.advanced(by: total), buffer.count - total,
                    off_t(position) + off_t(total))
            }
            if count == 0 { break }
            total += count
        }
        return total
    }

    func truncate(to size: Int64) throws(StorageError) {
        _ = try SystemCalls.retrying("cutting \(path) to \(size) bytes") { Int(ftruncate(descriptor, off_t(size))) }
    }

    func sync() throws(StorageError) {
        _ = try SystemCalls.retrying("syncing \(path)") { SystemCalls.synchronize(descriptor) }
    }
}
