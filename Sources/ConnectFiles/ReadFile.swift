import ConnectAPI

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is open for reading.
final class ReadFile {
    private let descriptor: Int32
    private let isStandardInput: Bool
    private let path: String
    private static let chunk = 64 * 1024

    /// Standard input; what it has is read as it comes.
    static var standardInput: ReadFile { ReadFile(descriptor: 0, isStandardInput: true, path: "standard input") }

    private init(descriptor: Int32, isStandardInput: Bool, path: String) {
        self.descriptor = descriptor
        self.isStandardInput = isStandardInput
        self.path = path
    }

    /// nil if there is no such file.
    /// - Throws: a retriable error if it cannot be opened: permissions and mounts change.
    convenience init?(path: String) throws(ConnectError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 {
            guard errno == ENOENT else { throw FileFailure.error("open", path) }
            return nil
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            _ = close(descriptor)
            throw .fatal("\(path) is not a regular file: file needs the path of one, or no value for standard input")
        }
        self.init(descriptor: descriptor, isStandardInput: false, path: path)
    }

    deinit {
        if !isStandardInput { _ = close(descriptor) }
    }

    /// The next bytes at a position; none at the end of the file, or when standard input has none for now.
    func read(at position: Int64) throws(ConnectError) -> [UInt8] {
        if isStandardInput {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 0) > 0 else { return [] }
        }
        var count = 0
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.chunk) { buffer, initialized in
            repeat {
                count =
                    isStandardInput
                    ? systemRead(descriptor, buffer.baseAddress, Self.chunk)
                    : pread(descriptor, buffer.baseAddress, Self.chunk, off_t(position))
                failure = errno
            } while count < 0 && failure == EINTR
            initialized = max(0, count)
        }
        if count < 0, failure != EAGAIN { throw FileFailure.error("read", path, failure) }
        return bytes
    }

    /// How many bytes the file has now.
    func size() throws(ConnectError) -> Int64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFailure.error("read", path) }
        return Int64(status.st_size)
    }

    /// Whether the path now leads to another file; false while it leads nowhere.
    func isReplaced(at path: String) throws(ConnectError) -> Bool {
        guard !isStandardInput else { return false }
        return try !FileFailure.isSame(descriptor, path)
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

/// What both directions do about files.
enum FileFailure {
    static func error(_ what: String, _ path: String, _ code: Int32 = errno) -> ConnectError {
        .retriable("cannot \(what) \(path): \(String(cString: strerror(code)))")
    }

    /// Whether a path leads to the file that is open; true if it leads nowhere.
    static func isSame(_ descriptor: Int32, _ path: String) throws(ConnectError) -> Bool {
        var opened = stat()
        var named = stat()
        guard fstat(descriptor, &opened) == 0 else { throw error("read", path) }
        guard stat(path, &named) == 0 else {
            guard errno == ENOENT else { throw error("read", path) }
            return true
        }
        return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
    }
}
