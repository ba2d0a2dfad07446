import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

/// Runs one sink task: poll → convert → put → commit. Offsets are committed only after `put` has returned and
/// `preCommit` has agreed (at least once), and soon after (``EagerCommitter``).
final class SinkTaskRunner {
    /// What a runner needs, made by the worker.
    struct Environment {
        var id: TaskID
        var connectorConfig: ConnectorProperties
        var taskConfig: ConnectorProperties
        var converters: TaskConverters
        var transformations: TransformationChain
        var statusStore: StatusStore?
        var consumer: any SinkConsumer
        var deadLetters: DeadLetterQueue?
        var mask: SecretMask
        var logger: Logger
        /// Report RUNNING only after the first records have been written, or none were there to write.
        var isQuiet: Bool
    }

    private let environment: Environment
    private let control: TaskControl
    private let thread: TaskThread
    private let report: @Sendable (ConnectorLifecycle.Event) -> Void
    private let tolerance: ErrorTolerance
    private let reporter: SinkErrorReporter
    private let context: SinkContext
    private let committer: EagerCommitter<TopicPartition, Int64>
    private let positions = NIOLockedValueBox<OrderedDictionary<TopicPartition, Int64>>([:])
    private var isRunningReported = false
    private var idlePolls = 0
    private static let idlePollsOfHealth = 3
    private var knownTopics: Set<String> = []

    init(
        _ environment: Environment, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) {
        self.environment = environment
        self.control = control
        self.thread = thread
        self.report = report
        let tolerance = ErrorTolerance(environment.connectorConfig)
        self.tolerance = tolerance
        let logger = environment.logger
        reporter = SinkErrorReporter(
            tolerance: tolerance, deadLetters: environment.deadLetters, mask: environment.mask
        ) { record, error in
            logger.log(
                level: tolerance.logsErrors ? .error : .debug, "skipping a record that the sink refused",
                metadata: [
                    "topic": "\(record.topic)", "partition": "\(record.partition)", "offset": "\(record.offset)",
                    "error": "\(error.message)",
                ])
        }
        context = SinkContext(
            connectorName: environment.id.connector, taskID: environment.id.task, logger: logger,
            errantRecordReporter: tolerance.toleratesAll ? reporter : nil)
        let consumer = environment.consumer
        committer = EagerCommitter(logger: logger) { positions in
            try await consumer.commit(positions)
        }
    }

    /// Runs until told to stop (returns) or something fails for good (throws). Called on the task's thread.
    func run(_ task: Confined<any SinkTask>) async throws {
        var failure: (any Error)?
        do {
            try await start(task)
            try await loop(task)
        } catch {
            failure = error
        }
        // What has been put may be committed, whatever happened after it.
        do {
            try await committer.flush()
        } catch {
            environment.logger.warning("the last offsets could not be committed", metadata: ["error": "\(error)"])
        }
        // Leaving the group takes the partitions away, which closes them in the task.
        await environment.consumer.close()
        await task.value.stop()
        await environment.deadLetters?.sender.close()
        if let failure, control.wish != .stop { throw failure }
    }

    private func start(_ task: Confined<any SinkTask>) async throws {
        let config = environment.taskConfig.plain
        let context = context
        try await control.interruptible(while: [.run, .pause], on: thread) {
            try await task.value.start(config, context: context)
        }
        let committer = committer
        let positions = positions
        let thread = thread
        try await environment.consumer.start(
            assigned: { partitions in
                try await Self.onThread(thread) { try await task.value.open(partitions.map(Self.name)) }
            },
            revoked: { partitions in
                try? await committer.flush()
                positions.withLockedValue { positions in
                    for partition in partitions { positions[partition] = nil }
                }
                try? await Self.onThread(thread) { await task.value.close(partitions.map(Self.name)) }
            })
        if !environment.isQuiet { reportRunning() }
    }

    private static func onThread(_ thread: TaskThread, _ operation: @escaping @Sendable () async throws -> Void)
        async throws
    {
        try await Task(executorPreference: thread) { try await operation() }.value
    }

    private func reportRunning() {
        guard !isRunningReported, control.wish == .run else { return }
        isRunningReported = true
        report(.taskRunning(environment.id.task))
    }

