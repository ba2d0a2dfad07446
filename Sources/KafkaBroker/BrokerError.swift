/// What can go wrong when a broker is configured, started or stopped.
public struct BrokerError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; more kinds may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The kind in words.
        public let description: String
        /// A setting has a value that cannot be used.
        public static let configuration = Code(description: "configuration")
        /// The address to listen on is taken or not ours.
        public static let bind = Code(description: "bind")
        /// The data folder cannot be used.
        public static let storage = Code(description: "storage")
    }

    /// The kind of failure.
    public var code: Code
    /// Says what failed and what to do about it.
    public var message: String
    /// What made it fail, if there is something deeper.
    public var cause: (any Error)?

    /// Makes an error.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The message.
    public var description: String { message }
}
