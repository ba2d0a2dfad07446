import KafkaProtocol
import NIOCore
import Tracing

/// Spans and contexts of messages, for the tracer that the program has bootstrapped (swift-distributed-tracing). Names and
/// attributes are OpenTelemetry's for messaging systems. The context travels in the record's headers, in the tracer's
/// format, which is mostly W3C's; without a tracer a ``TraceContext`` goes along.
enum MessageTracing {
    /// The headers that carry this task's context, for a message that has these already.
    static func headers(besides given: [RecordHeader]) -> [RecordHeader] {
        guard !given.contains(where: { $0.key == TraceContext.headerName }) else { return [] }
        var headers: [RecordHeader] = []
        if let context = ServiceContext.current {
            InstrumentationSystem.instrument.inject(context, into: &headers, using: RecordHeaderInjector())
            let own = Set(given.map(\.key))
            headers.removeAll { own.contains($0.key) }
        }
        if let trace = TraceContext.current, !headers.contains(where: { $0.key == TraceContext.headerName }) {
            headers.append(
                RecordHeader(key: TraceContext.headerName, value: ByteBuffer(string: trace.child().traceparent)))
        }
        return headers
    }

    /// A span around the sending of messages.
    static func sending<Result>(to topic: String, count: Int = 1, _ body: () async throws -> Result) async rethrows
        -> Result
    {
        guard isOn else { return try await body() }
        return try await withSpan("send \(topic)", ofKind: .producer) { span in
            describe(span, topic, operation: "send", count: count)
            return try await body()
        }
    }

    /// A span around the handling of messages. One message's follows that of its sender; a batch has many senders, so
    /// theirs are linked.
    static func processing(
        _ headers: [[RecordHeader]], of topic: String, group: String, isBatch: Bool, _ body: () async throws -> Void
    ) async throws {
        guard isOn else { return try await body() }
        let contexts = headers.map { headers in
            var context = ServiceContext.topLevel
            InstrumentationSystem.instrument.extract(headers, into: &context, using: RecordHeaderExtractor())
            return context
        }
        let parent = isBatch ? nil : contexts.first
        try await withSpan("process \(topic)", context: parent ?? .topLevel, ofKind: .consumer) { span in
            describe(span, topic, operation: "process", count: headers.count)
            span.attributes["messaging.consumer.group.name"] = group
            if isBatch {
                for context in contexts { span.addLink(SpanLink(context: context, attributes: [:])) }
            }
            try await body()
        }
    }

    private static var isOn: Bool { !(InstrumentationSystem.tracer is NoOpTracer) }

    private static func describe(_ span: any Span, _ topic: String, operation: String, count: Int) {
        span.attributes["messaging.system"] = "kafka"
        span.attributes["messaging.destination.name"] = topic
        span.attributes["messaging.operation.type"] = operation
        if count != 1 { span.attributes["messaging.batch.message_count"] = count }
    }
}

/// Writes a context into a record's headers.
private struct RecordHeaderInjector: Injector {
    func inject(_ value: String, forKey key: String, into headers: inout [RecordHeader]) {
        headers.removeAll { $0.key == key }
        headers.append(RecordHeader(key: key, value: ByteBuffer(string: value)))
    }
}

/// Reads a context from a record's headers.
private struct RecordHeaderExtractor: Extractor {
    func extract(key: String, from headers: [RecordHeader]) -> String? {
        headers.last { $0.key == key }?.value.map { String(buffer: $0) }
    }
}
