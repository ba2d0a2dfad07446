import ConnectAPI
import KafkaClient
import OrderedCollections

/// How a connector treats bad records (KIP-298).
struct ErrorTolerance: Sendable {
    /// `errors.tolerance=all`: bad records are skipped, not fatal.
    var toleratesAll: Bool
    /// `errors.log.enable`.
    var logsErrors: Bool
    /// `errors.log.include.messages`.
    var logsRecords: Bool

    init(_ config: ConnectorProperties) {
        toleratesAll = config["errors.tolerance"]?.trimmed.lowercased() == "all"
        logsErrors = config.flag("errors.log.enable")
        logsRecords = config.flag("errors.log.include.messages")
    }
}

extension ConnectorProperties {
    /// A boolean option; false if it is absent or anything but `true`.
    func flag(_ name: String) -> Bool { self[name]?.trimmed.lowercased() == "true" }

    /// The options as connectors and converters take them.
    var plain: [String: String] { Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) }) }
}

extension ConnectorLifecycle.Failure {
    /// What a status shows of an error, and whether a later try can help.
    init(_ error: any Error, context: String? = nil, masking secrets: SecretMask) {
        let isRetriable =
            switch error {
            case let error as ConnectError: error.code == .retriable
            case let error as KafkaError: error.isRetriable
            case let error as TaskError: error.isRetriable
            default: false
            }
        let text = context.map { "\($0): \(error)" } ?? "\(error)"
        self.init(trace: secrets.mask(text), isRetriable: isRetriable)
    }
}

/// An error of the runtime itself while it runs a task.
struct TaskError: Error, CustomStringConvertible {
    var description: String
    var isRetriable: Bool

    init(_ description: String, isRetriable: Bool = false) {
        self.description = description
        self.isRetriable = isRetriable
    }
}

/// Blots out a configuration's secrets in texts that people see.
struct SecretMask: Sendable {
    private let masking: ConfigMasking
    private let config: ConnectorProperties
    private let transformed: ConfigTransformer.Transformed?

    /// Knows no secrets, but finds passwords in URLs.
    static let none = SecretMask([:], passwordNames: [])

    /// - Parameter passwordNames: the options that the plugin declares as passwords.
    init(_ config: ConnectorProperties, passwordNames: [String]) {
        masking = ConfigMasking(passwordNames: passwordNames)
        self.config = config
        transformed = nil
    }

    /// Knows what config providers have supplied as well; in texts their references stand for it.
    init(_ transformed: ConfigTransformer.Transformed, passwordNames: [String]) {
        masking = ConfigMasking(passwordNames: passwordNames)
        config = transformed.config
        self.transformed = transformed
    }

    func mask(_ text: String) -> String {
        masking.masked(text: transformed?.hidingValues(text) ?? text, secretsOf: config)
    }
}

/// The tries that `errors.retry.timeout` and `errors.retry.delay.max.ms` allow one operation on one record (KIP-298):
/// after 300 ms, doubled each time up to the limit.
struct ErrorRetries {
    private let timeout: Int64
    private let maximumDelay: Int64
    private var attempt: Int64 = 0
    private var firstFailure: ContinuousClock.Instant?

    init(_ config: ConnectorProperties) {
        timeout = config["errors.retry.timeout"].flatMap { Int64($0.trimmed) } ?? 0
        maximumDelay = max(1, config["errors.retry.delay.max.ms"].flatMap { Int64($0.trimmed) } ?? 60_000)
    }

    /// How long to wait before the next try; nil if there is none.
    mutating func nextDelay(now: ContinuousClock.Instant = .now) -> Duration? {
        guard timeout != 0 else { return nil }
        let first = firstFailure ?? now
        firstFailure = first
        guard timeout < 0 || now - first < .milliseconds(timeout) else { return nil }
        defer { attempt += 1 }
        return .milliseconds(min(maximumDelay, 300 << min(attempt, 20)))
    }
}

/// Waits between tries of something that fails: 100 ms, doubled each time, at most 2 s; over after 10 s in all. Then
/// the task's state becomes FAILED, for people to see, and the supervisor goes on trying.
struct RetrySchedule {
    private var attempt = 0
    private var firstFailure: ContinuousClock.Instant?

    mutating func reset() { self = RetrySchedule() }

    /// How long to wait; nil if it has gone on for too long.
    mutating func nextDelay(atLeast minimum: Duration? = nil, now: ContinuousClock.Instant = .now) -> Duration? {
        let first = firstFailure ?? now
        firstFailure = first
        guard now - first < .seconds(10) else { return nil }
        defer { attempt += 1 }
        return max(.milliseconds(min(2000, 100 << min(attempt, 10))), min(minimum ?? .zero, .seconds(10)))
    }
}
