import CoreMetrics

/// A listener's figures, for whichever swift-metrics back end the service has.
struct ListenerMetrics: Sendable {
    private let processing: Timer
    private let retries: Counter
    private let deadLetters: Counter
    private let lagGauge: Gauge

    init(topic: String, group: String) {
        let dimensions = [("topic", topic), ("group", group)]
        processing = Timer(label: "kafka_listener_processing", dimensions: dimensions)
        retries = Counter(label: "kafka_listener_retries", dimensions: dimensions)
        deadLetters = Counter(label: "kafka_listener_dead_letters", dimensions: dimensions)
        lagGauge = Gauge(label: "kafka_listener_lag", dimensions: dimensions)
    }

    /// One call of the handler took so long.
    func processed(_ time: Duration) {
        let (seconds, attoseconds) = time.components
        processing.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    func retried() { retries.increment() }

    func deadLettered() { deadLetters.increment() }

    func lag(_ records: Int64) { lagGauge.record(records) }
}
