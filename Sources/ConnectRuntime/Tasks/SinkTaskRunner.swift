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
        var errors: RecordErrors
        var metrics: TaskMetrics
        var mask: SecretMask
        var commits: CommitTiming
        var logger: Logger
        /// Report RUNNING only after the first records have been written, or none were there to write.
        var isQuiet: Bool
    }

    private let environment: Environment
    private let control: TaskControl
    private let thread: TaskThread
    private let report: @Sendable (ConnectorLifecycle.Event) -> Void
    private let errors: RecordErrors
    private let reporter: SinkErrorReporter
    private let context: SinkContext
    private let committer: EagerCommitter<TopicPartition, Int64>
    private let positions = NIOLockedValueBox<OrderedDictionary<TopicPartition, Int64>>([:])
    private var isRunningReported = false
    private var idlePolls = 0
    private static let idlePollsOfHealth = 3
    /// How long records are put one batch after the other before the group gets its say again.
    private static let longestWithoutPoll = Duration.milliseconds(500)
    private let conversion: SinkConversion
    private var knownTopics: Set<String> = []

    init(
        _ environment: Environment, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) {
        self.environment = environment
        self.control = control
        self.thread = thread
        self.report = report
        let errors = environment.errors
        self.errors = errors
        let logger = environment.logger
        let taskClass = environment.taskConfig["task.class"] ?? ""
        reporter = SinkErrorReporter(
            tolerance: errors.tolerance, deadLetters: environment.deadLetters, mask: environment.mask
        ) { record, error in
            errors.log(
                StageFailure(stage: .taskPut, className: taskClass, error: error),
                record: "\(record.originalTopic)-\(record.partition) at offset \(record.offset)",
                details: [
                    "topic": "\(record.originalTopic)", "partition": "\(record.partition)",
                    "offset": "\(record.offset)", "timestamp": "\(record.timestamp.map { "\($0)" } ?? "")",
                ])
        }
        context = SinkContext(
            connectorName: environment.id.connector, taskID: environment.id.task, logger: logger,
            errantRecordReporter: errors.tolerance.toleratesAll ? reporter : nil)
        conversion = SinkConversion(
            converters: environment.converters, transformations: Confined(environment.transformations),
            errors: errors, deadLetters: environment.deadLetters, mask: environment.mask)
        let consumer = environment.consumer
        let metrics = environment.metrics
        committer = EagerCommitter(timing: environment.commits, logger: logger) { positions in
            try await metrics.commit { try await consumer.commit(positions) }
        }
    }

    /// Runs until told to stop (returns) or something fails for good (throws). Called on the task's thread.
    func run(_ task: Confined<any SinkTask>) async throws {
        // A task that was given up must not keep its partitions from its successor.
        control.whenAbandoned { [committer, consumer = environment.consumer] in
            Task {
                await committer.close()
                await consumer.close()
            }
        }
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
        await committer.close()
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
            revoked: { [metrics = environment.metrics, control] partitions in
                // The task's thread hangs.
                guard !control.isAbandoned else { return }
                try? await committer.flush()
                metrics.update { values in
                    for partition in partitions { values.lags["\(partition)"] = nil }
                }
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
                guard let polled = try await poll(while: [.run]) else { continue }
                let batches = try await seek(polled)
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

    /// Goes where the task has asked to, and drops what was read of those partitions.
    private func seek(_ batches: [ConsumerBatch]) async throws -> [ConsumerBatch] {
        let wanted = context.takeSeeks()
        guard !wanted.isEmpty else { return batches }
        var positions: [TopicPartition: Int64] = [:]
        for (partition, offset) in wanted {
            positions[TopicPartition(topic: partition.topic, partition: partition.partition)] = offset
        }
        try await environment.consumer.seek(positions)
        return batches.filter { positions[$0.topicPartition] == nil }
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

    /// Puts batches, and what has been fetched meanwhile: those records are converted while the ones before are put.
    private func handle(_ batches: [ConsumerBatch], _ task: Confined<any SinkTask>) async throws {
        let deadline = ContinuousClock.now + Self.longestWithoutPoll
        let conversion = conversion
        defer { reporter.setBatches([]) }
        var batches = batches
        var records = try await conversion.convert(batches)
        while true {
            let mayGoOn = control.wish == .run && ContinuousClock.now < deadline
            // What is wrong with them the next poll will say.
            let next = mayGoOn ? (try? environment.consumer.takeFetched()) ?? [] : []
            let following = next.isEmpty ? nil : Task { try await conversion.convert(next) }
            do {
                guard try await handle(records, of: batches, task) else {
                    following?.cancel()
                    return
                }
            } catch {
                following?.cancel()
                throw error
            }
            guard let following else { return }
            records = try await following.value
            batches = next
        }
    }

    /// Puts the records of batches and notes their offsets; false if interrupted before.
    private func handle(
        _ records: [SinkRecord], of batches: [ConsumerBatch], _ task: Confined<any SinkTask>
    ) async throws -> Bool {
        for batch in batches { noteTopic(batch.topicPartition.topic) }
        note(batches, active: records.count)
        reporter.setBatches(batches)
        if !records.isEmpty {
            let began = ContinuousClock.now
            guard try await put(records, task) else { return false }
            let time = (ContinuousClock.now - began).milliseconds
            environment.metrics.update { values in
                values.written += Int64(records.count)
                values.active = 0
                values.work.add(time)
            }
        }
        positions.withLockedValue { positions in
            for batch in batches {
                if let last = batch.records.last { positions[batch.topicPartition] = last.offset + 1 }
            }
        }
        try await commit(task)
        return true
    }

    private func note(_ batches: [ConsumerBatch], active: Int) {
        environment.metrics.update { values in
            let count = batches.reduce(0) { $0 + $1.records.count }
            values.taken += Int64(count)
            values.active = Int64(active)
            values.batchSizes.add(Double(count))
            for batch in batches {
                guard let last = batch.records.last else { continue }
                values.lags["\(batch.topicPartition)"] = max(0, batch.highWatermark - last.offset - 1)
            }
        }
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
                name: topic, connector: environment.id.connector, task: environment.id.task, discovered: WallClock.now()
            ))
    }
}

// MARK: - Putting

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
            } catch let error as ConnectError where error.code == .data && errors.tolerance.toleratesAll {
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
}
