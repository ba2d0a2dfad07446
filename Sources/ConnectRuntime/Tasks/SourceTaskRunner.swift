import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOCore
import OrderedCollections

/// Runs one source task: poll → convert a whole batch into one buffer → deliver, with the next poll overlapping the
/// acknowledgement of the batch before. At most one batch is on its way and one waits, so memory is bounded by what a
/// poll returns; records keep their order. Whether they come at least once or exactly once is the delivery's part
/// (``SourceDelivery``).
final class SourceTaskRunner {
    /// What a runner needs, made by the worker.
    struct Environment {
        var id: TaskID
        var connectorConfig: ConnectorProperties
        var taskConfig: ConnectorProperties
        var converters: TaskConverters
        var transformations: TransformationChain
        var offsets: ConnectorOffsets
        var statusStore: StatusStore?
        var delivery: any SourceDelivery
        /// The task ends transactions.
        var definesTransactions: Bool
        var topics: any TopicCreator
        var errors: RecordErrors
        var metrics: TaskMetrics
        var mask: SecretMask
        var logger: Logger
        /// Report RUNNING only after the first poll that succeeds.
        var isQuiet: Bool
    }

    private let environment: Environment
    private let control: TaskControl
    private let thread: TaskThread
    private let report: @Sendable (ConnectorLifecycle.Event) -> Void
    private let errors: RecordErrors
    private var isRunningReported = false
    private var knownTopics: Set<String> = []
    private var sending: Task<Void, any Error>?
    /// How many bytes the last batches took: about what the next will.
    private var convertedBytes = 0

    init(
        _ environment: Environment, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) {
        self.environment = environment
        self.control = control
        self.thread = thread
        self.report = report
        errors = environment.errors
    }

    /// Runs until told to stop (returns) or something fails for good (throws). Called on the task's thread.
    func run(_ task: Confined<any SourceTask>) async throws {
        // Nothing that a task reads after it was given up may be written: its successor reads it again.
        control.whenAbandoned { [delivery = environment.delivery] in Task { await delivery.close() } }
        var failure: (any Error)?
        do {
            try await start(task)
            try await loop(task)
        } catch {
            failure = error
        }
        await task.value.stop()
        // What has been sent is acknowledged or not; either way it must be known before the task is given up.
        do {
            try await drain()
        } catch {
            failure = failure ?? error
        }
        await environment.delivery.close()
        if let failure, control.wish != .stop { throw failure }
    }

    private func start(_ task: Confined<any SourceTask>) async throws {
        let context = SourceContext(
            connectorName: environment.id.connector, taskID: environment.id.task, logger: environment.logger,
            definesTransactions: environment.definesTransactions,
            reader: ConnectorOffsetReader(end: .written) { [offsets = environment.offsets] in offsets })
        let config = environment.taskConfig.plain
        try await control.interruptible(while: [.run, .pause], on: thread) {
            try await task.value.start(config, context: context)
        }
        if !environment.isQuiet { reportRunning() }
    }

    private func reportRunning() {
        guard !isRunningReported, control.wish == .run else { return }
        isRunningReported = true
        report(.taskRunning(environment.id.task))
    }

    private func loop(_ task: Confined<any SourceTask>) async throws {
        while true {
            try control.check()
            switch control.wish {
            case .stop: return
            case .pause:
                try await drain()
                await task.value.commit()
                report(.taskPaused(environment.id.task))
                await control.waitWhilePaused()
                isRunningReported = false
                reportRunning()
            case .run:
                guard let batches = try await poll(task) else { continue }
                reportRunning()
                try await handle(batches, task)
            }
        }
    }

    /// The next batches; nil if interrupted.
    private func poll(_ task: Confined<any SourceTask>) async throws -> [SourceBatch]? {
        var schedule = RetrySchedule()
        while control.wish == .run {
            try control.check()
            do {
                let began = ContinuousClock.now
                let batches = try await control.interruptible(while: [.run], on: thread) { try await task.value.poll() }
                if batches.isEmpty, ContinuousClock.now - began < .milliseconds(1) {
                    // A task that has nothing should wait by itself; one that does not must not burn a core.
                    await control.sleep(.milliseconds(5), while: [.run])
                }
                if !batches.isEmpty { note(batches, since: began) }
                return batches
            } catch let error as ConnectError where error.code == .retriable {
                guard let delay = schedule.nextDelay() else { throw error }
                environment.logger.warning("poll failed, trying again", metadata: ["error": "\(error.message)"])
                await control.sleep(delay, while: [.run])
            } catch {
                // An interrupted poll may fail in any way it likes.
                guard control.wish == .run else { return nil }
                try control.check()
                throw error
            }
        }
        return nil
    }

    private func note(_ batches: [SourceBatch], since began: ContinuousClock.Instant) {
        let time = (ContinuousClock.now - began).milliseconds
        let count = batches.reduce(0) { $0 + $1.count }
        environment.metrics.update { values in
            values.taken += Int64(count)
            values.active += Int64(count)
            values.work.add(time)
            values.batchSizes.add(Double(count))
        }
    }

