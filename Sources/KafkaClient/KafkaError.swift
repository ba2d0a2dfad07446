public import KafkaProtocol

/// Everything that can go wrong in the client.
///
/// `code` says what kind of failure it is, `message` names the broker, topic or group concerned and the remedy.
/// A cancelled task gets Swift's `CancellationError` instead.
public struct KafkaError: Error, Sendable, CustomStringConvertible {
    /// The kind of a failure. The set may grow: always keep a default branch.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ name: String) { description = name }

        /// No TCP connection could be made.
        public static let connectionFailed = Code("connectionFailed")
        /// The connection was lost before the answer came.
        public static let connectionClosed = Code("connectionClosed")
        /// The broker did not answer within `request.timeout.ms` or the call's own time.
        public static let timedOut = Code("timedOut")
        /// The broker does not speak the API, or no version of it that this client speaks.
        public static let unsupportedVersion = Code("unsupportedVersion")
        /// The broker answered with an error; `errorCode` tells which.
        public static let broker = Code("broker")
        /// The broker's bytes could not be understood.
        public static let malformedResponse = Code("malformedResponse")
        /// A configuration value or an argument is wrong.
        public static let invalidConfiguration = Code("invalidConfiguration")
        /// The topic or partition does not exist.
        public static let unknownTopic = Code("unknownTopic")
        /// A record is larger than a request may be.
        public static let recordTooLarge = Code("recordTooLarge")
        /// There is no committed offset and `auto.offset.reset` is `none`, or the offset is out of range.
        public static let noOffset = Code("noOffset")
        /// The call does not fit the state, such as commit without a group.
        public static let invalidState = Code("invalidState")
        /// The group moved on: the call must be repeated after the next poll.
        public static let rebalanced = Code("rebalanced")
        /// Another producer has taken over the transactional id.
        public static let fenced = Code("fenced")
        /// The record was in a transaction that has been aborted.
        public static let transactionAborted = Code("transactionAborted")
        /// The client has been closed.
        public static let closed = Code("closed")
    }

    /// The kind of failure.
    public var code: Code
    /// What failed, on what, and what to do.
    public var message: String
    /// The broker's error code, if it answered with one.
    public var errorCode: ErrorCode?
    /// Whether the same call may succeed later.
    public var isRetriable: Bool
    /// Whether the transaction must be aborted, after which the producer goes on and the work may be tried again.
    public var isAbortable = false
    /// Whether the producer can do nothing more and must be closed.
    public var isFatal = false
    /// What lay beneath.
    public var cause: (any Error)?

    /// Makes an error. `isRetriable` is by default what `errorCode` says, and true for lost connections and time-outs.
    public init(
        _ code: Code, _ message: String, errorCode: ErrorCode? = nil, isRetriable: Bool? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.errorCode = errorCode
        self.isRetriable =
            isRetriable ?? errorCode?.isRetriable
            ?? (code == .connectionFailed || code == .connectionClosed || code == .timedOut)
        self.cause = cause
    }

    /// The message, with the broker's error name.
    public var description: String {
        guard let errorCode else { return message }
        return "\(message) (\(errorCode.name))"
    }

    /// An error that the broker answered with.
    static func broker(_ errorCode: ErrorCode, _ what: String, detail: String? = nil) -> KafkaError {
        let code: Code = errorCode == .unknownTopicOrPartition || errorCode == .unknownTopicId ? .unknownTopic : .broker
        return KafkaError(code, "\(what): \(detail ?? errorCode.message)", errorCode: errorCode)
    }

    static func closed(_ what: String) -> KafkaError {
        KafkaError(.closed, "\(what) has been closed", isRetriable: false)
    }

    /// Whether the cached leader, coordinator or topic id may be wrong.
    var asksForMetadata: Bool {
        if let errorCode { return errorCode.needsMetadataRefresh }
        return code == .connectionFailed || code == .connectionClosed || code == .timedOut
    }
}

extension ErrorCode {
    /// Errors after which the coordinator must be looked up again.
    var asksForCoordinator: Bool { self == .notCoordinator || self == .coordinatorNotAvailable }
}
