import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// What outlives the process.
@Suite("Restart")
struct RestartTests {
    @Test("Topics, settings, records, offsets and groups are there after a restart; producer ids do not come twice")
    func everythingStays() async throws {
        let first = try await TestBroker.start()
        var connection = try RawConnection(port: first.port)
        try connection.createTopic("kept", partitions: 3, configs: ["retention.ms": "12345678"])
        try connection.createTopic("dropped")
        try connection.produce("kept", RawConnection.batch(["a", "b"]), partition: 2)
        try connection.produce("dropped", RawConnection.batch(["x"]))
        var delete = DeleteTopicsRequest()
        delete.topicNames = ["dropped"]
        _ = try connection.call(delete, version: 5)
        try connection.commit(group: "simple", topic: "kept", partition: 2, offset: 1, metadata: "note")
        var ask = InitProducerIdRequest()
        ask.transactionalId = nil
        let earlier = try connection.call(ask, version: 5).producerId
        let cluster = first.broker.clusterID
        await first.stop(keepingData: true)

        let second = try await TestBroker.start(dataDirectory: first.dataDirectory)
        connection = try RawConnection(port: second.port)
        #expect(second.broker.clusterID == cluster)
        var metadata = MetadataRequest()
        metadata.topics = nil
        let topics = try connection.call(metadata).topics
        #expect(topics.compactMap(\.name) == ["__consumer_offsets", "kept"])
        #expect(topics.last?.partitions.count == 3)
        let offsets = try connection.committed(group: "simple")
        #expect(offsets.count == 1 && offsets.first?.committedOffset == 1 && offsets.first?.metadata == "note")
        #expect(try connection.call(ask, version: 5).producerId > earlier)
        var resource = DescribeConfigsRequest.DescribeConfigsResource()
        resource.resourceType = 2
        resource.resourceName = "kept"
        resource.configurationKeys = ["retention.ms"]
        var describe = DescribeConfigsRequest()
        describe.resources = [resource]
        #expect(try connection.call(describe).results.first?.configs.first?.value == "12345678")
        // A deleted topic's records do not come back with its name.
        try connection.createTopic("dropped")
        #expect(try connection.fetch("dropped", offset: 0).highWatermark == 0)
        await second.stop(keepingData: true)
        TestBroker.removeDirectory(first.dataDirectory)
    }

    @Test("A stable group goes on after a restart with its generation, and dies if its members do not")
    func groupStays() async throws {
        let first = try await TestBroker.start()
        // One group whose members live long, and one whose member's session ends soon.
        let (member, _) = try Self.joinAlone("g", sessionTimeoutMs: 45_000, port: first.port)
        let (mortal, join) = try Self.joinAlone("short", sessionTimeoutMs: 6_000, port: first.port)
        await first.stop(keepingData: true)

        let second = try await TestBroker.start(dataDirectory: first.dataDirectory)
        let connection = try RawConnection(port: second.port)
        var heartbeat = HeartbeatRequest()
        heartbeat.groupId = "g"
        heartbeat.memberId = member.memberId
        heartbeat.generationId = member.generationId
        #expect(try connection.call(heartbeat).errorCode == .none)
        var describe = DescribeGroupsRequest()
        describe.groups = ["g"]
        let described = try #require(try connection.call(describe).groups.first?.members.first)
        #expect(described.memberMetadata == ByteBuffer(string: "subscription"))
        #expect(described.memberAssignment == ByteBuffer(string: "share"))
        // A second member joins: the first one is silent, so only its session's end lets the join go on.
        let other = try connection.call(join, version: 2)
        #expect(other.errorCode == .none && other.members.map(\.memberId) != [mortal.memberId])
        #expect(other.generationId > mortal.generationId && other.members.count == 1)
        await second.stop(keepingData: true)
        TestBroker.removeDirectory(first.dataDirectory)
    }

