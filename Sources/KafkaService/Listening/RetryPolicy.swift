/// An error that no repetition can mend: its message goes to the dead letter topic at once.
public protocol NonRetriableError: Error {}

/// What a listener does with a message whose handler throws.
///
/// First the handler is called again in place, with growing pauses: the order of the message's key is kept, and its
/// lane waits. Then, if ``retryTopics`` are given, the message goes through them, one for each delay: its lane goes on,
/// and its key's order is given up. In the end it goes to the dead letter topic.
public struct RetryPolicy: Sendable {
    /// Pauses between attempts in place.
    public struct Backoff: Sendable, Hashable {
        /// The first pause.
        public var initial: Duration
        /// How much longer each next one is.
        public var multiplier: Double
        /// The longest one.
        public var maximum: Duration
        /// The share of a pause that is left to chance, so that instances don't retry in step: 0 to 1.
        public var jitter: Double

        /// Describes pauses.
        public init(
            initial: Duration = .milliseconds(200), multiplier: Double = 2, maximum: Duration = .seconds(10),
            jitter: Double = 0.2
        ) {
            self.initial = initial
            self.multiplier = multiplier
            self.maximum = maximum
            self.jitter = jitter
        }

        /// The pause before the attempt after `attempt`, which counts from 1. `chance` is from 0 to 1.
        public func delay(after attempt: Int, chance: Double = .random(in: 0...1)) -> Duration {
            var delay = initial
            var round = 1
            while round < attempt, delay < maximum {
                delay = delay * multiplier
                round += 1
            }
            return min(delay, maximum) * (1 - jitter * chance)
        }
    }

    /// What happens after the last attempt.
    public enum Exhaustion: Sendable {
        /// The message goes to the dead letter topic, with the reason; the partition goes on.
        case deadLetter
        /// The handler is called again for ever; the message's lane waits until it succeeds.
        case retryForever
    }

    /// How often the handler is called in place, the first time included.
    public var attempts = 3
    /// The pauses between.
    public var backoff = Backoff()
    /// One retry topic for each of these delays, in order; none by default.
    public var retryTopics: [Duration] = []
    /// What happens in the end.
    public var exhaustion = Exhaustion.deadLetter
    /// Says of an error whether repeating may help. ``NonRetriableError`` and values that do not decode are never
    /// repeated, whatever this says.
    public var isRetriable: @Sendable (any Error) -> Bool = { _ in true }

    /// Three attempts in place, then the dead letter topic.
    public init() {}

    /// A policy.
    public init(
        attempts: Int, backoff: Backoff = Backoff(), retryTopics: [Duration] = [],
        exhaustion: Exhaustion = .deadLetter
    ) {
        self.attempts = attempts
        self.backoff = backoff
        self.retryTopics = retryTopics
        self.exhaustion = exhaustion
    }

    /// Never repeats errors of these types.
    public func except(_ types: [any Error.Type]) -> RetryPolicy {
        var policy = self
        let (before, names) = (isRetriable, Set(types.map { ObjectIdentifier($0) }))
        policy.isRetriable = { error in !names.contains(ObjectIdentifier(type(of: error))) && before(error) }
        return policy
    }

    func validate() throws(KafkaServiceError) {
        guard attempts >= 1 else {
            throw KafkaServiceError(.configuration, "retry attempts are \(attempts): 1 is least")
        }
        guard backoff.initial >= .zero, backoff.maximum >= backoff.initial, backoff.multiplier >= 1,
            (0...1).contains(backoff.jitter)
        else {
            throw KafkaServiceError(
                .configuration, "the retry back-off needs 0 ≤ initial ≤ maximum, multiplier ≥ 1 and jitter from 0 to 1")
        }
        guard retryTopics.allSatisfy({ $0 > .zero }) else {
            throw KafkaServiceError(.configuration, "a retry topic's delay must be longer than nothing")
        }
    }

    /// What becomes of a failed message.
    enum Decision: Equatable {
        case again(after: Duration)
        /// To the retry topic of this number, from 1.
        case retryTopic(Int)
        case deadLetter
    }

    /// Decides.
    ///
    /// - Parameters:
    ///   - attempt: How often the handler was called in place, from 1.
    ///   - stage: The retry topic that the message was read from, from 1; 0 is the topic itself.
    func decide(_ error: any Error, attempt: Int, stage: Int, chance: Double = .random(in: 0...1)) -> Decision {
        guard !(error is any NonRetriableError), isRetriable(error) else { return .deadLetter }
        // A retry topic's message has waited already: one attempt each.
        if stage == 0, attempt < attempts { return .again(after: backoff.delay(after: attempt, chance: chance)) }
        if stage < retryTopics.count { return .retryTopic(stage + 1) }
        if exhaustion == .retryForever { return .again(after: backoff.delay(after: attempt, chance: chance)) }
        return .deadLetter
    }
}
