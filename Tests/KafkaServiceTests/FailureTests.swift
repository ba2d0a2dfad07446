import KafkaClient
import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import KafkaService

@Suite(.serialized, .timeLimit(.minutes(2))) struct FailureTests {
    private let quick = RetryPolicy.Backoff(initial: .milliseconds(5), maximum: .milliseconds(20))

    @Test func `a handler is called again in place, and its key waits`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            let orders = [(0, "a"), (1, "b"), (2, "a")].map { Order(id: $0.0, product: $0.1) }
            try await fixture.publish(orders, to: topic)
            var settings = ListenerConfiguration(concurrency: 2)
            settings.retry = RetryPolicy(attempts: 3, backoff: quick)
            let log = Log<String>()
            let listener = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                log.append("\(message.value.product)\(message.value.id) attempt \(message.attempt)")
                if message.value.id == 0, message.attempt < 3 { throw Refused(description: "not yet") }
            }
            try await fixture.run([listener]) {
                try await eventually("5 calls") { log.count == 5 }
            }
            #expect(
                log.all.filter { $0.hasPrefix("a") } == [
                    "a0 attempt 1", "a0 attempt 2", "a0 attempt 3", "a2 attempt 1",
                ])
            #expect(try await fixture.committed("g", "orders") == 3)
        }
    }

    @Test func `retry topics in turn, each after its delay, then the dead letters`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders", partitions: 2)
            var settings = ListenerConfiguration()
            settings.retry = RetryPolicy(
                attempts: 1, backoff: quick, retryTopics: [.milliseconds(200), .milliseconds(400)])
            let log = Log<(topic: String, attempt: Int, id: String, time: ContinuousClock.Instant)>()
            let good = Log<Int>()
            let listener = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                guard message.value.id == 0 else {
                    good.append(message.value.id)
                    return
                }
                log.append((message.topicPartition.topic, message.attempt, message.id, .now))
                throw Refused(description: "never")
            }
            try await fixture.publish((0..<5).map { Order(id: $0, product: "p") }, to: topic)
            try await fixture.run([listener]) {
                try await eventually("the others") { good.count == 4 }
                let dead = try await fixture.records("orders-g-dlt", 1)
                #expect(dead.first?.text == #"{"id":0,"product":"p","qty":1}"#)
                #expect(dead.first?.key.map { String(buffer: $0) } == "p")
                #expect(dead.first?.header("kafka_dlt-original-topic") == "orders")
                #expect(dead.first?.header("kafka_dlt-exception-message") == "never")
                #expect(dead.first?.header("kafka_dlt-original-consumer-group") == "g")
                #expect(RetryHeaders.integer(dead.first?.headers ?? [], "kafka_dlt-original-offset") == 0)
                #expect(RetryHeaders.integer(dead.first?.headers ?? [], "retry_topic-attempts") == 3)
            }
            #expect(log.all.map(\.topic) == ["orders", "orders-g-retry-1", "orders-g-retry-2"])
            #expect(log.all.map(\.attempt) == [1, 2, 3])
            #expect(Set(log.all.map(\.id)).count == 1, "an inbox must know it again: \(log.all.map(\.id))")
            let times = log.all.map(\.time)
            #expect(times[0].duration(to: times[1]) >= .milliseconds(199))
            #expect(times[1].duration(to: times[2]) >= .milliseconds(399))
        }
    }

    @Test func `poison goes to the dead letters with its bytes, and what cannot be mended goes at once`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.application.template(topic).check()
            let poison = ByteBuffer(bytes: [0x7B, 0xFF, 0x00, 0x22])
            _ = try await fixture.application.producer.send(
                ProducerRecord(topic: "orders", key: ByteBuffer(string: "k"), value: poison))
            try await fixture.publish((1...2).map { Order(id: $0, product: "p") }, to: topic)
            let log = Log<Int>()
            let listener = fixture.application.listener(topic, group: "g") { message in
                log.append(message.value.id)
                if message.value.id == 1 { throw Hopeless() }
            }
            try await fixture.run([listener]) {
                let dead = try await fixture.records("orders-g-dlt", 2)
                #expect(dead.first?.value == poison)
                #expect(dead.first?.header("kafka_dlt-exception-message")?.contains("no JSON of Order") == true)
                #expect(dead.first?.header("kafka_dlt-exception-fqcn") == "KafkaService.KafkaServiceError")
                #expect(dead.last?.header("kafka_dlt-exception-fqcn") == "KafkaServiceTests.Hopeless")
                try await eventually("both") { log.all == [1, 2] }
            }
            #expect(try await fixture.committed("g", "orders") == 3)
        }
    }

    @Test func `a batch names its failing message, and nothing unprocessed is committed`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<10).map { Order(id: $0, product: "p") }, to: topic)
            var settings = ListenerConfiguration()
            settings.retry = RetryPolicy(attempts: 2, backoff: quick, retryTopics: [.milliseconds(50)])
            let calls = Log<[Int]>()
            let handled = Log<Int>()
            let listener = fixture.application.batchListener(topic, group: "g", configuration: settings) { messages in
                calls.append(messages.map(\.value.id))
                for (index, message) in messages.enumerated() {
                    let isRetried = message.topicPartition.topic != "orders"
                    if message.value.id == 4, !isRetried { throw BatchFailure(at: index, Refused(description: "four")) }
                    if message.value.id == 7 { throw BatchFailure(at: index, Hopeless()) }
                    handled.append(message.value.id)
                }
            }
            try await fixture.run([listener]) {
                let dead = try await fixture.records("orders-g-dlt", 1)
                #expect(dead.first?.text?.contains(#""id":7"#) == true)
                try await eventually("nine") { handled.count == 9 }
            }
            #expect(handled.all.filter { $0 != 4 } == [0, 1, 2, 3, 5, 6, 8, 9])
            #expect(calls.all.prefix(4) == [Array(0..<10), Array(4..<10), Array(5..<10), [8, 9]])
            #expect(calls.all.contains([4]))
            #expect(try await fixture.committed("g", "orders") == 10)
        }
    }

    @Test func `a batch that fails without a name is narrowed down`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<4).map { Order(id: $0, product: "p") }, to: topic)
            var settings = ListenerConfiguration()
            settings.retry = RetryPolicy(attempts: 2, backoff: quick)
            let handled = Log<Int>()
            let listener = fixture.application.batchListener(topic, group: "g", configuration: settings) { messages in
                if messages.contains(where: { $0.value.id == 2 }) { throw Refused(description: "somewhere") }
                for message in messages { handled.append(message.value.id) }
            }
            try await fixture.run([listener]) {
                let dead = try await fixture.records("orders-g-dlt", 1)
                #expect(dead.first?.text?.contains(#""id":2"#) == true)
                try await eventually("three") { handled.count == 3 }
            }
            #expect(handled.all == [0, 1, 3])
            #expect(try await fixture.committed("g", "orders") == 4)
        }
    }

    @Test func `a listener that ends in the middle of its retries commits nothing of it`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<3).map { Order(id: $0, product: "p") }, to: topic)
            var settings = ListenerConfiguration()
            settings.retry = RetryPolicy(attempts: 1, backoff: quick, exhaustion: .retryForever)
            let calls = Log<Int>()
            let listener = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                calls.append(message.value.id)
                if message.value.id == 1 { throw Refused(description: "for ever") }
            }
            try await fixture.run([listener]) { try await eventually("calls") { calls.count > 5 } }
            #expect(try await fixture.committed("g", "orders") == 1)
            #expect(!calls.all.contains(2))
        }
    }
}
