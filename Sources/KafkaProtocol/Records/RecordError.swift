/// Why bytes are not a record batch we can use, or why records cannot be made into one.
public struct RecordError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is. New codes may come: do not switch over them exhaustively.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        /// The bytes end before the batch or record does.
        public static let truncated = Code(description: "truncated")
        /// Lengths, counts or fields contradict each other.
        public static let corrupt = Code(description: "corrupt")
        /// The checksum in the header is not that of the bytes.
        public static let checksumMismatch = Code(description: "checksumMismatch")
        /// A message format other than 2.
        public static let unsupportedMagic = Code(description: "unsupportedMagic")
        /// A compression type we do not know.
        public static let unsupportedCompression = Code(description: "unsupportedCompression")
        /// The compressed bytes cannot be decompressed, or the codec failed.
        public static let compressionFailed = Code(description: "compressionFailed")
        /// The batch, or what it decompresses to, is larger than allowed.
        public static let tooLarge = Code(description: "tooLarge")
        /// The batch is well formed but a client may not write it (control batch, missing key, wrong offsets).
        public static let invalidRecord = Code(description: "invalidRecord")
    }

    /// What kind of fault it is.
    public let code: Code
    /// What is wrong, naming the field and its value.
    public let message: String

    /// Makes an error from its parts.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String { "\(code): \(message)" }

    /// Kafka's error code for a produce request that held these bytes.
    public var errorCode: ErrorCode {
        switch code {
        case .tooLarge: .messageTooLarge
        case .unsupportedCompression: .unsupportedCompressionType
        case .invalidRecord, .unsupportedMagic: .invalidRecord
        default: .corruptMessage
        }
    }
}
