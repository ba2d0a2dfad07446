import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// What bounds connections in time, number and memory.
@Suite("Limits of connections", .serialized)
struct ConnectionLimitTests {
    @Test("A connection over which nothing goes is closed; one that is owed an answer is not idle")
    func idle() async throws {
        let broker = try await TestBroker.start(properties: ["connections.max.idle.ms": "200"])
        let waiting = try RawConnection(port: broker.port)
        try waiting.createTopic("t")
        let start = ContinuousClock.now
        let fetch = RawConnection.fetchRequest("t", offset: 0, maxWait: 800)
        let correlation = try waiting.send(fetch, version: 12)
        let quiet = try RawConnection(port: broker.port)
        #expect(quiet.isClosedByPeer())
        #expect(ContinuousClock.now - start >= .milliseconds(200))
        let answer = try waiting.receive(FetchRequest.self, correlation: correlation, version: 12)
        #expect(answer.errorCode == .none && ContinuousClock.now - start >= .milliseconds(800))
        #expect(waiting.isClosedByPeer())
        await broker.stop()
    }

    @Test("While the requests of all connections hold too much, no further one is read")
    func memory() async throws {
        let request = RawConnection.produceRequest(
            "t", try RawConnection.batch([String(repeating: "x", count: 50_000)]))
        var size = 0
        var (frame, correlation) = (ByteBuffer(), Int32(0))
        let broker = try await TestBroker.start(properties: [
            "socket.request.max.bytes": "50000", "queued.max.request.bytes": "50000",
        ]) { configuration in configuration.maxRequestBytes = 60_000 }
        let large = try RawConnection(port: broker.port)
        try large.createTopic("t")
        (frame, correlation) = try large.frame(request, version: 12)
        size = frame.readableBytes
        #expect(size > 50_000)
        let part = frame.readSlice(length: size / 2)
        let first = try #require(part)
        try large.send(first)

        // The size of the large request has been read when the other one gets no answer any more.
        let other = try RawConnection(port: broker.port)
        other.setTimeout(milliseconds: 300)
        var owed: Int32?
        for _ in 0..<100 where owed == nil {
            let sent = try other.send(MetadataRequest(), version: 12)
            do {
                _ = try other.receive(MetadataRequest.self, correlation: sent, version: 12)
            } catch is RawConnection.TimedOut {
                owed = sent
            }
        }
        let held = try #require(owed, "always answered")
        try large.send(frame)
        let answer = try large.receive(ProduceRequest.self, correlation: correlation, version: 12)
        #expect(answer.responses.first?.partitionResponses.first?.errorCode == ErrorCode.none)
        other.setTimeout(milliseconds: 10_000)
        _ = try other.receive(MetadataRequest.self, correlation: held, version: 12)

        // What a connection held is free when it is gone.
        do {
            let leaving = try RawConnection(port: broker.port)
            try leaving.send(first)
        }
        _ = try other.call(MetadataRequest(), version: 12)
        await broker.stop()
        #expect(throws: BrokerError.self) {
            try BrokerConfiguration(properties: ["queued.max.request.bytes": "1000"])
        }
    }

    @Test("Connections that come faster than the broker's rate wait")
    func creationRate() async throws {
        let broker = try await TestBroker.start(properties: [
            "max.connection.creation.rate": "5", "quota.window.num": "2",
        ])
        let start = ContinuousClock.now
        for _ in 0..<11 { _ = try RawConnection(port: broker.port).call(MetadataRequest(), version: 12) }
        // Five in the first second and five in the next one, at most.
        #expect(ContinuousClock.now - start >= .milliseconds(900), "\(ContinuousClock.now - start)")
        await broker.stop()
    }

    @Test("Connections that come too fast from an address are held and closed")
    func creationRatePerAddress() async throws {
        let broker = try await TestBroker.start(properties: ["quota.window.num": "2"])
        let first = try RawConnection(port: broker.port)
        try first.setQuotas(["connection_creation_rate": 1], type: "ip", name: "127.0.0.1")
        var refused = 0
        for _ in 0..<3 {
            let connection = try RawConnection(port: broker.port)
            try connection.send(MetadataRequest(), version: 12)
            if connection.isClosedByPeer() { refused += 1 }
        }
        #expect((1...2).contains(refused))
        // Without the quota all are welcome again.
        var entity = AlterClientQuotasRequest.EntryData.EntityData()
        (entity.entityType, entity.entityName) = ("ip", "127.0.0.1")
        var op = AlterClientQuotasRequest.EntryData.OpData()
        (op.key, op.remove) = ("connection_creation_rate", true)
        var entry = AlterClientQuotasRequest.EntryData()
        (entry.entity, entry.ops) = ([entity], [op])
        var request = AlterClientQuotasRequest()
        request.entries = [entry]
        #expect(try first.call(request).entries.first?.errorCode == ErrorCode.none)
        for _ in 0..<5 { _ = try RawConnection(port: broker.port).call(MetadataRequest(), version: 12) }
        await broker.stop()
    }
}
