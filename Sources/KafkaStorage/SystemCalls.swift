#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The few system calls that differ between platforms, and the mapping from `errno`.
enum SystemCalls {
    /// Runs a call again while a signal interrupts it; returns its result or the error of the failed call.
    static func retrying(_ what: @autoclosure () -> String, _ call: () -> Int) throws(StorageError) -> Int {
        while true {
            let result = call()
            if result >= 0 { return result }
            let number = errno
            if number != EINTR { throw failure(what(), number) }
        }
    }

    /// Nanoseconds of a clock that never runs backwards.
    static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The error for a failed call: what was tried, the system's words, the remedy where there is an obvious one.
    static func failure(_ what: String, _ number: Int32) -> StorageError {
        let reason = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT:
            return StorageError(
                .diskFull, "\(what): \(reason). Free some space; writing goes on by itself.", errno: number)
        case EACCES, EPERM, EROFS:
            return StorageError(.permissionDenied, "\(what): \(reason)", errno: number)
        case ENOENT:
            return StorageError(.notFound, "\(what): \(reason)", errno: number)
        case EMFILE, ENFILE:
            return StorageError(.io, "\(what): \(reason). Raise the limit of open files (ulimit -n).", errno: number)
        default:
            return StorageError(.io, "\(what): \(reason)", errno: number)
        }
    }

    /// Puts a file's data, and the metadata needed to read it back, on the device.
    static func synchronize(_ descriptor: CInt) -> Int {
        #if canImport(Darwin)
            // fsync on Darwin stops at the drive's cache.
            Int(fcntl(descriptor, F_FULLFSYNC))
        #else
            Int(fdatasync(descriptor))
        #endif
    }

    /// This process's id.
    static var processID: Int32 { getpid() }
}
