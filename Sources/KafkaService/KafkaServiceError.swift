/// Everything that can go wrong in the service library itself. Failures of brokers come as `KafkaError`, those of a
/// handler as what the handler threw.
public struct KafkaServiceError: Error, Sendable, CustomStringConvertible {
    /// The kind of a failure. The set may grow: always keep a default branch.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ name: String) { description = name }

        /// A topic's name is not legal, the topic does not exist, or its partitions do not fit.
        public static let topic = Code("topic")
        /// A record lacks the key that its topic demands, or the key is empty.
        public static let key = Code("key")
        /// A value could not be turned into bytes, or bytes into a value.
        public static let serde = Code("serde")
        /// Settings contradict each other or are out of range.
        public static let configuration = Code("configuration")
        /// The call does not fit the state, such as publishing after the shutdown.
        public static let state = Code("state")
        /// The database answered in a way that the outbox or the inbox does not understand.
        public static let database = Code("database")
    }

    /// The kind of failure.
    public var code: Code
    /// What failed, on what, and what to do.
    public var message: String
    /// What lay beneath.
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
