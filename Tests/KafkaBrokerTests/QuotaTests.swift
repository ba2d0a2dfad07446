import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

@Suite("Quotas", .serialized)
struct QuotaTests {
    /// The example of KIP-13: the wait is (rate − limit) / limit × the time measured.
    @Test("A rate is measured over eleven samples, and the wait brings it to the limit")
    func rate() {
        var meter = RateMeter(.init())
        for second in 0..<10 { meter.record(1000, now: Int64(second) * 1000) }
        #expect(meter.rate(now: 10_000) == 1000)
        #expect(meter.throttle(limit: 1000, now: 10_000) == 0)
        meter.record(5000, now: 10_000)
        // 15,000 in 10 s.
        #expect(meter.rate(now: 10_000) == 1500)
        #expect(meter.throttle(limit: 1000, now: 10_000) == 5000)
        // After that time the oldest samples are gone.
        #expect(meter.throttle(limit: 1000, now: 15_000) == 0)
        // A burst at the beginning is spread over the ten seconds that are measured at least.
        var fresh = RateMeter(.init())
        fresh.record(20_000, now: 0)
        #expect(fresh.rate(now: 0) == 2000 && fresh.throttle(limit: 1000, now: 0) == 10_000)
    }

    @Test("Changes of topics use up permissions that come back with time")
    func bucket() {
        let windows = RateMeter.Windows()
        var bucket = TokenBucket(limit: 2, windows, now: 0)
        // 22 permissions; the last request may go below zero.
        #expect(bucket.take(30, limit: 2, windows, now: 0) == 0)
        #expect(bucket.take(1, limit: 2, windows, now: 0) == 4000)
        #expect(bucket.take(1, limit: 2, windows, now: 4000) == 0)
    }

    /// The order of KIP-55.
    @Test("The nearest limit counts, and is shared by those it is for")
    func precedence() {
        let manager = QuotaManager()
        let none: String? = nil
        func wait(_ user: String, _ client: String, _ bytes: Int) -> Int32 {
            manager.record(.produce, bytes: bytes, user: user, clientID: client, now: 0)
        }
        let key = "producer_byte_rate"
        #expect(wait("a", "x", 1 << 30) == 0)
        manager.set([key: 1000], of: ["client-id": none])
        #expect(wait("a", "x", 20_000) == 10_000)
        manager.set([key: 2000], of: ["client-id": "y"])
        #expect(wait("a", "y", 30_000) == 5_000)
        manager.set([key: 4000], of: ["user": none])
        #expect(wait("a", "y", 40_000) == 0)
        // The user's clients share it.
        #expect(wait("a", "z", 40_000) == 10_000)
        #expect(wait("b", "z", 40_000) == 0)
        manager.set([key: 1], of: ["user": "a", "client-id": "z"])
        #expect(wait("a", "z", 20) == 10_000)
        manager.set([:], of: ["user": "a", "client-id": "z"])
        #expect(wait("a", "z", 0) == 10_000)
        #expect(manager.record(.fetch, bytes: 1 << 30, user: "a", clientID: "z", now: 0) == 0)
        #expect(manager.largest(.produce, user: "b", clientID: "") == 40_000)
    }

    /// KIP-124: in hundredths of a thread; no wait is longer than a window.
    @Test("The time of requests is measured against a share of a thread")
    func requestTime() {
        let manager = QuotaManager()
        let none: String? = nil
        func wait(_ milliseconds: Int64) -> Int32 {
            manager.recordRequest(nanoseconds: milliseconds * 1_000_000, user: "a", clientID: "x", now: 0)
        }
        #expect(!manager.limitsRequests && wait(60_000) == 0)
        manager.set(["request_percentage": 50], of: ["client-id": none])
        // 50 % of the ten seconds that are measured are five.
        #expect(manager.limitsRequests && wait(5000) == 0)
        #expect(wait(100) == 200)
        #expect(wait(5000) == 1000)
        manager.set([:], of: ["client-id": none])
        #expect(!manager.limitsRequests)
    }

    @Test("Connections of an address are counted; those that are closed again are not")
    func connectionTime() {
        let manager = QuotaManager(windows: .init(count: 2, size: 1000))
        let none: String? = nil
        manager.set(["connection_creation_rate": 2], of: ["ip": none])
        manager.set(["connection_creation_rate": 1], of: ["ip": "10.0.0.1"])
        #expect([0, 0, 0].map { manager.takeConnection(from: "10.0.0.2", now: $0) } == [0, 0, 500])
        #expect([0, 0, 0].map { manager.takeConnection(from: "10.0.0.1", now: $0) } == [0, 1000, 1000])
        #expect(manager.takeConnection(from: "10.0.0.1", now: 2001) == 0)
    }

