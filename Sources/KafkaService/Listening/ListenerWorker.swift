import KafkaClient
import KafkaProtocol
import Logging
import NIOCore

/// Handles one piece of work after the other: decodes, calls the handler, and sees to it that each message is done,
/// tried again, or handed to a retry or dead letter topic. A listener runs as many as its concurrency.
struct ListenerWorker<Value: Sendable>: Sendable {
    enum Handler: Sendable {
        case record(@Sendable (Message<Value>) async throws -> Void)
        case batch(@Sendable ([Message<Value>]) async throws -> Void)
    }

    let core: ListenerCore
    let topic: Topic<Value>
    let group: String
    let configuration: ListenerConfiguration
    let handler: Handler
    let application: KafkaApplication
    let logger: Logger
    let metrics: ListenerMetrics

    init(
        core: ListenerCore, topic: Topic<Value>, group: String, configuration: ListenerConfiguration,
        handler: Handler, application: KafkaApplication, logger: Logger
    ) {
        self.core = core
        self.topic = topic
        self.group = group
        self.configuration = configuration
        self.handler = handler
        self.application = application
        self.logger = logger
        metrics = ListenerMetrics(topic: topic.name, group: group)
    }

    func run() async {
        var finished: (work: ListenerWork, lane: Int)?
        var done: Int64?
        while true {
            if let next = core.next(after: finished, done: done) {
                done = await handle(next.work)
                finished = next
            } else {
                (finished, done) = (nil, nil)
                guard await core.waitForWork() else { return }
            }
        }
    }

    /// Returns the offset of the record that is done now, for the core to be told.
    private func handle(_ work: ListenerWork) async -> Int64? {
        switch handler {
        case .record(let body):
            guard let record = work.records.first, let message = await decode(record, work) else { return nil }
            return await handle(Attempt(record: record, message: message), work, body) ? record.offset : nil
        case .batch(let body):
            await handleBatch(work, body)
            return nil
        }
    }

    /// A message and its record.
    struct Attempt {
        var record: Record
        var message: Message<Value>
    }

    /// The message of a record; nil if it does not decode: then it is with the dead letters.
    func decode(_ record: Record, _ work: ListenerWork) async -> Message<Value>? {
        let before = RetryHeaders.integer(record.headers, RetryHeaders.attempts).map { Int(clamping: $0) } ?? 0
        do {
            let value = try topic.serde.decode(record.value ?? ByteBuffer())
            let (core, partition, offset) = (core, work.partition, record.offset)
            return Message(
                value: value, key: record.key, headers: record.headers, topicPartition: partition.topicPartition,
                offset: offset, timestamp: record.timestamp, attempt: before + 1,
                acknowledgement: Acknowledgement { core.finish(CollectionOfOne(offset), of: partition) })
        } catch {
            await bury(record, work, attempts: before, error)
            return nil
        }
    }

    // MARK: - One message

    /// Calls the handler until it succeeds or the message is handed on. Returns whether it succeeded and the message
    /// counts as done with that, of which the caller tells the core.
    func handle(
        _ first: Attempt, _ work: ListenerWork, _ body: @Sendable (Message<Value>) async throws -> Void
    ) async -> Bool {
        var message = first.message
        var attempt = 1
        // At first the core has just handed it out.
        while attempt == 1 || !core.isAbandoned(work) {
            do {
                try await call([message]) { try await body(message) }
                return configuration.acknowledgement == .afterSuccess
            } catch {
                guard !hasEnded(error, work) else { return false }
                guard await settle(first.record, work, attempt: attempt, attempts: message.attempt, error) else {
                    return false
                }
                attempt += 1
                message.attempt += 1
            }
        }
        return false
    }

    /// Calls a handler within its messages' trace, and takes the time.
    func call(_ messages: [Message<Value>], _ body: () async throws -> Void) async throws {
        let start = ContinuousClock.now
        defer { metrics.processed(start.duration(to: .now)) }
        let isBatch = if case .batch = handler { true } else { false }
        try await MessageTracing.processing(
            messages.map(\.headers), of: topic.name, group: group, isBatch: isBatch
        ) {
            guard let trace = messages.first.flatMap({ TraceContext(headers: $0.headers) }) else {
                return try await body()
            }
            try await TraceContext.$current.withValue(trace.child(), operation: body)
        }
    }

