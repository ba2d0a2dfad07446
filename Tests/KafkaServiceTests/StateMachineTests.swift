import KafkaClient
import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaService

@Suite struct CommitTrackerTests {
    @Test func `only what lies before all open offsets may be committed`() {
        var tracker = CommitTracker()
        for offset in [10, 11, 13, 20] as [Int64] { tracker.begin(offset) }
        #expect(tracker.committable == nil)
        tracker.finish(11)
        tracker.finish(20)
        #expect(tracker.committable == nil)
        tracker.finish(10)
        #expect(tracker.committable == 12)
        #expect(tracker.pending == 2)
        tracker.finish(13)
        #expect(tracker.committable == 21)
        #expect(tracker.pending == 0)
    }

    @Test func `finishing repeated and unknown offsets changes nothing`() {
        var tracker = CommitTracker()
        tracker.begin(5)
        tracker.finish(4)
        tracker.finish(6)
        #expect(tracker.committable == nil)
        tracker.finish(5)
        tracker.finish(5)
        #expect(tracker.committable == 6)
    }

    @Test func `a topic that was made anew begins anew`() {
        var tracker = CommitTracker()
        for offset in [500, 501] as [Int64] { tracker.begin(offset) }
        tracker.finish(500)
        tracker.didCommit(501)
        for offset in [0, 1] as [Int64] { tracker.begin(offset) }
        tracker.finish(501)
        #expect(tracker.committable == nil)
        tracker.finish(0)
        #expect(tracker.committable == 1)
        #expect(tracker.needsCommit)
        #expect(tracker.pending == 1)
    }

    @Test func `a commit is needed until it was made`() {
        var tracker = CommitTracker()
        #expect(!tracker.needsCommit)
        tracker.begin(0)
        tracker.finish(0)
        #expect(tracker.needsCommit)
        tracker.didCommit(1)
        #expect(!tracker.needsCommit)
    }

    @Test func `any order of a thousand ends at the end`() {
        var tracker = CommitTracker()
        for offset in 0..<1_000 as Range<Int64> { tracker.begin(offset) }
        var done: Set<Int64> = []
        for offset in (0..<1_000 as Range<Int64>).shuffled() {
            tracker.finish(offset)
            done.insert(offset)
            let expected = (0...1_000 as ClosedRange<Int64>).first { !done.contains($0) } ?? 0
            #expect(tracker.committable ?? 0 == expected)
        }
    }
}

@Suite struct KeyedDispatcherTests {
    /// Expectations take no mutating calls.
    private final class Dispatcher {
        var base = KeyedDispatcher<String>()

        func next() -> String? { base.next()?.work }
    }

    @Test func `a lane has one piece under way, and keeps its order`() {
        let dispatcher = Dispatcher()
        for work in ["a1", "a2", "b1", "a3", "b2"] { dispatcher.base.enqueue(work, lane: work.hasPrefix("a") ? 1 : 2) }
        #expect(dispatcher.next() == "a1")
        #expect(dispatcher.next() == "b1")
        #expect(dispatcher.next() == nil)
        #expect(dispatcher.base.running == 2)
        dispatcher.base.finish(lane: 1)
        #expect(dispatcher.next() == "a2")
        dispatcher.base.finish(lane: 2)
        dispatcher.base.finish(lane: 1)
        #expect(dispatcher.next() == "b2")
        #expect(dispatcher.next() == "a3")
        #expect(dispatcher.base.queued == 0)
    }

    @Test func `what is dropped is not handed out, and the lane goes on`() {
        let dispatcher = Dispatcher()
        for work in ["a1", "a2", "b1"] { dispatcher.base.enqueue(work, lane: work.hasPrefix("a") ? 1 : 2) }
        #expect(dispatcher.next() == "a1")
        dispatcher.base.drop { $0.hasPrefix("a") || $0 == "b1" }
        #expect(dispatcher.base.queued == 0)
        #expect(dispatcher.next() == nil)
        #expect(!dispatcher.base.hasReady)
        dispatcher.base.enqueue("a3", lane: 1)
        #expect(dispatcher.next() == nil)
        dispatcher.base.finish(lane: 1)
        #expect(dispatcher.next() == "a3")
        dispatcher.base.enqueue("b2", lane: 2)
        #expect(dispatcher.next() == "b2")
    }
}