    private func set(_ limits: [String: Double], client: String, _ connection: RawConnection) throws {
        try connection.setQuotas(limits, name: client)
    }

    @Test("Who keeps the threads busy is told to wait, and not read from meanwhile")
    func requests() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        // A millionth: any request takes longer than the ten microseconds in ten seconds.
        try connection.setQuotas(["request_percentage": 0.0001])
        let start = ContinuousClock.now
        let first = try connection.call(MetadataRequest(), version: 12)
        #expect((1...1000).contains(first.throttleTimeMs), "\(first.throttleTimeMs)")
        let fetched = try connection.call(RawConnection.fetchRequest("t", offset: 0), version: 12)
        #expect((1...1000).contains(fetched.throttleTimeMs), "\(fetched.throttleTimeMs)")
        #expect(ContinuousClock.now - start >= .milliseconds(Int(first.throttleTimeMs)))
        // Others are not concerned.
        let other = try RawConnection(port: broker.port)
        let correlation = try other.send(MetadataRequest(), version: 12, client: "other")
        #expect(
            try other.receive(MetadataRequest.self, correlation: correlation, version: 12).throttleTimeMs == 0)
        await broker.stop()
    }

    @Test("A producer that sends too much is told to wait, and not read from meanwhile")
    func produce() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let batch = try RawConnection.batch([String(repeating: "x", count: 5000)])
        let request = RawConnection.produceRequest("t", batch)
        #expect(try connection.call(request, version: 12).throttleTimeMs == 0)
        try set(["producer_byte_rate": 500], client: "raw", connection)
        // 5 KB in ten seconds are within 500 a second nearly.
        let start = ContinuousClock.now
        let throttled = try connection.call(request, version: 12)
        #expect(throttled.responses.first?.partitionResponses.first?.errorCode == ErrorCode.none)
        #expect((1...1000).contains(throttled.throttleTimeMs), "\(throttled.throttleTimeMs)")
        #expect(try connection.call(MetadataRequest(), version: 12).throttleTimeMs == 0)
        #expect(ContinuousClock.now - start >= .milliseconds(Int(throttled.throttleTimeMs)))
        await broker.stop()
    }

    @Test("A consumer that has had too much gets nothing, is told to wait, and gets on then")
    func fetch() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        for _ in 0..<10 { try connection.produce("t", try RawConnection.batch([String(repeating: "x", count: 1000)])) }
        try set(["consumer_byte_rate": 500], client: "raw", connection)
        // No answer is larger than what ten seconds allow, 5 KB.
        let first = try connection.call(RawConnection.fetchRequest("t", offset: 0), version: 12)
        let bytes = first.responses.first?.partitions.first?.records?.readableBytes ?? 0
        #expect(first.throttleTimeMs == 0 && (3000...5000).contains(bytes), "\(bytes)")
        let second = try connection.call(RawConnection.fetchRequest("t", offset: 4, maxBytes: 1200), version: 12)
        #expect(second.throttleTimeMs > 0)
        #expect(second.responses.first?.partitions.first?.records?.readableBytes ?? 0 == 0)
        #expect(second.responses.first?.partitions.first?.errorCode == ErrorCode.none)
        await broker.stop()
    }

    @Test("Who creates too many partitions is refused until later")
    func mutations() async throws {
        let broker = try await TestBroker.start(properties: ["quota.window.num": "1"])
        let connection = try RawConnection(port: broker.port)
        try set(["controller_mutation_rate": 5], client: "raw", connection)
        try connection.createTopic("a", partitions: 6)
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = "b"
        (topic.numPartitions, topic.replicationFactor) = (1, 1)
        var request = CreateTopicsRequest()
        request.topics = [topic]
        let answer = try connection.call(request)
        #expect(answer.topics.first?.errorCode == .throttlingQuotaExceeded && answer.throttleTimeMs > 0)
        // The connection is read from again when the time is over: now it may be.
        let later = try connection.call(request)
        #expect(later.topics.first?.errorCode == ErrorCode.none)
        await broker.stop()
    }

    @Test("Connections from one address are bounded")
    func connectionsPerAddress() async throws {
        let broker = try await TestBroker.start(properties: [
            "max.connections.per.ip": "1", "max.connections.per.ip.overrides": "127.0.0.1:2",
        ])
        let first = try RawConnection(port: broker.port)
        let second = try RawConnection(port: broker.port)
        _ = try first.call(MetadataRequest(), version: 12)
        _ = try second.call(MetadataRequest(), version: 12)
        #expect(try RawConnection(port: broker.port).isClosedByPeer())
        _ = try first.call(MetadataRequest(), version: 12)
        await broker.stop()
    }
}