    private func loop(_ task: Confined<any SinkTask>) async throws {
        while true {
            try control.check()
            switch control.wish {
            case .stop: return
            case .pause: try await rest()
            case .run:
                guard let batches = try await poll(while: [.run]) else { continue }
                if batches.isEmpty {
                    idlePolls += 1
                } else {
                    try await handle(batches, task)
                    idlePolls = Self.idlePollsOfHealth
                }
                // After a failure, only records that went through, or their absence, show that it is over.
                if idlePolls >= Self.idlePollsOfHealth { reportRunning() }
            }
        }
    }

    /// Stays in the group, with all partitions paused, until something else is wished.
    private func rest() async throws {
        try await committer.flush()
        await environment.consumer.pauseAll()
        report(.taskPaused(environment.id.task))
        while control.wish == .pause {
            try control.check()
            _ = try await poll(while: [.pause])
            // Partitions that have just been assigned rest too.
            await environment.consumer.pauseAll()
        }
        await environment.consumer.resumeAll()
        isRunningReported = false
        reportRunning()
    }

    /// The next batches; nil if interrupted.
    private func poll(while wishes: Set<TaskControl.Wish>) async throws -> [ConsumerBatch]? {
        let consumer = environment.consumer
        do {
            return try await control.interruptible(while: wishes, on: nil) {
                try await consumer.poll(timeout: .seconds(1))
            }
        } catch {
            guard wishes.contains(control.wish) else { return nil }
            try control.check()
            if let error = error as? KafkaError, error.isRetriable {
                environment.logger.warning("poll failed, trying again", metadata: ["error": "\(error)"])
                await control.sleep(.milliseconds(500), while: wishes)
                return []
            }
            throw error
        }
    }

    private func handle(_ batches: [ConsumerBatch], _ task: Confined<any SinkTask>) async throws {
        var records: [SinkRecord] = []
        records.reserveCapacity(batches.reduce(0) { $0 + $1.records.count })
        for batch in batches {
            noteTopic(batch.topicPartition.topic)
            for record in batch.records {
                if let converted = try await convert(record, batch.topicPartition) { records.append(converted) }
            }
        }
        reporter.setBatches(batches)
        defer { reporter.setBatches([]) }
        if !records.isEmpty {
            guard try await put(records, task) else { return }
        }
        positions.withLockedValue { positions in
            for batch in batches {
                if let last = batch.records.last { positions[batch.topicPartition] = last.offset + 1 }
            }
        }
        try await commit(task)
    }

    private func commit(_ task: Confined<any SinkTask>) async throws {
        let all = positions.withLockedValue { $0 }
        let safe = try await task.value.preCommit(
            Dictionary(uniqueKeysWithValues: all.map { (Self.name($0.key), $0.value) }))
        var commits: OrderedDictionary<TopicPartition, Int64> = [:]
        for (partition, _) in all {
            if let offset = safe[Self.name(partition)] { commits[partition] = offset }
        }
        await committer.commit(commits)
    }

    private static func name(_ partition: TopicPartition) -> TopicPartitionName {
        TopicPartitionName(topic: partition.topic, partition: partition.partition)
    }

    private func noteTopic(_ topic: String) {
        guard knownTopics.insert(topic).inserted else { return }
        environment.statusStore?.noteTopic(
            StatusRecord.Topic(
                name: topic, connector: environment.id.connector, task: environment.id.task, discovered: nowMillis()))
    }
}

// MARK: - Putting and converting

extension SinkTaskRunner {
    /// Puts records until they are in, however often it takes; false if interrupted before.
    private func put(_ records: [SinkRecord], _ task: Confined<any SinkTask>) async throws -> Bool {
        var schedule = RetrySchedule()
        while true {
            do {
                // A pause waits for the batch; only a stop interrupts it.
                try await control.interruptible(while: [.run, .pause], on: thread) { try await task.value.put(records) }
                return true
            } catch let error as ConnectError where error.code == .retriable {
                guard control.wish != .stop else { return false }
                guard let delay = schedule.nextDelay(atLeast: context.takeRetryDelay()) else { throw error }
                environment.logger.warning(
                    "put failed, trying again", metadata: ["error": "\(environment.mask.mask(error.message))"])
                await control.sleep(delay, while: [.run, .pause])
                try control.check()
            } catch let error as ConnectError where error.code == .data && tolerance.toleratesAll {
                // The sink has refused the whole batch; find the bad ones.
                return try await putOneByOne(records, task, error)
            } catch {
                guard control.wish != .stop else { return false }
                throw error
            }
            if control.wish == .stop { return false }
        }
    }

