import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOCore

/// A step on one record that went wrong, and whose step it was.
struct StageFailure: Error {
    var stage: DeadLetterQueue.Stage
    var className: String
    var error: ConnectError
}

extension StageFailure {
    /// A header's converter has failed. The error names the header.
    init(header name: String, _ converter: any HeaderConverter, _ error: ConnectError) {
        self.init(
            stage: .headerConverter, className: type(of: converter).className,
            error: ConnectError(code: error.code, message: "header \(name): \(error.message)", cause: error.cause))
    }
}

/// What a task does about records that a step fails on (KIP-298, Kafka's `RetryWithToleranceOperator`): tries again
/// while the error says that this may help and `errors.retry.timeout` allows it, then gives up the record or the task.
struct RecordErrors: Sendable {
    let tolerance: ErrorTolerance
    /// Read once: options are looked up by name, and this is asked for every record.
    private let retries: ErrorRetries
    private let control: TaskControl
    private let logger: Logger
    private let mask: SecretMask
    private let metrics: TaskMetrics?

    init(
        _ config: ConnectorProperties, control: TaskControl, logger: Logger, mask: SecretMask,
        metrics: TaskMetrics? = nil
    ) {
        self.metrics = metrics
        tolerance = ErrorTolerance(config)
        retries = ErrorRetries(config)
        self.control = control
        self.logger = logger
        self.mask = mask
    }

    /// The result of all steps on a record; the steps are tried again from the first one on.
    /// - Throws: the ``StageFailure`` that stayed, or an error that ends the run when the task is told to stop.
    nonisolated(nonsending) func retrying<Value>(_ steps: () throws(StageFailure) -> Value) async throws -> Value {
        var retries = retries
        while true {
            do throws(StageFailure) {
                return try steps()
            } catch {
                metrics?.update { $0.errors += 1 }
                guard error.error.code == .retriable else { throw error }
                // A record that may yet succeed must not be given up because the task is told to stop.
                guard control.wish != .stop else { throw TaskError("told to stop while a record was tried again") }
                guard let delay = retries.nextDelay() else { throw error }
                metrics?.update { $0.retries += 1 }
                await control.sleep(delay, while: [.run, .pause])
                try control.check()
            }
        }
    }

    /// Logs a failure as `errors.log.enable` and `errors.log.include.messages` say.
    /// - Parameters:
    ///   - record: where the record is from or goes to; always logged.
    ///   - details: what `errors.log.include.messages` adds.
    func log(_ failure: StageFailure, record: String, details: @autoclosure () -> Logger.Metadata) {
        metrics?.update { values in
            values.failures += 1
            values.skipped += tolerance.toleratesAll ? 1 : 0
            values.logged += tolerance.logsErrors ? 1 : 0
            values.lastError = WallClock.now()
        }
        guard tolerance.logsErrors || logger.logLevel <= .debug else { return }
        var metadata: Logger.Metadata = [
            "record": "\(record)", "stage": "\(failure.stage.rawValue)", "class": "\(failure.className)",
            "error": "\(mask.mask(failure.error.message))",
        ]
        if tolerance.logsErrors, tolerance.logsRecords { metadata.merge(details()) { first, _ in first } }
        logger.log(
            level: tolerance.logsErrors ? .error : .debug,
            tolerance.toleratesAll ? "skipping a bad record" : "a bad record", metadata: metadata)
    }

    /// What `errors.log.include.messages` shows of a sink's record: Kafka shows where it is, not what is in it.
    static func details(_ record: Record, _ topic: String, _ partition: Int32) -> Logger.Metadata {
        [
            "topic": "\(topic)", "partition": "\(partition)", "offset": "\(record.offset)",
            "timestamp": "\(record.timestamp)",
        ]
    }

    /// What `errors.log.include.messages` shows of a source's record: all of it.
    static func details(_ record: SourceRecord, _ batch: SourceBatch) -> Logger.Metadata {
        [
            "topic": "\(record.topic)", "partition": "\(record.partition.map { "\($0)" } ?? "")",
            "timestamp": "\(record.timestamp.map { "\($0)" } ?? "")",
            "key": "\(record.key)", "value": "\(record.value)", "headers": "\(record.headers)",
            "sourcePartition": "\(batch.sourcePartition.map { "\($0)" } ?? "")",
            "sourceOffset": "\(batch.sourceOffset.map { "\($0)" } ?? "")",
        ]
    }
}

extension RecordErrors {
    /// Sends records; one that the broker or the client refuses for what it is (too large, a bad timestamp) is skipped
    /// if errors are tolerated (stage KAFKA_PRODUCE). The others are then sent again one by one: they may come twice.
    func send(_ records: [ProducerRecord], to sender: any RecordSender) async throws {
        guard !records.isEmpty else { return }
        do {
            try await sender.send(records)
        } catch let error as KafkaError where tolerance.toleratesAll && error.isOfRecord {
            for record in records {
                do {
                    try await sender.send([record])
                } catch let error as KafkaError where error.isOfRecord {
                    log(
                        StageFailure(
                            stage: .kafkaProduce, className: "org.apache.kafka.clients.producer.KafkaProducer",
                            error: .data("\(error)")),
                        record: "for topic \(record.topic)",
                        details: [
                            "topic": "\(record.topic)", "key": "\(record.key.map { String(buffer: $0) } ?? "")",
                            "value": "\(record.value.map { String(buffer: $0) } ?? "")",
                        ])
                }
            }
        }
    }
}

extension KafkaError {
    /// Whether a record was refused for what it is: another try is of no use, but other records may go through.
    fileprivate var isOfRecord: Bool {
        if code == .recordTooLarge { return true }
        let codes: [ErrorCode] = [.messageTooLarge, .invalidTimestamp, .invalidRecord]
        return errorCode.map(codes.contains) ?? false
    }
}
