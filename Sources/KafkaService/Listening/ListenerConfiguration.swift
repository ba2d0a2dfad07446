public import KafkaClient

/// When a message counts as done, so that its offset may be committed.
public enum AcknowledgementMode: Sendable, Hashable {
    /// When its handler has returned, or it was handed to a retry or dead letter topic.
    case afterSuccess
    /// When ``Message/acknowledge()`` is called. A handler that throws is retried all the same.
    case manual
}

/// What is kept in order while a listener works on several messages at once.
public enum ListenerOrdering: Sendable, Hashable {
    /// Messages of one key in one partition; those without a key as if they had one and the same.
    case key
    /// Messages of one partition.
    case partition
    /// Nothing.
    case none
}

/// How a listener works.
public struct ListenerConfiguration: Sendable {
    /// How many handlers may run at once in this process.
    public var concurrency = 1
    /// What is kept in order among them.
    public var ordering = ListenerOrdering.key
    /// When a message counts as done.
    public var acknowledgement = AcknowledgementMode.afterSuccess
    /// What happens to a message whose handler throws.
    public var retry = RetryPolicy()
    /// How many messages may be read and not done, over all partitions. No more is read until some are done; it also
    /// bounds what is delivered again after a crash. One poll may go beyond it.
    public var maximumPending = 2_000
    /// The largest batch that a batch handler gets.
    public var maximumBatch = 500
    /// How often offsets are committed; also at rebalances and at the end.
    public var commitInterval: Duration = .milliseconds(500)
    /// How long handlers may go on when the service shuts down; then they are cancelled, and their messages are
    /// delivered again.
    public var shutdownTimeout: Duration = .seconds(20)
    /// How long a rebalance waits for the handlers of partitions that go to other members; then their messages are
    /// delivered again there. Must be shorter than `max.poll.interval.ms`.
    public var revocationTimeout: Duration = .seconds(30)
    /// Where a group without committed offsets begins.
    public var startsAt = ConsumerConfiguration.OffsetReset.earliest
    /// Retry and dead letter topics that do not exist are made with as many partitions as the topic; if false, that
    /// they do not exist is an error at the start.
    public var createsTopics = true
    /// The name of a retry topic, from the topic, the group, and a number from 1.
    public var retryTopicName: @Sendable (_ topic: String, _ group: String, _ number: Int) -> String = {
        "\($0)-\($1)-retry-\($2)"
    }
    /// The name of the dead letter topic, from the topic and the group.
    public var deadLetterTopicName: @Sendable (_ topic: String, _ group: String) -> String = { "\($0)-\($1)-dlt" }
    /// Last changes to the consumer's own settings. Auto-commit stays off.
    public var consumer: @Sendable (inout ConsumerConfiguration) -> Void = { _ in }

    /// Defaults.
    public init() {}

    /// Defaults, with a concurrency.
    public init(concurrency: Int) {
        self.concurrency = concurrency
    }

    func validate() throws(KafkaServiceError) {
        guard (1...10_000).contains(concurrency) else {
            throw KafkaServiceError(.configuration, "a listener's concurrency is \(concurrency): give 1 to 10000")
        }
        guard maximumPending >= concurrency, maximumBatch >= 1, commitInterval > .zero else {
            throw KafkaServiceError(
                .configuration,
                "a listener needs maximumPending ≥ concurrency, maximumBatch ≥ 1 and a commitInterval longer than 0")
        }
        try retry.validate()
    }
}

/// What a listener is doing, for health checks.
public struct ListenerHealth: Sendable, Hashable {
    /// A listener's life.
    public enum State: String, Sendable {
        /// ``KafkaListener/run()`` was not called yet, or checks its topics.
        case starting
        /// It reads and handles.
        case running
        /// It keeps its partitions and reads nothing.
        case paused
        /// It has ended in good order.
        case stopped
        /// It has ended with an error.
        case failed
    }

    /// What it does.
    public var state: State
    /// Records between what is done and the end, per partition; as of the last fetch.
    public var lag: [TopicPartition: Int64]
    /// Messages read and not done.
    public var pending: Int
    /// The last error of a handler or of the connection, with no regard to whether it was overcome.
    public var lastError: String?

    /// Whether the service is fit for work: running (also without partitions) or paused on purpose.
    public var isHealthy: Bool { state == .running || state == .paused }
    /// The lag of all partitions.
    public var totalLag: Int64 { lag.values.reduce(0, +) }
}