    private func putOneByOne(
        _ records: [SinkRecord], _ task: Confined<any SinkTask>, _ error: ConnectError
    ) async throws -> Bool {
        if records.count == 1, let record = records.first {
            try await reporter.report(record, error: error)
            return true
        }
        for record in records {
            guard try await put([record], task) else { return false }
        }
        return true
    }

    /// The record as the sink takes it; nil if a transformation drops it, or if it is bad and that is tolerated.
    private func convert(_ record: Record, _ partition: TopicPartition) async throws -> SinkRecord? {
        var stage = DeadLetterQueue.Stage.keyConverter
        var converted: SinkRecord
        do throws(ConnectError) {
            let key = try environment.converters.key.toConnect(topic: partition.topic, bytes: record.key)
            stage = .valueConverter
            let value = try environment.converters.value.toConnect(topic: partition.topic, bytes: record.value)
            converted = SinkRecord(
                topic: partition.topic, partition: partition.partition, offset: record.offset,
                timestamp: record.timestamp < 0 ? nil : record.timestamp, timestampType: .createTime,
                keySchema: key.schema, key: key.value, valueSchema: value.schema, value: value.value,
                headers: record.headers.map(HeaderText.connectHeader))
        } catch {
            let isKey = stage == .keyConverter
            let converter = type(of: isKey ? environment.converters.key : environment.converters.value)
            try await skip(
                record, partition, stage, converter.className, error,
                "the \(isKey ? "key" : "value") of the record in")
            return nil
        }
        guard !environment.transformations.isEmpty else { return converted }
        do {
            guard let view = try await transformed(ConnectRecord(converted)) else { return nil }
            converted.update(view)
            return converted
        } catch let failure as TransformationChain.Failure {
            try await skip(
                record, partition, .transformation, failure.className, failure.error,
                "\(failure.className): the record in")
            return nil
        }
    }

    /// Applies the transformations, again and again while they ask for it and `errors.retry.timeout` allows it.
    private func transformed(_ record: ConnectRecord) async throws -> ConnectRecord? {
        var retries = ErrorRetries(environment.connectorConfig)
        while true {
            do throws(TransformationChain.Failure) {
                return try environment.transformations.apply(record)
            } catch {
                guard error.error.code == .retriable, control.wish != .stop, let delay = retries.nextDelay() else {
                    throw error
                }
                await control.sleep(delay, while: [.run, .pause])
            }
        }
    }

    /// Gives up a bad record, or the task if that is not tolerated.
    private func skip(
        _ record: Record, _ partition: TopicPartition, _ stage: DeadLetterQueue.Stage, _ className: String,
        _ error: ConnectError, _ what: String
    ) async throws {
        let place = "\(partition.topic)-\(partition.partition) at offset \(record.offset)"
        let verb = stage == .transformation ? "transformed" : "converted"
        guard tolerance.toleratesAll else {
            throw TaskError("\(what) \(place) cannot be \(verb): \(error)")
        }
        environment.logger.log(
            level: tolerance.logsErrors ? .error : .debug, "skipping a bad record",
            metadata: ["record": "\(place)", "stage": "\(stage.rawValue)", "error": "\(error.message)"])
        try await environment.deadLetters?.send(
            record, from: partition, stage: stage, className: className, error: error, environment.mask)
    }
}

/// The task's view of itself.
private final class SinkContext: SinkTaskContext {
    let connectorName: String
    let taskID: Int
    let logger: Logger
    let errantRecordReporter: (any ErrantRecordReporter)?
    private let retryDelay = NIOLockedValueBox<Duration?>(nil)

    init(connectorName: String, taskID: Int, logger: Logger, errantRecordReporter: (any ErrantRecordReporter)?) {
        self.connectorName = connectorName
        self.taskID = taskID
        self.logger = logger
        self.errantRecordReporter = errantRecordReporter
    }

    func requestRetry(after delay: Duration) {
        retryDelay.withLockedValue { $0 = delay }
    }

    func takeRetryDelay() -> Duration? {
        retryDelay.withLockedValue { delay in
            defer { delay = nil }
            return delay
        }
    }
}
