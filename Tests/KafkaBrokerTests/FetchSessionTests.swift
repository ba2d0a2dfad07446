import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Incremental fetch sessions, as KIP-227 specifies them.
@Suite("Fetch sessions")
struct FetchSessionTests {
    private static func request(
        _ topic: String, _ offsets: [Int32: Int64], session: Int32 = 0, epoch: Int32 = 0, maxBytes: Int32 = 1 << 20
    ) -> FetchRequest {
        var request = RawConnection.fetchRequest(topic, offset: 0)
        request.sessionId = session
        request.sessionEpoch = epoch
        request.maxBytes = maxBytes
        request.topics[0].partitions = offsets.sorted { $0.key < $1.key }.map { index, offset in
            var partition = FetchRequest.FetchTopic.FetchPartition()
            partition.partition = index
            partition.fetchOffset = offset
            partition.partitionMaxBytes = maxBytes
            return partition
        }
        if offsets.isEmpty { request.topics = [] }
        return request
    }

    private static func partitions(_ response: FetchResponse) -> [Int32] {
        response.responses.flatMap(\.partitions).map(\.partitionIndex)
    }

    @Test("After the first answer only partitions with news are answered, until the session is closed")
    func news() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t", partitions: 3)
        let first = try connection.call(Self.request("t", [0: 0, 1: 0, 2: 0]), version: 12)
        let id = first.sessionId
        #expect(first.errorCode == .none && id > 0 && Self.partitions(first) == [0, 1, 2])

        let quiet = try connection.call(Self.request("t", [:], session: id, epoch: 1), version: 12)
        #expect(quiet.errorCode == .none && quiet.sessionId == id && quiet.responses.isEmpty)

        try connection.produce("t", RawConnection.batch(["a"]), partition: 1)
        let some = try connection.call(Self.request("t", [:], session: id, epoch: 2), version: 12)
        #expect(Self.partitions(some) == [1])
        #expect(try RawConnection.values(some.responses.first?.partitions.first?.records) == ["a"])

        // The position moves on, one partition is forgotten, a new error is told each time.
        try connection.produce("t", RawConnection.batch(["b"]), partition: 2)
        var moved = Self.request("t", [1: 1, 7: 0], session: id, epoch: 3)
        var forgotten = FetchRequest.ForgottenTopic()
        forgotten.topic = "t"
        forgotten.partitions = [2]
        moved.forgottenTopicsData = [forgotten]
        let error = try #require(try connection.call(moved, version: 12).responses.first?.partitions)
        #expect(error.map(\.partitionIndex) == [7] && error.map(\.errorCode) == [.unknownTopicOrPartition])

        let stale = try connection.call(Self.request("t", [:], session: id, epoch: 3), version: 12)
        #expect(stale.errorCode == .invalidFetchSessionEpoch)
        let unknown = try connection.call(Self.request("t", [:], session: id ^ 1, epoch: 1), version: 12)
        #expect(unknown.errorCode == .fetchSessionIdNotFound)
        var byID = Self.request("t", [0: 0], session: id, epoch: 4)
        byID.topics[0].topicId = KafkaUUID(high: 1, low: 2)
        #expect(try connection.call(byID, version: 13).errorCode == .fetchSessionTopicIdError)

        let last = try connection.call(Self.request("t", [0: 0], session: id, epoch: -1), version: 12)
        #expect(last.sessionId == 0 && Self.partitions(last) == [0])
        let gone = try connection.call(Self.request("t", [:], session: id, epoch: 4), version: 12)
        #expect(gone.errorCode == .fetchSessionIdNotFound)
        await broker.stop()
    }

    @Test("A session waits for records like any fetch, and no partition starves behind a busy one")
    func waitingAndFairness() async throws {
        let broker = try await TestBroker.start()
        let (reader, writer) = (try RawConnection(port: broker.port), try RawConnection(port: broker.port))
        try writer.createTopic("t", partitions: 2)
        let id = try reader.call(Self.request("t", [0: 0, 1: 0], maxBytes: 1), version: 12).sessionId
        var waiting = Self.request("t", [:], session: id, epoch: 1, maxBytes: 1)
        waiting.maxWaitMs = 30_000
        let correlation = try reader.send(waiting, version: 12)
        try writer.produce("t", RawConnection.batch(["a"]), partition: 0)
        let woken = try reader.receive(FetchRequest.self, correlation: correlation, version: 12)
        #expect(Self.partitions(woken) == [0])
        // Both have records, one byte has room for one batch: they take turns.
        try writer.produce("t", RawConnection.batch(["b"]), partition: 1)
        var turns: [[Int32]] = []
        for epoch in Int32(2)...5 {
            let answer = try reader.call(Self.request("t", [:], session: id, epoch: epoch, maxBytes: 1), version: 12)
            turns.append(
                answer.responses.flatMap(\.partitions).filter { $0.records?.readableBytes ?? 0 > 0 }
                    .map(\.partitionIndex))
        }
        #expect(turns == [[1], [0], [1], [0]])
        await broker.stop()
    }

    @Test("Sessions are bounded; a client that gets none is served all the same")
    func bounds() async throws {
        let broker = try await TestBroker.start(
            properties: ["max.incremental.fetch.session.cache.slots": "1"])
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        #expect(try connection.call(Self.request("t", [0: 0]), version: 12).sessionId > 0)
        let second = try connection.call(Self.request("t", [0: 0]), version: 12)
        #expect(second.sessionId == 0 && Self.partitions(second) == [0])
        await broker.stop()

        // A session that nobody has used for two minutes makes room.
        let sessions = FetchSessions(slots: 1)
        let answer = [FetchResponse.FetchableTopicResponse.PartitionData()]
        func open(now: Int64) throws -> Int32 {
            let scope = try sessions.begin(Self.request("t", [0: 0]), version: 12, now: now)
            return try sessions.finish(scope, found: answer, now: now) { _ in false }.session
        }
        #expect(try open(now: 0) > 0)
        #expect(try open(now: 120_000) == 0)
        #expect(try open(now: 120_001) > 0)
        #expect(sessions.count == (1, 1))
    }
}
