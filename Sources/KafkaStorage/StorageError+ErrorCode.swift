public import KafkaProtocol

extension StorageError {
    /// What a client is told. Failures of the disk are `KAFKA_STORAGE_ERROR`, which clients retry.
    public var errorCode: ErrorCode {
        switch code {
        case .offsetOutOfRange: .offsetOutOfRange
        case .corruptRecord: .corruptMessage
        case .messageTooLarge: .messageTooLarge
        case .invalidRecord: .invalidRecord
        case .unsupportedCompression: .unsupportedCompressionType
        case .invalidTimestamp: .invalidTimestamp
        case .outOfOrderSequence: .outOfOrderSequenceNumber
        case .invalidProducerEpoch: .invalidProducerEpoch
        case .invalidTransactionState, .unverifiedTransaction: .invalidTxnState
        case .invalidConfiguration: .invalidConfig
        case .inconsistentIdentity: .inconsistentClusterId
        default: .kafkaStorageError
        }
    }

    /// The log's view of a batch that the protocol module refuses.
    init(_ error: RecordError) {
        let code: Code =
            switch error.code {
            case .tooLarge: .messageTooLarge
            case .unsupportedCompression: .unsupportedCompression
            case .invalidRecord, .unsupportedMagic: .invalidRecord
            default: .corruptRecord
            }
        self.init(code, error.message)
    }
}
