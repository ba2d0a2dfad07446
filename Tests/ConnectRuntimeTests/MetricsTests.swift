import ConnectAPI
import KafkaTesting
import Logging
import NIOCore
import NIOHTTP1
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// `GET /metrics`: Kafka Connect's names, Prometheus' format, a worker's own numbers.
@Suite(.timeLimit(.minutes(1)), .serialized)
struct MetricsTests {
    private func parsed(_ text: String) -> [String: Double] {
        Dictionary(
            text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
                line.lastIndex(of: " ").flatMap { blank in
                    Double(line[line.index(after: blank)...]).map { (String(line[..<blank]), $0) }
                }
            }, uniquingKeysWith: { first, _ in first })
    }

    @Test func aSourceAndASinkAreCounted() async throws {
        let broker = try await TestBroker.start()
        let (from, to) = (FakeSystem.named("metrics.from"), FakeSystem.named("metrics.to"))
        from.rows = 250
        to.refuse(7)
        let worker = try await startWorker(broker)
        _ = try await worker.herder.createConnector(
            name: "in",
            config: ["connector.class": RowSource.className, "system": "metrics.from", "topic": "t"],
            initialState: nil)
        _ = try await worker.herder.createConnector(
            name: "out",
            config: [
                "connector.class": RowSink.className, "system": "metrics.to", "topics": "t", "errors.tolerance": "all",
                "errors.deadletterqueue.topic.name": "dead",
            ], initialState: nil)
        try await until { to.written.count == 249 }
        let source = #"{connector="in",task="0"}"#
        let sink = #"{connector="out",task="0"}"#
        try await until {
            parsed(await worker.herder.metrics())["kafka_connect_sink_task_metrics_sink_record_send_total" + sink]
                == 250
        }
        let text = await worker.herder.metrics()
        let values = parsed(text)
        func value(_ name: String, _ labels: String = "") -> Double? { values["kafka_connect_" + name + labels] }
        #expect(value("source_task_metrics_source_record_poll_total", source) == 250)
        #expect(value("source_task_metrics_source_record_write_total", source) == 250)
        #expect(value("source_task_metrics_source_record_active_count", source) == 0)
        #expect(value("sink_task_metrics_sink_record_read_total", sink) == 250)
        #expect(value("sink_task_metrics_sink_record_lag_max", sink) == 0)
        #expect(value("sink_task_metrics_partition_count", sink) == 1)
        #expect(value("task_error_metrics_total_records_skipped", sink) == 1)
        #expect(value("task_error_metrics_deadletterqueue_produce_requests", sink) == 1)
        #expect(value("connector_task_metrics_restart_total", sink) == 0)
        #expect(value("connect_worker_metrics_task_count") == 2)
        #expect(value("connect_worker_rebalance_metrics_leader") == 1)
        #expect(value("connector_task_metrics_status", #"{connector="in",task="0",status="running"}"#) == 1)
        // Each name has one type, before its values.
        let types = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
        #expect(Set(types).count == types.count)
        await worker.shutdown()
        await broker.stop()
    }

    @Test func whatIsAskedForAndHowItIsWritten() async throws {
        var text = PrometheusText()
        text.add("g-x", "a-b", .counter, 2.0, labels: [("name", "a\"b\\c\nd")])
        text.add("g-x", "a-b", .counter, 2.5)
        #expect(
            text.text == """
                # TYPE kafka_connect_g_x_a_b counter
                kafka_connect_g_x_a_b{name="a\\"b\\\\c\\nd"} 2
                kafka_connect_g_x_a_b 2.5

                """)
        let service = RESTService(
            herder: FakeHerder(), baseURL: "http://w:1", logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
        let answer = await service.respond(
            to: try RESTRequest(
                method: .GET, target: "/metrics",
                headers: ["Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"],
                body: ByteBuffer()))
        #expect(answer.status == .ok)
        #expect(answer.headers.first(name: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
    }
}
