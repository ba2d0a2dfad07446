import KafkaBroker
import KafkaClient
import KafkaProtocol
import KafkaTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import KafkaService

@Suite(.serialized, .timeLimit(.minutes(2))) struct ListenerTests {
    @Test func `order is kept per key while eight handlers run, and no more than eight`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders", partitions: 3)
            let orders = (0..<600).map { Order(id: $0, product: "p\($0 % 20)") }
            try await fixture.publish(orders, to: topic)
            let log = Log<Order>()
            let running = NIOLockedValueBox<(now: Int, most: Int)>((0, 0))
            let listener = fixture.application.listener(
                topic, group: "g", configuration: ListenerConfiguration(concurrency: 8)
            ) { message in
                running.withLockedValue { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                // Later orders of a key are quicker: only the lanes can keep them in order.
                try await Task.sleep(for: .microseconds(Int.random(in: 0...2_000)))
                log.append(message.value)
                running.withLockedValue { $0.now -= 1 }
            }
            try await fixture.run([listener]) {
                try await eventually("600 orders") { log.count == 600 }
            }
            for key in Set(orders.map(\.product)) {
                let expected = orders.filter { $0.product == key }.map(\.id)
                #expect(log.all.filter { $0.product == key }.map(\.id) == expected)
            }
            #expect(running.withLockedValue { $0.most } <= 8)
            #expect(running.withLockedValue { $0.most } > 1)
            var sum: Int64 = 0
            for partition in 0..<3 as Range<Int32> {
                sum += try await fixture.committed("g", "orders", partition) ?? 0
            }
            #expect(sum == 600)
            #expect(listener.health.state == .stopped)
        }
    }

    @Test func `a slow message holds the commit back, not the others`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<20).map { Order(id: $0, product: "p\($0)") }, to: topic)
            let log = Log<Int>()
            let gate = NIOLockedValueBox(false)
            var settings = ListenerConfiguration(concurrency: 4)
            settings.commitInterval = .milliseconds(20)
            let listener = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                while message.value.id == 5, !gate.withLockedValue({ $0 }) {
                    try await Task.sleep(for: .milliseconds(5))
                }
                log.append(message.value.id)
            }
            try await fixture.run([listener]) {
                try await eventually("all but one") { log.count == 19 }
                try await eventually("offset 5") { try await fixture.committed("g", "orders") == 5 }
                #expect(listener.health.totalLag == 15)
                gate.withLockedValue { $0 = true }
                try await eventually("offset 20") { try await fixture.committed("g", "orders") == 20 }
            }
        }
    }

    @Test func `manual acknowledgement commits what was acknowledged, and a redelivery brings the rest`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<5).map { Order(id: $0, product: "p") }, to: topic)
            var settings = ListenerConfiguration()
            settings.acknowledgement = .manual
            let seen = Log<Int>()
            let first = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                if message.value.id < 3 { message.acknowledge() }
                seen.append(message.value.id)
            }
            try await fixture.run([first]) { try await eventually("five") { seen.count == 5 } }
            #expect(try await fixture.committed("g", "orders") == 3)
            let again = Log<Int>()
            let second = fixture.application.listener(topic, group: "g", configuration: settings) { message in
                message.acknowledge()
                again.append(message.value.id)
            }
            try await fixture.run([second]) { try await eventually("two") { again.count == 2 } }
            #expect(again.all == [3, 4])
        }
    }

    @Test func `pausing stops reading and keeps the partitions`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            let log = Log<Int>()
            let listener = fixture.application.listener(topic, group: "g") { log.append($0.value.id) }
            try await fixture.run([listener]) {
                try await fixture.publish([Order(id: 0, product: "p")], to: topic)
                try await eventually("the first") { log.count == 1 }
                listener.pause()
                #expect(listener.health.state == .paused)
                // The poll that is under way may still bring what comes before it ends.
                try await Task.sleep(for: .milliseconds(600))
                try await fixture.publish([Order(id: 1, product: "p")], to: topic)
                try await Task.sleep(for: .milliseconds(600))
                #expect(log.count == 1)
                #expect(listener.assignment.count == 1)
                listener.resume()
                try await eventually("the second") { log.count == 2 }
            }
        }
    }

    @Test func `a shutdown waits for the handler and commits its message`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            try await fixture.publish((0..<10).map { Order(id: $0, product: "p") }, to: topic)
            let started = Log<Int>()
            let finished = Log<Int>()
            let listener = fixture.application.listener(topic, group: "g") { message in
                started.append(message.value.id)
                try await Task.sleep(for: .milliseconds(300))
                finished.append(message.value.id)
            }
            try await fixture.run([listener]) { try await eventually("a start") { started.count == 1 } }
            #expect(finished.all == [0])
            #expect(try await fixture.committed("g", "orders") == 1)
        }
    }

    @Test func `a topic that is missing is named at the start, with the one that was meant`() async throws {
        try await Fixture.with { fixture in
            try await fixture.application.template(fixture.topic("example-catalog-topic")).check()
            let wrong = Topic("example-category-topic", json: Order.self)
            let listener = fixture.application.listener(wrong, group: "g") { _ in }
            let error = await #expect(throws: KafkaServiceError.self) { try await listener.run() }
            #expect(error?.message.contains("did you mean 'example-catalog-topic'?") == true)
            #expect(listener.health.state == .failed)
            await #expect(throws: KafkaServiceError.self) { try await fixture.application.template(wrong).check() }
            let template = fixture.application.template(fixture.topic("example-catalog-topic"))
            let keyless = await #expect(throws: KafkaServiceError.self) {
                try await template.publish(Order(id: 1, product: "p"), key: nil)
            }
            #expect(keyless?.code == .key)
        }
    }

    @Test func `the trace goes along, and what is not awaited arrives in order`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders")
            let template = fixture.application.template(topic)
            try await template.check()
            let sending = Task { try await fixture.application.run() }
            let trace = TraceContext()
            try TraceContext.$current.withValue(trace) {
                for id in 0..<100 { try template.enqueue(Order(id: id, product: "p"), key: "p") }
            }
            let log = Log<(id: Int, trace: TraceContext?)>()
            let listener = fixture.application.listener(topic, group: "g") { message in
                log.append((message.value.id, TraceContext.current))
            }
            try await fixture.run([listener]) { try await eventually("100") { log.count == 100 } }
            #expect(log.all.map(\.id) == Array(0..<100))
            #expect(log.all.allSatisfy { $0.trace?.traceID == trace.traceID && $0.trace?.spanID != trace.spanID })
            fixture.application.shutdown()
            try await sending.value
            let refused = Log<String>()
            try template.enqueue(Order(id: 1, product: "p"), key: "p") { refused.append("\($0)") }
            #expect(refused.all == ["the message is not sent: the application has shut down"])
        }
    }

    @Test func `a rebalance in the middle of a slow handler waits for it`() async throws {
        try await Fixture.with { fixture in
            let topic = fixture.topic("orders", partitions: 4)
            try await fixture.publish((0..<40).map { Order(id: $0, product: "p\($0)") }, to: topic)
            let log = Log<(listener: Int, id: Int)>()
            let started = Log<Int>()
            func listener(_ number: Int) -> KafkaListener<Order> {
                var settings = ListenerConfiguration(concurrency: 2)
                settings.ordering = .partition
                settings.consumer = { $0.heartbeatInterval = .milliseconds(100) }
                return fixture.application.listener(topic, group: "g", configuration: settings) { message in
                    started.append(number)
                    try await Task.sleep(for: .milliseconds(100))
                    log.append((number, message.value.id))
                }
            }
            let (first, second) = (listener(1), listener(2))
            try await fixture.run([first]) {
                try await eventually("a start") { started.count >= 2 }
                try await fixture.run([second]) {
                    try await eventually("all") { Set(log.all.map(\.id)).count == 40 }
                    try await eventually("half of the partitions") { second.assignment.count == 2 }
                }
            }
            #expect(Set(log.all.map(\.listener)) == [1, 2])
            #expect(log.count == 40, "handled twice: \(log.count - 40)")
        }
    }

    @Test func `a broker that restarts is no more than a pause`() async throws {
        let broker = try await TestBroker.start()
        let application = try KafkaApplication(
            bootstrapServers: [broker.bootstrapServers], name: "test", logger: testLogger)
        let topic = Topic("orders", json: Order.self, creation: .create(partitions: 2, replicationFactor: 1))
        let template = application.template(topic)
        try await template.check()
        let log = Log<Int>()
        let listener = application.listener(topic, group: "g", configuration: ListenerConfiguration(concurrency: 2)) {
            log.append($0.value.id)
        }
        let running = Task { try await listener.run() }
        for id in 0..<20 { try await template.publish(Order(id: id, product: "p"), key: "\(id)") }
        try await eventually("20") { log.count >= 20 }
        await broker.stop(keepingData: true)
        async let during: Void = {
            for id in 20..<40 { try await template.publish(Order(id: id, product: "p"), key: "\(id)") }
        }()
        let port = broker.port
        let next = try await TestBroker.start(dataDirectory: broker.dataDirectory) { $0.port = port }
        try await during
        try await eventually("40") { Set(log.all).count == 40 }
        listener.shutdown()
        try await running.value
        await application.producer.close()
        await next.stop()
        TestBroker.removeDirectory(broker.dataDirectory)
    }
}
