#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Small files, read and written whole.
enum TextFile {
    /// Reads a file of at most 16 MiB.
    static func contents(path: String) throws(CommandFailure) -> String {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw CommandFailure("cannot read \(path): \(Descriptor.lastError)") }
        defer { close(number) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { Descriptor(number: number).readSome(into: $0) }
            if count == 0 { break }
            guard count > 0 else { throw CommandFailure("cannot read \(path): \(Descriptor.lastError)") }
            bytes += chunk[..<count]
            guard bytes.count <= 16 << 20 else { throw CommandFailure("\(path) is too large for a configuration") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(path) is not text in UTF-8")
        }
        return text
    }

    /// Writes a file so that a reader sees all of it or nothing.
    static func replace(path: String, with text: String) throws(CommandFailure) {
        let partial = path + ".partial"
        let number = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard number >= 0 else { throw CommandFailure("cannot write \(partial): \(Descriptor.lastError)") }
        let isWritten = Descriptor(number: number).writeAll(text)
        close(number)
        guard isWritten, rename(partial, path) == 0 else {
            throw CommandFailure("cannot write \(path): \(Descriptor.lastError)")
        }
    }
}
