#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which topics to subscribe to, by their names.
public struct TopicPattern: Sendable {
    private let predicate: @Sendable (String) -> Bool
    /// The regular expression it was made from, for coordinators that match themselves (KIP-848).
    let text: String?

    /// All topics whose names satisfy `predicate`.
    public init(where predicate: @escaping @Sendable (String) -> Bool) {
        self.predicate = predicate
        text = nil
    }

    /// All topics whose whole names match a regular expression (POSIX extended; Kafka's own brokers read RE2, of which the
    /// common part is the same).
    public init(_ expression: String) throws(KafkaError) {
        let compiled = try CompiledPattern(expression)
        predicate = { compiled.matches($0) }
        text = expression
    }

    /// Whether a topic of this name is meant.
    public func matches(_ name: String) -> Bool { predicate(name) }
}

/// The C library's: Swift's own expressions cost every program start time. `regexec` may be called by many threads.
private final class CompiledPattern: @unchecked Sendable {
    private var compiled = regex_t()

    init(_ expression: String) throws(KafkaError) {
        guard regcomp(&compiled, "^(\(expression))$", REG_EXTENDED | REG_NOSUB) == 0 else {
            throw KafkaError(
                .invalidConfiguration, "'\(expression)' is not a regular expression (POSIX extended)",
                isRetriable: false)
        }
    }

    deinit { regfree(&compiled) }

    func matches(_ name: String) -> Bool { regexec(&compiled, name, 0, nil, 0) == 0 }
}
