import KafkaClient
import KafkaService
import KafkaServiceSQL
import NIOConcurrencyHelpers
import NIOCore

/// What the listener's measurement reads: about 200 bytes of JSON.
struct MeasuredOrder: Codable, Sendable {
    var id: Int64
    var productId: Int64
    var qty: Int64
    var unitPrice: Int64
    var note: String
}

/// Reads `--count` records of a topic with a listener, and prints records per second from the first to the last.
func measureListener(_ options: ProbeOptions) async throws {
    let count = options.number("count", default: 100_000)
    let application = try options.application("probe-listener")
    let topic = Topic(options.text("topic"), json: MeasuredOrder.self)
    let progress = NIOLockedValueBox<(done: Int, sum: Int64, start: ContinuousClock.Instant?)>((0, 0, nil))
    let finished = AsyncStream<Duration>.makeStream()
    var settings = ListenerConfiguration(concurrency: options.number("concurrency", default: 1))
    settings.maximumPending = 20_000
    let listener = application.listener(topic, group: options.text("group"), configuration: settings) { message in
        let time = progress.withLockedValue { progress -> Duration? in
            let start = progress.start ?? .now
            progress = (progress.done + 1, progress.sum + message.value.qty, start)
            return progress.done == count ? start.duration(to: .now) : nil
        }
        if let time { finished.continuation.yield(time) }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await listener.run() }
        for await time in finished.stream {
            print(Int(Double(count) / (time / .seconds(1))))
            break
        }
        listener.shutdown()
        try await group.waitForAll()
    }
    await application.producer.close()
}

/// Writes `--count` rows to an outbox, then prints how many a second the relay delivers.
func measureRelay(_ options: ProbeOptions) async throws {
    let count = options.number("count", default: 20_000)
    let database = try SQLServiceDatabase(url: options.text("database"))
    let outbox = Outbox(database: database)
    try await outbox.migrate()
    let application = try options.application("probe-relay")
    let topic = Topic(
        options.text("topic"), json: MeasuredOrder.self, creation: .create(partitions: 3, replicationFactor: 1))
    try await application.template(topic).check()
    let note = String(repeating: "x", count: 120)
    for start in stride(from: 0, to: count, by: 1_000) {
        try await database.withTransaction { transaction in
            for id in start..<min(start + 1_000, count) {
                let order = MeasuredOrder(id: Int64(id), productId: Int64(id % 10), qty: 1, unitPrice: 100, note: note)
                try await outbox.publish(order, key: "\(order.productId)", to: topic, in: transaction)
            }
        }
    }
    let relay = OutboxRelay(outbox, application: application)
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await relay.run() }
        while try await relay.backlog() > 0 { try await Task.sleep(for: .milliseconds(5)) }
        print(Int(Double(count) / (start.duration(to: .now) / .seconds(1))))
        relay.shutdown()
        try await group.waitForAll()
    }
    await application.producer.close()
    await database.close()
}
