/// What went wrong in the log: a code to branch on, a message for people, and the system's error number if there is one.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. Open for growth: compare with the static members and keep a default branch.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The code's name, as printed.
        public let rawValue: String
        /// A code with this name.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// The offset lies before the log's start or after its end.
        public static let offsetOutOfRange = Code(rawValue: "offset out of range")
        /// A batch whose checksum, length or structure is wrong.
        public static let corruptRecord = Code(rawValue: "corrupt record")
        /// A batch larger than `max.message.bytes` or than a segment.
        public static let messageTooLarge = Code(rawValue: "message too large")
        /// A batch that is intact and yet not acceptable.
        public static let invalidRecord = Code(rawValue: "invalid record")
        /// A batch compressed with a codec that is not known.
        public static let unsupportedCompression = Code(rawValue: "unsupported compression")
        /// A timestamp too far in the future (`message.timestamp.after.max.ms`).
        public static let invalidTimestamp = Code(rawValue: "invalid timestamp")
        /// An idempotent producer's sequence number leaves a gap.
        public static let outOfOrderSequence = Code(rawValue: "out of order sequence")
        /// A producer with a newer epoch has written: this one is fenced.
        public static let invalidProducerEpoch = Code(rawValue: "invalid producer epoch")
        /// A batch that does not fit the state of its producer's transaction.
        public static let invalidTransactionState = Code(rawValue: "invalid transaction state")
        /// A batch would begin a transaction that the coordinator has not been asked about.
        public static let unverifiedTransaction = Code(rawValue: "unverified transaction")
        /// No space left on the device, or a quota is used up.
        public static let diskFull = Code(rawValue: "disk full")
        /// Any other failure of the file system.
        public static let io = Code(rawValue: "input/output error")
        /// Another process uses the data folder.
        public static let locked = Code(rawValue: "locked")
        /// The process lacks the right to read or write a file.
        public static let permissionDenied = Code(rawValue: "permission denied")
        /// A file or folder that should be there is not.
        public static let notFound = Code(rawValue: "not found")
        /// The log or the folder has been closed or deleted.
        public static let closed = Code(rawValue: "closed")
        /// The data folder belongs to another cluster or node.
        public static let inconsistentIdentity = Code(rawValue: "inconsistent identity")
        /// A configuration value that cannot be used.
        public static let invalidConfiguration = Code(rawValue: "invalid configuration")
        /// An index leads to a place where no batch begins. Does not leave the log.
        static let indexMismatch = Code(rawValue: "index mismatch")
        /// The segments that were being cleaned are no longer the log's. Does not leave the cleaner.
        static let cleaningInterrupted = Code(rawValue: "cleaning interrupted")
    }

    /// What to branch on.
    public let code: Code
    /// What happened, to which file, and what to do about it.
    public let message: String
    /// The system's error number, 0 if the failure is not the system's.
    public let errno: Int32

    /// An error with a code and a message.
    public init(_ code: Code, _ message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// The code and the message.
    public var description: String { "\(code.rawValue): \(message)" }
}
