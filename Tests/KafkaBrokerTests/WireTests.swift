import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// The broker as bytes on a connection.
@Suite("On the wire")
struct WireTests {
    @Test("ApiVersions announces what the handlers serve, at every version, and answers versions it does not know")
    func apiVersions() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        for version: Int16 in 0...4 {
            var request = ApiVersionsRequest()
            request.clientSoftwareName = version >= 3 ? "raw" : ""
            request.clientSoftwareVersion = version >= 3 ? "1.0" : ""
            let response = try connection.call(request, version: version)
            #expect(response.errorCode == .none)
            let ranges = Dictionary(
                uniqueKeysWithValues: response.apiKeys.map { ($0.apiKey, $0.minVersion...$0.maxVersion) })
            // The released ranges of Kafka 4.3.1.
            let expected: [Int16: ClosedRange<Int16>] = [
                0: 0...13, 1: 4...18, 2: 1...11, 3: 0...13, 8: 2...10, 9: 1...10, 10: 0...6, 11: 0...9, 12: 0...4,
                13: 0...5, 14: 0...5, 15: 0...6, 16: 0...5, 17: 0...1, 18: 0...4, 19: 2...7, 20: 1...6, 21: 0...2,
                22: 0...5,
                23: 2...4, 24: 0...5, 25: 0...4, 26: 0...5, 27: 1...2, 28: 0...5, 29: 1...3,
                30: 1...3, 31: 1...3, 32: 1...4, 33: 0...2, 35: 1...5,
                34: 1...2, 36: 0...2, 37: 0...3, 42: 0...2, 43: 0...2, 44: 0...1, 45: 0...1, 46: 0...0, 47: 0...0,
                48: 0...1,
                49: 0...1, 50: 0...0, 51: 0...0, 55: 0...2, 57: 0...2, 60: 0...2, 61: 0...0, 64: 0...0, 65: 0...0,
                66: 0...2, 68: 0...1,
                // ConsumerGroupDescribe 1 came after the schemas that the codec was made from.
                69: 0...0, 74: 0...1, 75: 0...0,
            ]
            #expect(ranges == expected)
        }
        // Key 18, version 99, correlation 7, client id "x", no tags, garbage.
        var unknown = ByteBuffer(bytes: [0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 7, 0, 1, 0x78, 0, 1, 2])
        try connection.send(unknown)
        unknown = try connection.receiveFrame()
        #expect(unknown.readInteger(as: Int32.self) == 7)
        #expect(unknown.readInteger(as: Int16.self) == 35)
        #expect(unknown.readInteger(as: Int32.self) == 55)
        var odd = ApiVersionsRequest()
        odd.clientSoftwareName = "-odd-"
        odd.clientSoftwareVersion = "1"
        #expect(try connection.call(odd, version: 3).errorCode == .invalidRequest)
        await broker.stop()
    }

    @Test("A request of defaults is answered in its layout, at every version of every API")
    func defaultsAtEveryVersion() async throws {
        let broker = try await TestBroker.start()
        func tryAll<H: RequestHandler>(_ handler: H.Type) throws {
            // acks=0 has no answer, and the handshakes belong to listeners that want them.
            let passed: [APIKey] = [.produce, .saslHandshake, .saslAuthenticate]
            if passed.contains(H.Request.apiKey) { return }
            let connection = try RawConnection(port: broker.port)
            for version in H.versions {
                do {
                    _ = try connection.call(H.Request(), version: version)
                } catch {
                    Issue.record("\(H.Request.apiKey) v\(version): \(error)")
                    return
                }
            }
        }
        for handler in Router.handlers { try tryAll(handler) }
        await broker.stop()
    }

    @Test("Every announced version of every API is answered in its layout")
    func everyVersion() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        try connection.produce("t", try RawConnection.batch(["one", "two"]))
        func all<R: KafkaRequest>(_ type: R.Type, upTo: Int16? = nil, _ make: (Int16) -> R) throws {
            for version in R.validVersions.lowerBound...(upTo ?? R.validVersions.upperBound) {
                do {
                    _ = try connection.call(make(version), version: version)
                } catch {
                    Issue.record("\(R.apiKey) v\(version): \(error)")
                    return
                }
            }
        }
        let id = try metadata(connection, "t").topicId
        try all(MetadataRequest.self) { version in
            var request = MetadataRequest()
            request.topics = version == 0 ? [] : nil
            return request
        }
        try all(ProduceRequest.self) { version in
            var request = RawConnection.produceRequest("t", (try? RawConnection.batch(["x"])) ?? ByteBuffer())
            if version >= 13 {
                request.topicData[0].name = ""
                request.topicData[0].topicId = id
            }
            return request
        }
        try all(FetchRequest.self) { version in
            var request = RawConnection.fetchRequest("t", offset: 0)
            if version >= 13 {
                request.topics[0].topic = ""
                request.topics[0].topicId = id
            }
            return request
        }
        try all(ListOffsetsRequest.self) { _ in Self.listOffsets("t", -1) }
        try all(FindCoordinatorRequest.self) { version in
            var request = FindCoordinatorRequest()
            if version >= 4 { request.coordinatorKeys = ["g"] } else { request.key = "g" }
            return request
        }
        try all(InitProducerIdRequest.self, upTo: 5) { _ in
            var request = InitProducerIdRequest()
            request.transactionalId = nil
            return request
        }
        try all(OffsetForLeaderEpochRequest.self) { _ in
            var partition = OffsetForLeaderEpochRequest.OffsetForLeaderTopic.OffsetForLeaderPartition()
            partition.leaderEpoch = 0
            var topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
            topic.topic = "t"
            topic.partitions = [partition]
            var request = OffsetForLeaderEpochRequest()
            request.topics = [topic]
            return request
        }
        try allGroupAPIs(connection, id)
        try allAdminAPIs(connection)
        await broker.stop()
    }

    private func allGroupAPIs(_ connection: RawConnection, _ topicID: KafkaUUID) throws {
        for version: Int16 in 0...9 {
            var join = JoinGroupRequest()
            join.groupId = "g\(version)"
            join.sessionTimeoutMs = 10_000
            join.rebalanceTimeoutMs = version >= 1 ? 10_000 : -1
            join.protocolType = "consumer"
            var offered = JoinGroupRequest.JoinGroupRequestProtocol()
            offered.name = "range"
            join.protocols = [offered]
            var joined = try connection.call(join, version: version)
            if version >= 4 {
                #expect(joined.errorCode == .memberIdRequired)
                join.memberId = joined.memberId
                joined = try connection.call(join, version: version)
            }
            #expect(joined.errorCode == .none && joined.generationId == 1 && joined.leader == joined.memberId)

            var sync = SyncGroupRequest()
            sync.groupId = join.groupId
            sync.memberId = joined.memberId
            sync.generationId = 1
            var share = SyncGroupRequest.SyncGroupRequestAssignment()
            share.memberId = joined.memberId
            share.assignment = ByteBuffer(string: "share")
            sync.assignments = [share]
            let synced = try connection.call(sync, version: min(version, 5))
            #expect(synced.errorCode == .none && synced.assignment == ByteBuffer(string: "share"))

            var heartbeat = HeartbeatRequest()
            heartbeat.groupId = join.groupId
            heartbeat.memberId = joined.memberId
            heartbeat.generationId = 1
            #expect(try connection.call(heartbeat, version: min(version, 4)).errorCode == .none)

            try commitAndFetch(connection, group: join.groupId, member: joined.memberId, version: version + 1, topicID)

            var describe = DescribeGroupsRequest()
            describe.groups = [join.groupId, "nobody"]
            let described = try connection.call(describe, version: min(version, 6))
            #expect(described.groups.map(\.groupState) == ["Stable", "Dead"])
            #expect(described.groups[0].members.first?.memberAssignment == ByteBuffer(string: "share"))
            #expect(try connection.call(ListGroupsRequest(), version: min(version, 5)).groups.count == Int(version) + 1)

            var leave = LeaveGroupRequest()
            leave.groupId = join.groupId
            if version < 3 {
                leave.memberId = joined.memberId
            } else {
                var member = LeaveGroupRequest.MemberIdentity()
                member.memberId = joined.memberId
                leave.members = [member]
            }
            let left = try connection.call(leave, version: min(version, 5))
            #expect(left.errorCode == .none && left.members.allSatisfy { $0.errorCode == .none })
        }
        for version: Int16 in 0...2 {
            var request = DeleteGroupsRequest()
            request.groupsNames = ["g\(version)", "nobody"]
            #expect(
                try connection.call(request, version: version).results.map(\.errorCode) == [.none, .groupIdNotFound])
        }
        var delete = OffsetDeleteRequest()
        delete.groupId = "nobody"
        #expect(try connection.call(delete, version: 0).errorCode == .groupIdNotFound)
    }

    private func commitAndFetch(
        _ connection: RawConnection, group: String, member: String, version: Int16, _ topicID: KafkaUUID
    ) throws {
        let commitVersion = max(2, version)
        var partition = OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition()
        partition.committedOffset = 2
        partition.committedMetadata = "näh"
        var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
        if commitVersion >= 10 { topic.topicId = topicID } else { topic.name = "t" }
        topic.partitions = [partition]
        var commit = OffsetCommitRequest()
        commit.groupId = group
        commit.memberId = member
        commit.generationIdOrMemberEpoch = 1
        commit.topics = [topic]
        let committed = try connection.call(commit, version: commitVersion)
        #expect(committed.topics.first?.partitions.first?.errorCode == ErrorCode.none)

        var fetch = OffsetFetchRequest()
        if version >= 8 {
            var wanted = OffsetFetchRequest.OffsetFetchRequestGroup()
            wanted.groupId = group
            wanted.topics = nil
            fetch.groups = [wanted]
            let found = try connection.call(fetch, version: version)
            let offset = found.groups.first?.topics.first?.partitions.first
            #expect(offset?.committedOffset == 2 && offset?.metadata == "näh")
        } else {
            fetch.groupId = group
            var wanted = OffsetFetchRequest.OffsetFetchRequestTopic()
            wanted.name = "t"
            wanted.partitionIndexes = [0, 1]
            fetch.topics = [wanted]
            let found = try connection.call(fetch, version: version)
            #expect(found.topics.first?.partitions.map(\.committedOffset) == [2, -1])
            #expect(found.topics.first?.partitions.first?.metadata == "näh")
        }
    }

    private func allAdminAPIs(_ connection: RawConnection) throws {
        for version: Int16 in 2...7 {
            var topic = CreateTopicsRequest.CreatableTopic()
            topic.name = "made-by-\(version)"
            topic.numPartitions = version >= 4 ? -1 : 1
            topic.replicationFactor = version >= 4 ? -1 : 1
            var request = CreateTopicsRequest()
            request.topics = [topic]
            #expect(try connection.call(request, version: version).topics.first?.errorCode == ErrorCode.none)
        }
        for version: Int16 in 1...6 {
            var request = DeleteTopicsRequest()
            if version >= 6 {
                var topic = DeleteTopicsRequest.DeleteTopicState()
                topic.name = "made-by-7"
                request.topics = [topic]
            } else {
                request.topicNames = ["made-by-\(version + 1)"]
            }
            #expect(try connection.call(request, version: version).responses.first?.errorCode == ErrorCode.none)
        }
        for version: Int16 in 0...3 {
            var topic = CreatePartitionsRequest.CreatePartitionsTopic()
            topic.name = "t"
            topic.count = Int32(version) + 2
            topic.assignments = nil
            var request = CreatePartitionsRequest()
            request.topics = [topic]
            #expect(try connection.call(request, version: version).results.first?.errorCode == ErrorCode.none)
        }
        for version: Int16 in 1...4 {
            var resource = DescribeConfigsRequest.DescribeConfigsResource()
            resource.resourceType = 2
            resource.resourceName = "t"
            resource.configurationKeys = nil
            var request = DescribeConfigsRequest()
            request.resources = [resource]
            request.includeSynonyms = true
            request.includeDocumentation = version >= 3
            #expect(try connection.call(request, version: version).results.first?.configs.count == 31)
        }
        for version: Int16 in 0...2 {
            #expect(try connection.call(DescribeClusterRequest(), version: version).brokers.count == 1)
            #expect(try connection.call(AlterConfigsRequest(), version: version).responses.isEmpty)
            #expect(try connection.call(DeleteRecordsRequest(), version: version).topics.isEmpty)
        }
        for version: Int16 in 0...1 {
            #expect(try connection.call(IncrementalAlterConfigsRequest(), version: version).responses.isEmpty)
        }
        for version: Int16 in 1...5 {
            var request = DescribeLogDirsRequest()
            request.topics = nil
            #expect(try connection.call(request, version: version).results.first?.errorCode == ErrorCode.none)
        }
        #expect(try connection.call(DescribeTopicPartitionsRequest(), version: 0).topics.contains { $0.name == "t" })
    }

    static func listOffsets(_ topic: String, _ timestamp: Int64) -> ListOffsetsRequest {
        var partition = ListOffsetsRequest.ListOffsetsTopic.ListOffsetsPartition()
        partition.timestamp = timestamp
        var entry = ListOffsetsRequest.ListOffsetsTopic()
        entry.name = topic
        entry.partitions = [partition]
        var request = ListOffsetsRequest()
        request.topics = [entry]
        return request
    }

    private func metadata(_ connection: RawConnection, _ name: String) throws -> MetadataResponse.MetadataResponseTopic
    {
        var topic = MetadataRequest.MetadataRequestTopic()
        topic.name = name
        var request = MetadataRequest()
        request.topics = [topic]
        return try #require(try connection.call(request).topics.first)
    }

    @Test("Answers keep the order of requests although a long poll is among them, and pipelined produces all count")
    func pipelining() async throws {
        let broker = try await TestBroker.start()
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let batch = try RawConnection.batch(["x"])
        let poll = RawConnection.fetchRequest("t", offset: 0, maxWait: 20_000)
        let first = try connection.send(poll, version: 12)
        let correlations = try (0..<500).map { _ in
            try connection.send(RawConnection.produceRequest("t", batch), version: 9)
        }
        let fetched = try connection.receive(FetchRequest.self, correlation: first, version: 12)
        #expect(try RawConnection.values(fetched.responses.first?.partitions.first?.records).first == "x")
        for (index, correlation) in correlations.enumerated() {
            let answer = try connection.receive(ProduceRequest.self, correlation: correlation, version: 9)
            #expect(answer.responses.first?.partitionResponses.first?.baseOffset == Int64(index))
        }
        await broker.stop()
    }

    @Test("A connection with too many owed answers is not read from until they have left")
    func backPressure() async throws {
        let broker = try await TestBroker.start { $0.maxPendingResponses = 4 }
        let connection = try RawConnection(port: broker.port)
        try connection.createTopic("t")
        let polls = try (0..<20).map { _ in
            try connection.send(RawConnection.fetchRequest("t", offset: 0, maxWait: 20_000), version: 12)
        }
        try RawConnection(port: broker.port).produce("t", try RawConnection.batch(["x"]))
        for poll in polls {
            let answer = try connection.receive(FetchRequest.self, correlation: poll, version: 12)
            #expect(try RawConnection.values(answer.responses.first?.partitions.first?.records) == ["x"])
        }
        await broker.stop()
    }

    @Test(
        "Hostile bytes close the connection and nothing else",
        arguments: [
            [0x7F, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 1, 0],
            // An API that does not exist; a version that is not served; an array of 2^31 - 1 topics.
            [0, 0, 0, 10, 0x7F, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF], [0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF],
            [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF],
        ] as [[UInt8]])
    func hostile(bytes: [UInt8]) async throws {
        let broker = try await TestBroker.start()
        let honest = try RawConnection(port: broker.port)
        let hostile = try RawConnection(port: broker.port)
        try hostile.send(ByteBuffer(bytes: bytes))
        #expect(hostile.isClosedByPeer())
        #expect(try honest.call(DescribeClusterRequest()).brokers.count == 1)
        await broker.stop()
    }

    @Test("Clients of a wildcard listener are told the address they came by")
    func advertisedAddress() async throws {
        let broker = try await TestBroker.start { $0.host = "0.0.0.0" }
        let connection = try RawConnection(port: broker.port)
        let node = try #require(try connection.call(DescribeClusterRequest()).brokers.first)
        #expect(node.host == "127.0.0.1" && node.port == Int32(broker.port))
        await broker.stop()
        let other = try await TestBroker.start {
            $0.advertisedHost = "kafka.example"
            $0.advertisedPort = 19092
        }
        let told = try #require(try RawConnection(port: other.port).call(DescribeClusterRequest()).brokers.first)
        #expect(told.host == "kafka.example" && told.port == 19092)
        await other.stop()
    }
}
