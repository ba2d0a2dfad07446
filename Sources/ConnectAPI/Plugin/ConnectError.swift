/// The error of connectors, tasks and converters. Its code is what the runtime acts on.
public struct ConnectError: Error, Sendable {
    /// What the runtime does about an error.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// Call again with the same batch.
        public static let retriable = Code(description: "retriable")
        /// A record is bad: tolerance and dead letters apply (Kafka's `DataException`).
        public static let data = Code(description: "data")
        /// The configuration is bad (Kafka's `ConfigException`).
        public static let config = Code(description: "config")
        /// The task fails (any other exception of Java).
        public static let fatal = Code(description: "fatal")
    }

    /// What to do about it.
    public let code: Code
    /// Names the thing and the remedy. Never holds a secret.
    public let message: String
    /// What it came from.
    public let cause: (any Error)?

    /// Makes an error.
    public init(code: Code, message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Call again with the same batch.
    public static func retriable(_ message: String, cause: (any Error)? = nil) -> ConnectError {
        ConnectError(code: .retriable, message: message, cause: cause)
    }

    /// A record is bad.
    public static func data(_ message: String, cause: (any Error)? = nil) -> ConnectError {
        ConnectError(code: .data, message: message, cause: cause)
    }

    /// The configuration is bad.
    public static func config(_ message: String, cause: (any Error)? = nil) -> ConnectError {
        ConnectError(code: .config, message: message, cause: cause)
    }

    /// The task fails.
    public static func fatal(_ message: String, cause: (any Error)? = nil) -> ConnectError {
        ConnectError(code: .fatal, message: message, cause: cause)
    }
}

extension ConnectError: CustomStringConvertible {
    /// The message, and the cause after it: what a status' `trace` shows.
    public var description: String {
        guard let cause else { return message }
        return "\(message)\nCaused by: \(cause)"
    }
}
