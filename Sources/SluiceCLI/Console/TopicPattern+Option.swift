#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A regular expression over whole names, as `--topic` and `--include` take it. POSIX's extended syntax, of which
/// Java's is a superset; the C library's is used because Swift's own costs start time.
final class NamePattern {
    private var compiled = regex_t()

    /// Compiles a pattern.
    init(_ pattern: String) throws(CommandFailure) {
        // Kafka reads a comma as "or" in lists of topics.
        let alternatives = pattern.split(separator: ",").joined(separator: "|")
        guard regcomp(&compiled, "^(\(alternatives))$", REG_EXTENDED | REG_NOSUB) == 0 else {
            throw CommandFailure("'\(pattern)' is not a regular expression", status: .usage)
        }
    }

    deinit { regfree(&compiled) }

    /// Whether a whole name matches.
    func matches(_ name: String) -> Bool {
        regexec(&compiled, name, 0, nil, 0) == 0
    }
}