    private func handle(_ batches: [SourceBatch], _ task: Confined<any SourceTask>) async throws {
        guard !batches.isEmpty, !control.isAbandoned else { return }
        var parts: [SourcePart] = []
        for batches in split(batches) {
            parts.append(
                SourcePart(
                    records: try await convert(batches), offsets: try offsets(of: batches),
                    end: batches.last?.transactionEnd))
        }
        var topic: String?
        for record in parts.lazy.flatMap(\.records) where record.topic != topic {
            topic = record.topic
            if knownTopics.insert(record.topic).inserted { try await prepare(topic: record.topic) }
        }
        // One poll's batches on their way at a time: order is kept, and the poll for these overlapped it.
        try await awaitSending()
        let delivery = environment.delivery
        if await delivery.isClean { await task.value.commit() }
        let control = control
        let metrics = environment.metrics
        let count = Int64(batches.reduce(0) { $0 + $1.count })
        sending = Task { [parts] in
            do {
                for part in parts { try await delivery.deliver(part) }
                metrics.update { $0.active -= count }
            } catch {
                control.fail(error)
                throw error
            }
        }
    }

    private func awaitSending() async throws {
        guard let sending else { return }
        self.sending = nil
        try await sending.value
    }

    /// Waits for acknowledgements and for the offsets to be stored.
    private func drain() async throws {
        try await awaitSending()
        try await environment.delivery.flush()
    }

    /// Where the task ends transactions, what belongs to one; else all batches together.
    private func split(_ batches: [SourceBatch]) -> [[SourceBatch]] {
        guard environment.definesTransactions else { return [batches] }
        var parts: [[SourceBatch]] = [[]]
        for batch in batches {
            parts[parts.count - 1].append(batch)
            if batch.transactionEnd != nil { parts.append([]) }
        }
        return parts.filter { !$0.isEmpty }
    }

    private func offsets(of batches: [SourceBatch]) throws -> OrderedDictionary<ByteBuffer, ByteBuffer?> {
        var offsets: OrderedDictionary<ByteBuffer, ByteBuffer?> = [:]
        for batch in batches {
            guard let partition = batch.sourcePartition else { continue }
            let key = try OffsetRecords.key(connector: environment.id.connector, partition: partition)
            if batch.clearsOffset {
                offsets.updateValue(nil, forKey: key)
            } else if let offset = batch.sourceOffset {
                offsets.updateValue(try OffsetRecords.value(offset), forKey: key)
            }
        }
        return offsets
    }

    private func prepare(topic: String) async throws {
        try await environment.topics.create(topic)
        environment.statusStore?.noteTopic(
            StatusRecord.Topic(
                name: topic, connector: environment.id.connector, task: environment.id.task, discovered: WallClock.now()
            ))
    }
}

// MARK: - Transforming and converting

extension SourceTaskRunner {
    /// All records of the batches, transformed, serialised into one buffer; what is sent are slices of it. What
    /// transformations drop counts as written: offsets go on.
    private func convert(_ batches: [SourceBatch]) async throws -> [ProducerRecord] {
        var converter = SourceRecordConverter(
            converters: environment.converters, reserving: max(4096, convertedBytes),
            count: batches.reduce(0) { $0 + $1.count })
        for batch in batches {
            if environment.transformations.isEmpty, let rows = batch.rows, converter.append(rows) { continue }
            for record in batch.records {
                do {
                    try await errors.retrying { () throws(StageFailure) in
                        guard let record = try transformed(record) else { return }
                        try converter.append(record)
                    }
                } catch let failure as StageFailure {
                    try skip(record, batch, failure)
                }
            }
        }
        convertedBytes = converter.size
        return converter.finish()
    }

    private func transformed(_ record: SourceRecord) throws(StageFailure) -> SourceRecord? {
        guard !environment.transformations.isEmpty else { return record }
        guard let view = try environment.transformations.apply(ConnectRecord(record)) else { return nil }
        var record = record
        record.update(view)
        return record
    }

    /// Gives up a bad record, or the task if that is not tolerated.
    private func skip(_ record: SourceRecord, _ batch: SourceBatch, _ failure: StageFailure) throws {
        errors.log(
            failure, record: "for topic \(record.topic)", details: RecordErrors.details(record, batch))
        guard errors.tolerance.toleratesAll else {
            let what = failure.stage == .transformation ? "\(failure.className): a record" : "a record"
            let verb = failure.stage == .transformation ? "transformed" : "converted"
            throw TaskError("\(what) for topic \(record.topic) cannot be \(verb): \(failure.error)")
        }
    }
}

/// The task's view of its offsets and itself.
private struct SourceContext: SourceTaskContext {
    let connectorName: String
    let taskID: Int
    let logger: Logger
    let definesTransactions: Bool
    let reader: ConnectorOffsetReader

    func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] {
        try await reader.offsets(for: partitions)
    }
}
