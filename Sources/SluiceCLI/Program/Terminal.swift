#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Standard output and error, by system call: nothing is buffered behind our back, and a closed pipe is noticed.
enum Terminal {
    /// Writes a line to standard output; if the reader has gone, the program ends quietly.
    static func print(_ line: String) {
        guard Descriptor.standardOutput.writeAll(line + "\n") else { end(with: .brokenPipe) }
    }

    /// Writes a line to standard error.
    static func printError(_ line: String) {
        _ = Descriptor.standardError.writeAll(line + "\n")
    }

    /// Tells what went wrong, on one line.
    static func complain(_ message: String) {
        let oneLine = message.split(whereSeparator: \.isNewline).map(\.trimmed).joined(separator: " ")
        printError("sluice: \(oneLine)")
    }

    /// Ends the program.
    static func end(with status: ExitStatus) -> Never {
        exit(status.rawValue)
    }
}

extension StringProtocol {
    /// Without white space around it.
    var trimmed: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
