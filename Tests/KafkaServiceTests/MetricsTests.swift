import CoreMetrics
import KafkaClient
import KafkaService
import NIOConcurrencyHelpers
import Testing

/// A back end of swift-metrics that keeps what it is told. There is one per process, as programs have it.
final class RecordedMetrics: MetricsFactory {
    static let shared: RecordedMetrics = {
        let metrics = RecordedMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    private let values = NIOLockedValueBox<[String: [Int64]]>([:])

    /// What one metric was told, in order: increments, nanoseconds, values of a gauge.
    func values(_ label: String, _ dimensions: [(String, String)]) -> [Int64] {
        values.withLockedValue { $0[Self.key(label, dimensions)] ?? [] }
    }

    private static func key(_ label: String, _ dimensions: [(String, String)]) -> String {
        label + dimensions.map { " \($0.0)=\($0.1)" }.sorted().joined()
    }

    private func handler(_ label: String, _ dimensions: [(String, String)]) -> Handler {
        Handler { [values, key = Self.key(label, dimensions)] value in
            values.withLockedValue { $0[key, default: []].append(value) }
        }
    }

    private final class Handler: CounterHandler, RecorderHandler, TimerHandler {
        let add: @Sendable (Int64) -> Void

        init(_ add: @escaping @Sendable (Int64) -> Void) { self.add = add }

        func increment(by amount: Int64) { add(amount) }
        func reset() {}
        func record(_ value: Int64) { add(value) }
        func record(_ value: Double) { add(Int64(value)) }
        func recordNanoseconds(_ duration: Int64) { add(duration) }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { handler(label, dimensions) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        handler(label, dimensions)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { handler(label, dimensions) }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

@Suite(.timeLimit(.minutes(1))) struct MetricsTests {
    @Test func `a back end is told of calls, retries, dead letters and lag`() async throws {
        let metrics = RecordedMetrics.shared
        try await Fixture.with { fixture in
            let topic = fixture.topic("measured")
            try await fixture.publish((0..<5).map { Order(id: $0, product: "p") }, to: topic)
            var settings = ListenerConfiguration()
            settings.retry = RetryPolicy(attempts: 2, backoff: RetryPolicy.Backoff(initial: .milliseconds(1)))
            let log = Log<Int>()
            let listener = fixture.application.listener(topic, group: "metrics", configuration: settings) { message in
                log.append(message.value.id)
                if message.value.id == 1, message.attempt == 1 { throw Refused(description: "once") }
                if message.value.id == 3 { throw Hopeless() }
            }
            let dimensions = [("topic", "measured"), ("group", "metrics")]
            func told(_ label: String) -> [Int64] { metrics.values(label, dimensions) }
            try await fixture.run([listener]) {
                try await eventually("six calls and no lag") {
                    told("kafka_listener_processing").count == 6 && told("kafka_listener_lag").last == 0
                }
            }
            #expect(log.all == [0, 1, 1, 2, 3, 4])
            #expect(told("kafka_listener_processing").allSatisfy { $0 > 0 })
            #expect(told("kafka_listener_retries") == [1])
            #expect(told("kafka_listener_dead_letters") == [1])
            let client = [("client_id", fixture.application.client.clientID)]
            #expect(metrics.values("kafka_producer_records", client).reduce(0, +) >= 5)
        }
    }
}