    /// Whether an error only says that the listener ends or the partition is gone.
    func hasEnded(_ error: any Error, _ work: ListenerWork) -> Bool {
        Task.isCancelled || core.isAbandoned(work)
    }

    /// Decides on a failed message and does it. Returns true, after the pause, if it is to be handled again here.
    ///
    /// - Parameters:
    ///   - attempt: How often it was tried here.
    ///   - attempts: How often it was tried at all.
    func settle(
        _ record: Record, _ work: ListenerWork, attempt: Int, attempts: Int, _ error: any Error
    ) async -> Bool {
        core.note(error)
        switch configuration.retry.decide(error, attempt: attempt, stage: work.partition.stage) {
        case .again(let delay):
            metrics.retried()
            logger.info("a handler failed; trying again", metadata: metadata(record, work, attempts, error))
            return await pause(delay, work)
        case .retryTopic(let number):
            metrics.retried()
            logger.info("a handler failed; to the retry topic", metadata: metadata(record, work, attempts, error))
            await postpone(record, work, number: number, attempts: attempts, error)
            return false
        case .deadLetter:
            await bury(record, work, attempts: attempts, error)
            return false
        }
    }

    /// Sleeps. Returns false if the work has become pointless meanwhile.
    func pause(_ delay: Duration, _ work: ListenerWork) async -> Bool {
        let end = ContinuousClock.now + delay
        while ContinuousClock.now < end {
            guard !core.isAbandoned(work), !Task.isCancelled else { return false }
            try? await Task.sleep(for: min(.milliseconds(50), ContinuousClock.now.duration(to: end)))
        }
        return !core.isAbandoned(work)
    }

    // MARK: - Handing on

    private func postpone(
        _ record: Record, _ work: ListenerWork, number: Int, attempts: Int, _ error: any Error
    ) async {
        let delay = configuration.retry.retryTopics[number - 1]
        let headers = RetryHeaders.forRetry(
            record.headers, origin: origin(record, work), attempts: attempts,
            due: WallClock.now() + delay.wholeMilliseconds,
            reason: RetryHeaders.reason(error))
        let name = configuration.retryTopicName(topic.name, group, number)
        await deliver(ProducerRecord(topic: name, key: record.key, value: record.value, headers: headers), record, work)
    }

    private func bury(_ record: Record, _ work: ListenerWork, attempts: Int, _ error: any Error) async {
        metrics.deadLettered()
        core.note(error)
        logger.error("a message goes to the dead letters", metadata: metadata(record, work, attempts, error))
        let headers = RetryHeaders.forDeadLetter(
            record.headers, origin: origin(record, work), group: group, attempts: attempts, error: error)
        let name = configuration.deadLetterTopicName(topic.name, group)
        await deliver(ProducerRecord(topic: name, key: record.key, value: record.value, headers: headers), record, work)
    }

    /// Sends until it is acknowledged: a message must not be committed before it is safe elsewhere.
    private func deliver(_ copy: ProducerRecord, _ record: Record, _ work: ListenerWork) async {
        var failures = 0
        while !core.isAbandoned(work), !Task.isCancelled {
            do {
                _ = try await application.producer.send(copy)
                core.finish(CollectionOfOne(record.offset), of: work.partition)
                return
            } catch {
                failures += 1
                logger.error(
                    "a failed message could not be handed on; its partition's offset stays",
                    metadata: ["to": "\(copy.topic)", "error": "\(error)"])
                guard await pause(configuration.retry.backoff.delay(after: failures), work) else { return }
            }
        }
    }

    private func origin(_ record: Record, _ work: ListenerWork) -> RetryHeaders.Origin {
        RetryHeaders.origin(record.headers)
            ?? RetryHeaders.Origin(
                topicPartition: work.partition.topicPartition, offset: record.offset, timestamp: record.timestamp)
    }

    private func metadata(
        _ record: Record, _ work: ListenerWork, _ attempts: Int, _ error: any Error
    ) -> Logger.Metadata {
        [
            "partition": "\(work.partition.topicPartition)", "offset": "\(record.offset)", "attempt": "\(attempts)",
            "error": "\(RetryHeaders.reason(error))",
        ]
    }
}
