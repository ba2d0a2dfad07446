import ConnectAPI
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Appends values to one file, or to standard output. Offsets are committed once the lines are on disk.
final class FileStreamSinkTask: SinkTask {
    private var path: String?
    private var descriptor: Int32 = -1
    private var isDirty = false

    func start(_ config: [String: String], context: any SinkTaskContext) async throws {
        path = FileOptions.path(config)
        if let path { try open(path) } else { descriptor = 1 }
    }

    private func open(_ path: String) throws(ConnectError) {
        descriptor = systemOpen(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileFailure.error("open", path) }
    }

    func put(_ records: [SinkRecord]) async throws {
        guard !records.isEmpty else { return }
        if let path, descriptor < 0 { try open(path) }
        if let path, try isMoved(path) {
            // A log rotation: what is written from now on belongs into the new file.
            try sync()
            closeFile()
            try open(path)
        }
        var bytes: [UInt8] = []
        for record in records {
            bytes += record.value.javaText(record.valueSchema).utf8
            bytes.append(UInt8(ascii: "\n"))
        }
        try append(bytes)
        isDirty = true
    }

    private func isMoved(_ path: String) throws(ConnectError) -> Bool {
        var named = stat()
        if stat(path, &named) != 0, errno == ENOENT { return true }
        return try !FileFailure.isSame(descriptor, path)
    }

    /// All bytes, or none: the rest of a write that failed (a full disk) is taken back, for the batch comes again.
    private func append(_ bytes: [UInt8]) throws(ConnectError) {
        var before = stat()
        let isRegular = fstat(descriptor, &before) == 0 && before.st_mode & S_IFMT == S_IFREG
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if count >= 0 {
                done += count
                continue
            }
            let code = errno
            if code == EINTR { continue }
            if code == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, 1000)
                continue
            }
            var after = stat()
            // Unless another task has appended meanwhile.
            if isRegular, done > 0, fstat(descriptor, &after) == 0, after.st_size == before.st_size + off_t(done) {
                _ = ftruncate(descriptor, before.st_size)
            }
            throw FileFailure.error("write", path ?? "standard output", code)
        }
    }

    func preCommit(_ offsets: [TopicPartitionName: Int64]) async throws -> [TopicPartitionName: Int64] {
        try sync()
        return offsets
    }

    private func sync() throws(ConnectError) {
        guard isDirty, let path, descriptor >= 0 else { return }
        guard fsync(descriptor) == 0 else { throw FileFailure.error("sync", path) }
        isDirty = false
    }

    private func closeFile() {
        if path != nil, descriptor >= 0 { systemClose(descriptor) }
        descriptor = -1
    }

    func stop() async { closeFile() }
}

private func systemClose(_ descriptor: Int32) {
    _ = close(descriptor)
}

private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    open(path, flags, mode)
}
