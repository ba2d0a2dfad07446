public import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
public import ServiceLifecycle

/// Reads a topic as a member of a group and calls a handler for each message, or for batches of them.
///
/// A message's offset is committed only after its handler has succeeded (or it was handed to a retry or dead letter
/// topic and that was acknowledged), so that every message is handled at least once. Handlers must therefore be
/// idempotent; ``Inbox`` makes them so. Made by ``KafkaApplication``.
public final class KafkaListener<Value: Sendable>: Service {
    /// The topic it reads.
    public let topic: Topic<Value>
    /// The group whose members share the topic's partitions.
    public let group: String
    /// How it works.
    public let configuration: ListenerConfiguration
    let application: KafkaApplication
    let logger: Logger
    let core: ListenerCore
    let worker: ListenerWorker<Value>
    private let poller = NIOLockedValueBox<(task: Task<Void, any Error>?, isOver: Bool)>((nil, false))

    init(
        _ application: KafkaApplication, topic: Topic<Value>, group: String, configuration: ListenerConfiguration,
        handler: ListenerWorker<Value>.Handler
    ) {
        self.application = application
        self.topic = topic
        self.group = group
        self.configuration = configuration
        var logger = application.logger
        logger[metadataKey: "topic"] = "\(topic.name)"
        logger[metadataKey: "group"] = "\(group)"
        self.logger = logger
        var stages = [topic.name: 0]
        for number in 1..<(configuration.retry.retryTopics.count + 1) {
            stages[configuration.retryTopicName(topic.name, group, number)] = number
        }
        var isBatch = false
        if case .batch = handler { isBatch = true }
        core = ListenerCore(configuration, isBatch: isBatch, stages: stages)
        worker = ListenerWorker(
            core: core, topic: topic, group: group, configuration: configuration, handler: handler,
            application: application, logger: logger)
    }

    /// Reads until the service group shuts down, ``shutdown()`` is called or the task is cancelled; the first two let
    /// handlers finish. Throws when the topic is missing, and for failures that waiting does not mend.
    public func run() async throws {
        do {
            try await prepare()
            try await listen()
            setState(.stopped)
        } catch is CancellationError {
            setState(.stopped)
            throw CancellationError()
        } catch {
            core.note(error)
            setState(.failed)
            throw error
        }
    }

    /// Ends ``run()`` in good order: handlers that run may finish, their offsets are committed, the group is left.
    public func shutdown() {
        let task = poller.withLockedValue { poller in
            poller.isOver = true
            return poller.task
        }
        task?.cancel()
    }

    /// Reads nothing more until ``resume()``. The partitions stay; messages that were read are still handled.
    public func pause() { core.state.withLockedValue { $0.isPaused = true } }

    /// Undoes ``pause()``.
    public func resume() { core.state.withLockedValue { $0.isPaused = false } }

    /// What it is doing.
    public var health: ListenerHealth {
        core.state.withLockedValue { state in
            var lag: [TopicPartition: Int64] = [:]
            for partition in state.partitions.values where partition.highWatermark >= 0 {
                let done = partition.tracker.firstPending ?? partition.tracker.committable ?? partition.highWatermark
                lag[partition.topicPartition] = max(partition.highWatermark - done, 0)
            }
            let isPaused = state.isPaused && state.health == .running
            return ListenerHealth(
                state: isPaused ? .paused : state.health, lag: lag, pending: state.pending, lastError: state.lastError)
        }
    }

    /// The partitions that it has now.
    public var assignment: [TopicPartition] { core.state.withLockedValue { $0.partitions.keys.sorted() } }

    private func setState(_ health: ListenerHealth.State) {
        core.state.withLockedValue { $0.health = health }
    }

    // MARK: - Start

    private func prepare() async throws {
        try configuration.validate()
        guard !group.isEmpty else {
            throw KafkaServiceError(.configuration, "the listener of \(topic.name) has no group")
        }
        let partitions = try await application.topics.check(topic.name, topic.creation)
        let creation: TopicCreation =
            configuration.createsTopics ? .create(partitions: partitions, replicationFactor: -1) : .mustExist
        for (name, stage) in core.stages where stage > 0 { _ = try await application.topics.check(name, creation) }
        if configuration.retry.exhaustion == .deadLetter {
            let name = configuration.deadLetterTopicName(topic.name, group)
            _ = try await application.topics.check(name, creation)
        }
    }

    private func makeConsumer() throws -> KafkaConsumer {
        var settings = ConsumerConfiguration(client: application.client, groupID: group)
        settings.autoOffsetReset = configuration.startsAt
        settings.assignors = [CooperativeStickyAssignor()]
        settings.allowAutoCreateTopics = false
        settings.isolationLevel = .readCommitted
        configuration.consumer(&settings)
        settings.enableAutoCommit = false
        return try KafkaConsumer(configuration: settings, logger: logger)
    }

    // MARK: - Running

    private func listen() async throws {
        let consumer = try makeConsumer()
        var failure: (any Error)?
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<configuration.concurrency {
                group.addTask { [worker] in await worker.run() }
            }
            do {
                try await poll(consumer)
            } catch {
                failure = error
            }
            core.stop()
            await finishWorkers(&group)
        }
        await commit(consumer, isLast: true)
        await consumer.close()
        if let failure, !(failure is CancellationError) { throw failure }
        try Task.checkCancellation()
    }

    /// Lets handlers that run finish, then cancels them.
    private func finishWorkers(_ group: inout TaskGroup<Void>) async {
        let limit = configuration.shutdownTimeout
        let running = core.state.withLockedValue { Array($0.partitions.values) }
        let alarm = Task { [core] in
            try await Task.sleep(for: limit)
            core.abandonWaits()
        }
        await core.waitUntilDrained(running)
        alarm.cancel()
        group.cancelAll()
        await group.waitForAll()
    }

    /// The poll loop as a task of its own, which a shutdown cancels while handlers go on.
    private func poll(_ consumer: KafkaConsumer) async throws {
        let task = Task { try await PollLoop(listener: self, consumer: consumer).run() }
        let isOver = poller.withLockedValue { poller in
            poller.task = task
            return poller.isOver
        }
        if isOver { task.cancel() }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await task.value
            } onGracefulShutdown: {
                task.cancel()
            }
        } onCancel: {
            task.cancel()
        }
    }

    /// Commits what is done. Failures wait for the next commit: at worst messages are delivered again.
    func commit(_ consumer: KafkaConsumer, _ partitions: [AssignedPartition]? = nil, isLast: Bool = false) async {
        let offsets = core.committable(partitions)
        guard !offsets.isEmpty else { return }
        do {
            // The last commit is made although the task may be cancelled.
            try await Task { try await consumer.commit(offsets) }.value
            core.didCommit(offsets)
        } catch {
            logger.log(
                level: isLast ? .warning : .debug, "offsets could not be committed; messages may come again",
                metadata: ["error": "\(error)"])
        }
    }

    func setRunning() { setState(.running) }
}
