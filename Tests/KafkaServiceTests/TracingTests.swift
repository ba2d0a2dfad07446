import InMemoryTracing
import KafkaClient
import KafkaProtocol
import KafkaService
import KafkaTesting
import NIOCore
import Testing
import Tracing

/// The program's tracer sees what is sent and what is handled.
@Suite(.timeLimit(.minutes(1)), .serialized)
struct TracingTests {
    /// A program has one; only one may ever be set.
    private static let tracer: InMemoryTracer = {
        let tracer = InMemoryTracer()
        InstrumentationSystem.bootstrap(tracer)
        return tracer
    }()

    /// Spans of other tests of this process may be among them.
    private func spans(_ name: String) -> [FinishedInMemorySpan] {
        Self.tracer.finishedSpans.filter { $0.operationName == name }
    }

    @Test func `a message's handling belongs to the trace that sent it`() async throws {
        _ = Self.tracer
        try await Fixture.with { fixture in
            let topic = fixture.topic("traced")
            let template = fixture.application.template(topic)
            try await template.check()
            _ = try await withSpan("order traced") { _ in
                try await template.publish(Order(id: 1, product: "p"), key: "p")
            }
            let log = Log<String?>()
            let listener = fixture.application.listener(topic, group: "g") { message in
                log.append(ServiceContext.current?.inMemorySpanContext?.traceID)
                if message.attempt == 1 { throw KafkaServiceError(.configuration, "the first try") }
            }
            try await fixture.run([listener]) {
                try await eventually("two tries") { spans("process traced").count == 2 }
            }
            let order = try #require(spans("order traced").first)
            let sent = try #require(spans("send traced").first)
            let processed = spans("process traced")
            #expect(sent.kind == .producer && sent.parentSpanID == order.spanID && sent.traceID == order.traceID)
            #expect(sent.attributes.get("messaging.system") == .string("kafka"))
            #expect(sent.attributes.get("messaging.destination.name") == .string("traced"))
            for span in processed {
                #expect(span.kind == .consumer && span.parentSpanID == sent.spanID && span.traceID == order.traceID)
                #expect(span.attributes.get("messaging.consumer.group.name") == .string("g"))
            }
            #expect(processed.map(\.errors.count) == [1, 0])
            #expect(log.all == [order.traceID, order.traceID])
        }
    }

    @Test func `a batch is linked to all who sent it`() async throws {
        _ = Self.tracer
        try await Fixture.with { fixture in
            let topic = fixture.topic("batched")
            let template = fixture.application.template(topic)
            try await template.check()
            for id in 0..<3 { try await template.publish(Order(id: id, product: "p"), key: "p") }
            let log = Log<Int>()
            let listener = fixture.application.batchListener(topic, group: "g") { messages in
                for message in messages { log.append(message.value.id) }
            }
            try await fixture.run([listener]) {
                try await eventually("three links") { spans("process batched").reduce(0) { $0 + $1.links.count } == 3 }
            }
            let senders = Set(spans("send batched").map(\.spanID))
            let linked = spans("process batched").flatMap(\.links).compactMap { $0.context.inMemorySpanContext?.spanID }
            #expect(senders.count == 3 && Set(linked) == senders)
            #expect(log.all == [0, 1, 2])
        }
    }
}