    /// Makes a stable group of one member; also gives the request that another member joins with.
    private static func joinAlone(
        _ group: String, sessionTimeoutMs: Int32, port: Int
    ) throws -> (member: JoinGroupResponse, request: JoinGroupRequest) {
        let connection = try RawConnection(port: port)
        var join = JoinGroupRequest()
        join.groupId = group
        join.sessionTimeoutMs = sessionTimeoutMs
        join.rebalanceTimeoutMs = sessionTimeoutMs
        join.protocolType = "consumer"
        var offered = JoinGroupRequest.JoinGroupRequestProtocol()
        offered.name = "range"
        offered.metadata = ByteBuffer(string: "subscription")
        join.protocols = [offered]
        let joined = try connection.call(join, version: 2)
        var sync = SyncGroupRequest()
        sync.groupId = group
        sync.memberId = joined.memberId
        sync.generationId = joined.generationId
        var share = SyncGroupRequest.SyncGroupRequestAssignment()
        share.memberId = joined.memberId
        share.assignment = ByteBuffer(string: "share")
        sync.assignments = [share]
        #expect(try connection.call(sync).errorCode == .none)
        return (joined, join)
    }

    @Test("The offsets topic is kept short, and what it says stays")
    func tidying() async throws {
        let first = try await TestBroker.start {
            $0.offsetsTidyAfter = 10
            $0.retentionCheckInterval = 20
        }
        var connection = try RawConnection(port: first.port)
        try connection.createTopic("t", partitions: 2)
        for offset: Int64 in 0..<40 {
            try connection.commit(group: "g", topic: "t", partition: Int32(offset % 2), offset: offset, metadata: "")
        }
        let partition = GroupRecords.partition(of: "g", count: 50)
        let start = {
            var request = WireTests.listOffsets("__consumer_offsets", -2)
            request.topics[0].partitions[0].partitionIndex = partition
            return try connection.call(request).topics.first?.partitions.first?.offset ?? -1
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while try start() < 20 && ContinuousClock.now < deadline { await Task.yield() }
        #expect(try start() >= 20)
        await first.stop(keepingData: true)
        let second = try await TestBroker.start(dataDirectory: first.dataDirectory)
        connection = try RawConnection(port: second.port)
        #expect(try connection.committed(group: "g").map(\.committedOffset) == [38, 39])
        await second.stop(keepingData: true)
        TestBroker.removeDirectory(first.dataDirectory)
    }

    @Test("Starting where another broker runs is refused with the address or the folder in the message")
    func refusals() async throws {
        let running = try await TestBroker.start()
        await #expect(throws: BrokerError.self) { try await TestBroker.start { $0.port = running.port } }
        do {
            _ = try await TestBroker.start { $0.port = running.port }
        } catch let error as BrokerError {
            #expect(error.code == .bind && error.message.contains("127.0.0.1:\(running.port)"))
        }
        do {
            _ = try await TestBroker.start(dataDirectory: running.dataDirectory)
            Issue.record("two brokers on one folder")
        } catch let error as BrokerError {
            #expect(error.code == .storage && error.message.contains(running.dataDirectory))
        }
        await running.stop()
        await running.stop()
    }
}

extension RawConnection {
    func commit(group: String, topic: String, partition: Int32, offset: Int64, metadata: String) throws {
        var entry = OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition()
        entry.partitionIndex = partition
        entry.committedOffset = offset
        entry.committedMetadata = metadata
        var named = OffsetCommitRequest.OffsetCommitRequestTopic()
        named.name = topic
        named.partitions = [entry]
        var request = OffsetCommitRequest()
        request.groupId = group
        request.topics = [named]
        let answer = try call(request, version: 9)
        #expect(answer.topics.first?.partitions.first?.errorCode == ErrorCode.none)
    }

    func committed(
        group: String
    ) throws -> [OffsetFetchResponse.OffsetFetchResponseGroup.OffsetFetchResponseTopics.OffsetFetchResponsePartitions] {
        var wanted = OffsetFetchRequest.OffsetFetchRequestGroup()
        wanted.groupId = group
        wanted.topics = nil
        var request = OffsetFetchRequest()
        request.groups = [wanted]
        return try call(request, version: 9).groups.flatMap { $0.topics.flatMap(\.partitions) }
    }
}
