#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file descriptor, read and written past interruptions.
struct Descriptor {
    static let standardInput = Descriptor(number: STDIN_FILENO)
    static let standardOutput = Descriptor(number: STDOUT_FILENO)
    static let standardError = Descriptor(number: STDERR_FILENO)

    let number: Int32

    /// Whether a person is at the other end.
    var isTerminal: Bool { isatty(number) != 0 }

    /// What the last system call had against it.
    static var lastError: String { String(cString: strerror(errno)).lowercased() }

    /// Reads what there is, at least a byte.
    ///
    /// - Returns: The number of bytes; 0 at the end, negative if it failed.
    func readSome(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = read(number, buffer.baseAddress, buffer.count)
            if count < 0 && errno == EAGAIN {
                waitUntil(POLLIN)
            } else if count >= 0 || errno != EINTR {
                return count
            }
        }
    }

    /// Writes everything.
    ///
    /// - Returns: false if it failed: the disk is full, or the reader has gone.
    func writeAll(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let chunk = UnsafeRawBufferPointer(rebasing: rest)
            let written = write(number, chunk.baseAddress, chunk.count)
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if written < 0 && errno == EAGAIN {
                waitUntil(POLLOUT)
            } else if written < 0 && errno != EINTR {
                return false
            }
        }
        return true
    }

    /// Writes a text.
    func writeAll(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { writeAll(UnsafeRawBufferPointer($0)) }
    }

    /// A terminal that somebody left non-blocking is waited for.
    private func waitUntil(_ event: Int32) {
        var poller = pollfd(fd: number, events: Int16(event), revents: 0)
        _ = poll(&poller, 1, -1)
    }
}