@Suite struct RetryPolicyTests {
    @Test func `pauses grow to a limit`() {
        let backoff = RetryPolicy.Backoff(
            initial: .milliseconds(100), multiplier: 3, maximum: .seconds(1), jitter: 0.5)
        #expect(
            (1...4).map { backoff.delay(after: $0, chance: 0) }
                == [.milliseconds(100), .milliseconds(300), .milliseconds(900), .seconds(1)])
        #expect(backoff.delay(after: 1, chance: 1) == .milliseconds(50))
        #expect(backoff.delay(after: .max, chance: 0) == .seconds(1))
    }

    @Test func `in place, then through the retry topics, then to the dead letters`() {
        var policy = RetryPolicy(attempts: 2, retryTopics: [.seconds(1), .seconds(5)])
        policy.backoff.jitter = 0
        let error = Refused(description: "no")
        #expect(policy.decide(error, attempt: 1, stage: 0) == .again(after: .milliseconds(200)))
        #expect(policy.decide(error, attempt: 2, stage: 0) == .retryTopic(1))
        #expect(policy.decide(error, attempt: 1, stage: 1) == .retryTopic(2))
        #expect(policy.decide(error, attempt: 1, stage: 2) == .deadLetter)
        #expect(policy.decide(Hopeless(), attempt: 1, stage: 0) == .deadLetter)
        #expect(policy.except([Refused.self]).decide(error, attempt: 1, stage: 0) == .deadLetter)
    }

    @Test func `impossible settings are named`() {
        #expect(throws: KafkaServiceError.self) { try RetryPolicy(attempts: 0).validate() }
        #expect(throws: KafkaServiceError.self) { try RetryPolicy(attempts: 1, retryTopics: [.zero]).validate() }
        #expect(throws: KafkaServiceError.self) { try ListenerConfiguration(concurrency: 0).validate() }
    }
}

@Suite struct FormatTests {
    /// The example of the W3C recommendation "Trace Context", section 3.2.
    @Test func `traceparent is read and written as W3C says`() throws {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let context = try #require(TraceContext(text))
        #expect(context.traceparent == text)
        #expect(context.child().traceID == context.traceID)
        #expect(context.child().spanID != context.spanID)
        for wrong in [
            "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] { #expect(TraceContext(wrong) == nil, "\(wrong)") }
        #expect(TraceContext("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more") != nil)
        #expect(TraceContext(TraceContext().traceparent) != nil)
    }

    /// Java's `BigInteger.toByteArray`, which spring-kafka writes, has no fixed length.
    @Test func `numbers in headers are big-endian of any length`() {
        func read(_ bytes: [UInt8]) -> Int64? {
            RetryHeaders.integer([RecordHeader(key: "n", value: ByteBuffer(bytes: bytes))], "n")
        }
        #expect(read([0, 0, 0, 3]) == 3)
        #expect(read([0x01, 0x8F, 0x2A]) == 0x18F2A)
        #expect(read([0xFF]) == -1)
        #expect(read([]) == nil)
        #expect(read([UInt8](repeating: 1, count: 9)) == nil)
    }

    @Test func `headers come through the outbox, and damaged ones are an error`() throws {
        let headers = [
            RecordHeader(key: "a", value: ByteBuffer(string: "1")), RecordHeader(key: "ü", value: nil),
            RecordHeader(key: "a", value: ByteBuffer()),
        ]
        let bytes = HeaderBytes.encode(headers)
        #expect(try HeaderBytes.decode(bytes) == headers)
        #expect(throws: KafkaServiceError.self) { try HeaderBytes.decode(Array(bytes.dropLast(3))) }
        #expect(throws: KafkaServiceError.self) { try HeaderBytes.decode([0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]) }
    }

    /// The tutorial's envelope, byte for byte (part B, step 8, with the order's columns).
    @Test func `the Connect envelope is the tutorial's`() throws {
        struct User: Codable, Sendable, Equatable {
            var id: Int
        }
        let serde = ConnectEnvelopeSerde(
            User.self, name: "users", fields: [.init("id", .int32), .timestamp("created_at", optional: true)])
        let text = String(buffer: try serde.encode(User(id: 2)))
        #expect(
            text == #"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},"#
                + #"{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"#
                + #""field":"created_at"}],"optional":false,"name":"users"},"payload":{"id":2}}"#)
        #expect(try serde.decode(ByteBuffer(string: text)) == User(id: 2))
    }

    @Test func `errors of JSON name the field and not the value`() throws {
        let serde = JSONSerde(Order.self)
        let error = #expect(throws: KafkaServiceError.self) {
            try serde.decode(ByteBuffer(string: #"{"id":"secret","product":"p","qty":1}"#))
        }
        #expect(error?.message.contains("field id") == true)
        #expect(error?.message.contains("secret") == false)
        let missing = #expect(throws: KafkaServiceError.self) { try serde.decode(ByteBuffer(string: #"{"id":1}"#)) }
        #expect(missing?.message.contains("product is missing") == true)
        #expect(throws: KafkaServiceError.self) { try serde.decode(ByteBuffer(string: "{")) }
        #expect(throws: KafkaServiceError.self) { try StringSerde().decode(ByteBuffer(bytes: [0xFF])) }
    }

    @Test func `names of topics follow Kafka's rule, and a near one is found`() throws {
        try TopicCheck.validate("example-catalog-topic")
        for wrong in ["", ".", "..", "a b", "ä", String(repeating: "x", count: 250)] {
            #expect(throws: KafkaServiceError.self) { try TopicCheck.validate(wrong) }
        }
        let names = ["__consumer_offsets", "example-catalog-topic", "users"]
        #expect(TopicCheck.nearest(to: "example-category-topic", among: names) == "example-catalog-topic")
        #expect(TopicCheck.nearest(to: "payments", among: names) == nil)
        #expect(TopicCheck.distance("kitten", "sitting") == 3)
    }
}
