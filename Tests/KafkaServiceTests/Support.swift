import Foundation
import KafkaClient
import KafkaProtocol
import KafkaService
import KafkaTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

/// Prints only with `SLUICE_TEST_LOG`.
let testLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = ProcessInfo.processInfo.environment["SLUICE_TEST_LOG"] == nil ? .critical : .debug
    return logger
}()

struct Order: Codable, Sendable, Equatable {
    var id: Int
    var product: String
    var qty = 1
}

/// What a handler throws.
struct Refused: Error, CustomStringConvertible {
    var description: String
}

/// What no repetition mends.
struct Hopeless: NonRetriableError {}

/// What happened, in order, and who waits for it.
final class Log<Event: Sendable>: Sendable {
    private let events = NIOLockedValueBox<[Event]>([])

    var all: [Event] { events.withLockedValue { $0 } }
    var count: Int { events.withLockedValue { $0.count } }

    @discardableResult
    func append(_ event: Event) -> Int {
        events.withLockedValue { events in
            events.append(event)
            return events.count
        }
    }
}

/// Waits until something is so.
func eventually(
    _ what: String, within limit: Duration = .seconds(45), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("not within \(limit): \(what)", sourceLocation: sourceLocation)
            throw Refused(description: what)
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// A broker, an application on it, and listeners that run until the test ends.
final class Fixture: Sendable {
    let broker: TestBroker
    let application: KafkaApplication

    private init(_ broker: TestBroker) throws {
        self.broker = broker
        application = try KafkaApplication(
            bootstrapServers: [broker.bootstrapServers], name: "test", logger: testLogger)
    }

    /// Runs a test with a broker of its own.
    static func with(_ body: (Fixture) async throws -> Void) async throws {
        let broker = try await TestBroker.start()
        let fixture = try Fixture(broker)
        do {
            try await body(fixture)
        } catch {
            await fixture.application.producer.close()
            await broker.stop()
            throw error
        }
        await fixture.application.producer.close()
        await broker.stop()
    }

    /// A topic that is made by whoever uses it first.
    func topic(_ name: String, partitions: Int32 = 1) -> Topic<Order> {
        Topic(name, json: Order.self, creation: .create(partitions: partitions, replicationFactor: 1))
    }

    /// Runs listeners beside the body, then shuts them down.
    func run(_ listeners: [KafkaListener<Order>], _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for listener in listeners { group.addTask { try await listener.run() } }
            do {
                try await body()
            } catch {
                group.cancelAll()
                throw error
            }
            for listener in listeners { listener.shutdown() }
            try await group.waitForAll()
        }
    }

    /// Publishes orders, the key being the product.
    func publish(_ orders: [Order], to topic: Topic<Order>) async throws {
        let template = application.template(topic)
        try await template.check()
        try await template.publish(contentsOf: orders.map { (key: $0.product, value: $0) })
    }

    /// The committed offset of a partition.
    func committed(_ group: String, _ topic: String, _ partition: Int32 = 0) async throws -> Int64? {
        let admin = try KafkaAdminClient(configuration: application.client, logger: testLogger)
        let offsets = try await admin.listConsumerGroupOffsets(group)
        await admin.close()
        return offsets[TopicPartition(topic: topic, partition: partition)]?.offset
    }

    /// All records of a topic, as soon as there are so many.
    func records(_ topic: String, _ count: Int) async throws -> [Record] {
        let consumer = try KafkaConsumer(
            configuration: ConsumerConfiguration(client: application.client), logger: testLogger)
        let partitions = try await consumer.partitions(of: topic)
        try await consumer.assign(partitions)
        try consumer.seekToBeginning(partitions)
        var records: [Record] = []
        try await eventually("\(count) records in \(topic)") {
            records += try await consumer.poll(timeout: .milliseconds(100)).flatMap(\.records)
            return records.count >= count
        }
        await consumer.close()
        return records
    }
}

extension Record {
    func header(_ name: String) -> String? {
        headers.last { $0.key == name }?.value.map { String(buffer: $0) }
    }

    var text: String? { value.map { String(buffer: $0) } }
}
