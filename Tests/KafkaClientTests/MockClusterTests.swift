import Foundation
import KafkaClient
import KafkaProtocol
import NIOCore
import Testing

/// Against librdkafka's mock cluster of three brokers: nothing here is our broker.
@Suite(.enabled(if: MockCluster.isAvailable), .timeLimit(.minutes(2)))
struct MockClusterTests {
    private func producer(
        _ mock: MockCluster, _ change: (inout ProducerConfiguration) -> Void = { _ in }
    ) throws -> KafkaProducer {
        var configuration = ProducerConfiguration(bootstrapServers: mock.bootstrapServers)
        change(&configuration)
        return try KafkaProducer(configuration: configuration, logger: testLogger)
    }

    private func consumer(
        _ mock: MockCluster, group: String? = nil, _ change: (inout ConsumerConfiguration) -> Void = { _ in }
    ) throws -> KafkaConsumer {
        var configuration = ConsumerConfiguration(bootstrapServers: mock.bootstrapServers, groupID: group)
        configuration.autoOffsetReset = .earliest
        configuration.heartbeatInterval = .milliseconds(200)
        // The mock's rebalances last for the session time-out less a second, whoever has joined by then.
        configuration.sessionTimeout = .seconds(4)
        configuration.maxPollInterval = .seconds(10)
        change(&configuration)
        return try KafkaConsumer(configuration: configuration, logger: testLogger)
    }

    private func partitions(_ topic: String, _ count: Int32) -> [TopicPartition] {
        (0..<count).map { TopicPartition(topic: topic, partition: $0) }
    }

    @Test(arguments: CompressionType.allCases)
    func `confluent-kafka reads what we write, with every codec`(_ codec: CompressionType) async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 3 1")
            let producer = try producer(mock) { $0.compression = codec }
            let records = (0..<200).map { index in
                ProducerRecord(
                    topic: "orders", key: buffer("key-\(index % 7)"),
                    value: buffer("value-\(index) " + String(repeating: "x", count: 50)),
                    headers: [RecordHeader(key: "n", value: buffer("\(index)"))])
            }
            let sent = try await producer.send(contentsOf: records)
            await producer.close()
            #expect(sent.count == 200)
            let rows = try await mock.consume("orders", count: 200)
            #expect(rows.count == 200)
            let byPlace = Dictionary(uniqueKeysWithValues: rows.map { ("\($0.partition)/\($0.offset)", $0) })
            for (index, place) in sent.enumerated() {
                let row = byPlace["\(place.partition)/\(place.offset)"]
                #expect(row?.value == text(records[index].value))
                #expect(row?.key == "key-\(index % 7)")
                #expect(row?.headers == [["n", "\(index)"]])
            }
        }
    }

    @Test func `we read what confluent-kafka writes, and keys go to the same partitions`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 5 1")
            let values = (0..<50).map { #"{"key":"k\#($0)","value":"v\#($0)"}"# }.joined(separator: ",")
            try await mock.run(
                #"produce {"topic":"orders","values":[\#(values)],"options":{"partitioner":"murmur2_random"}}"#)
            let consumer = try consumer(mock)
            try await consumer.assign(partitions("orders", 5))
            let rows = try await consumer.take(50)
            let producer = try producer(mock)
            for (partition, record) in rows {
                let place = try await producer.send(
                    ProducerRecord(topic: "orders", key: record.key, value: buffer("again")))
                #expect(place.partition == partition.partition)
            }
            #expect(Set(rows.compactMap { text($0.1.value) }) == Set((0..<50).map { "v\($0)" }))
            await producer.close()
            await consumer.close()
        }
    }

    @Test func `no record is lost, doubled or reordered through errors and a moving leader`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 3")
            try await mock.run("leader orders 0 1")
            let producer = try producer(mock) { configuration in
                configuration.batchSize = 200
                configuration.client.retryBackoff = .milliseconds(20)
                // The mock does not check sequence numbers: it would take the second batch after refusing the first.
                configuration.maxInFlight = 1
            }
            _ = try await producer.send(ProducerRecord(topic: "orders", value: buffer("0")))
            // Produce: not leader, leader not available, time-out, not enough replicas, the connection is cut.
            try await mock.run("errors 0 6 5 7 19 -195")
            let rest = (1..<300).map { ProducerRecord(topic: "orders", value: buffer("\($0)")) }
            async let sent = producer.send(contentsOf: rest)
            try await mock.run("leader orders 0 2")
            let places = try await sent
            #expect(places.map(\.offset) == Array(1..<300).map(Int64.init))
            await producer.close()
            let consumer = try consumer(mock)
            try await consumer.assign(partitions("orders", 1))
            try await mock.run("errors 1 6 -195 5")
            let rows = try await consumer.take(300)
            #expect(rows.map { text($0.1.value) } == (0..<300).map { "\($0)" })
            await consumer.close()
        }
    }

    @Test func `a broker that goes away and comes back is found again`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            try await mock.run("leader orders 0 1")
            let producer = try producer(mock)
            let consumer = try consumer(mock)
            try await consumer.assign(partitions("orders", 1))
            _ = try await producer.send(ProducerRecord(topic: "orders", value: buffer("before")))
            #expect(try await consumer.take(1).map { text($0.1.value) } == ["before"])
            try await mock.run("down 1")
            async let sent = producer.send(ProducerRecord(topic: "orders", value: buffer("after")))
            #expect(try await consumer.poll(timeout: .milliseconds(300)).isEmpty)
            try await mock.run("up 1")
            #expect(try await sent.offset == 1)
            #expect(try await consumer.take(1).map { text($0.1.value) } == ["after"])
            await producer.close()
            await consumer.close()
        }
    }

    @Test func `a group divides the partitions, takes over from one that leaves, and keeps its offsets`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 6 1")
            let producer = try producer(mock)
            let first = try consumer(mock, group: "g")
            try await first.subscribe(["orders"])
            try await first.waitForAssignment { $0.count == 6 }
            let second = try consumer(mock, group: "g")
            try await second.subscribe(["orders"])
            // Both go on until both are there: whoever stops asking keeps what it has, whatever becomes of the group.
            async let shrinking: Void = first.waitForAssignment { $0.count == 3 && second.assignment.count == 3 }
            try await second.waitForAssignment { $0.count == 3 && first.assignment.count == 3 }
            try await shrinking
            #expect(Set(first.assignment).isDisjoint(with: second.assignment))
            let records = (0..<60).map {
                ProducerRecord(topic: "orders", partition: Int32($0 % 6), value: buffer("\($0)"))
            }
            _ = try await producer.send(contentsOf: records)
            async let firstRows = first.take(30)
            let secondRows = try await second.take(30)
            let all = try await firstRows + secondRows
            #expect(Set(all.compactMap { text($0.1.value) }) == Set((0..<60).map { "\($0)" }))
            try await first.commit()
            try await second.commit()
            await second.close()
            try await first.waitForAssignment { $0.count == 6 }
            _ = try await producer.send(
                contentsOf: (0..<6).map { ProducerRecord(topic: "orders", partition: $0, value: buffer("next")) })
            let next = try await first.take(6)
            #expect(next.allSatisfy { text($0.1.value) == "next" })
            let committed = try await first.committed(partitions("orders", 6))
            #expect(committed.values.map(\.offset) == Array(repeating: 10, count: 6))
            await first.close()
            await producer.close()
        }
    }

    @Test(arguments: ["range", "roundrobin", "cooperative-sticky"])
    func `we share a group with confluent-kafka`(_ strategy: String) async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 4 1")
            let ours = try consumer(mock, group: "mixed") { configuration in
                switch strategy {
                case "roundrobin": configuration.assignors = [RoundRobinAssignor()]
                case "cooperative-sticky": configuration.assignors = [CooperativeStickyAssignor()]
                default: configuration.assignors = [RangeAssignor()]
                }
            }
            try await ours.subscribe(["orders"])
            try await ours.waitForAssignment { $0.count == 4 }
            let options =
                #"{"group.id":"mixed","partition.assignment.strategy":"\#(strategy)","heartbeat.interval.ms":200,"#
                + #""session.timeout.ms":4000}"#
            try await mock.run(#"member {"name":"foreign","topic":"orders","options":\#(options)}"#)
            try await ours.waitForAssignment { $0.count == 2 }
            let producer = try producer(mock)
            let records = (0..<40).map {
                ProducerRecord(topic: "orders", partition: Int32($0 % 4), value: buffer("\($0)"))
            }
            _ = try await producer.send(contentsOf: records)
            let mine = try await ours.take(20)
            let json = try await mock.run("stop-member foreign")
            let theirs = try JSONDecoder().decode([String].self, from: Data(json.utf8))
            // What the foreign member had not read when it stopped comes to us.
            var all = theirs + mine.compactMap { text($0.1.value) }
            while Set(all).count < 40 {
                let more = try await ours.take(1).compactMap { text($0.1.value) }
                guard !more.isEmpty else { break }
                all += more
            }
            #expect(Set(all) == Set((0..<40).map { "\($0)" }))
            await producer.close()
            await ours.close()
        }
    }

    @Test func `group requests survive a moving coordinator and its errors`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 2 1")
            try await mock.run("coordinator g 1")
            // FindCoordinator: not available; JoinGroup: loading, not coordinator, connection cut; SyncGroup: rebalance in
            // progress; OffsetCommit: not coordinator, loading.
            try await mock.run("errors 10 15")
            try await mock.run("errors 11 14 16 -195")
            try await mock.run("errors 14 27")
            try await mock.run("errors 8 16 14")
            let consumer = try consumer(mock, group: "g")
            try await consumer.subscribe(["orders"])
            try await consumer.waitForAssignment { $0.count == 2 }
            try await consumer.commit([TopicPartition(topic: "orders", partition: 0): OffsetAndMetadata(offset: 0)])
            try await mock.run("coordinator g 2")
            try await consumer.commit([TopicPartition(topic: "orders", partition: 1): OffsetAndMetadata(offset: 0)])
            let committed = try await consumer.committed(partitions("orders", 2))
            #expect(committed.count == 2)
            await consumer.close()
        }
    }

    @Test func `a group of KIP-848 outlives the errors of its heartbeats`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 2 1")
            // Not coordinator, loading, not available.
            try await mock.run("errors 68 16 14 15")
            let consumer = try consumer(mock, group: "next") { $0.groupProtocol = .consumer }
            try await consumer.subscribe(["orders"])
            try await consumer.waitForAssignment { $0.count == 2 }
            let producer = try producer(mock)
            _ = try await producer.send(
                contentsOf: (0..<4).map { ProducerRecord(topic: "orders", partition: $0 % 2, value: buffer("x")) })
            #expect(try await consumer.take(4).count == 4)
            await producer.close()
            await consumer.close()
        }
    }

    @Test func `a record is out of poll soon after it is in the log`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            let producer = try producer(mock)
            let consumer = try consumer(mock)
            try await consumer.assign(partitions("orders", 1))
            var waits: [Duration] = []
            for round in 0..<5 {
                async let rows = consumer.take(1)
                let place = try await producer.send(ProducerRecord(topic: "orders", value: buffer("\(round)")))
                let acknowledged = ContinuousClock.now
                #expect(try await rows.map(\.1.offset) == [place.offset])
                waits.append(acknowledged.duration(to: .now))
            }
            // The mock looks for new records every half second at best, so there is no limit to assert here.
            print("acknowledged → out of poll, mock cluster: median \(waits.sorted()[2])")
            await producer.close()
            await consumer.close()
        }
    }

    /// Highest versions of Kafka 2.1 (KafkaApis of that release): Produce, Fetch, ListOffsets, Metadata, OffsetCommit,
    /// OffsetFetch, FindCoordinator, JoinGroup, Heartbeat, LeaveGroup, SyncGroup, InitProducerId.
    @Test func `a broker of Kafka 2.1 will do`() async throws {
        try await withMockCluster { mock in
            let highest = [
                0: 7, 1: 10, 2: 4, 3: 7, 8: 6, 9: 5, 10: 2, 11: 3, 12: 2, 13: 1, 14: 2, 22: 1,
            ]
            for (key, version) in highest { try await mock.run("versions \(key) 0 \(version)") }
            try await mock.run("topic orders 2 1")
            let producer = try producer(mock) { $0.compression = .zstd }
            let sent = try await producer.send(
                contentsOf: (0..<10).map {
                    ProducerRecord(topic: "orders", partition: Int32($0 % 2), value: buffer("\($0)"))
                })
            #expect(sent.map(\.offset) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
            let consumer = try consumer(mock, group: "old")
            try await consumer.subscribe(["orders"])
            #expect(try await consumer.take(10).count == 10)
            try await consumer.commit()
            let committed = try await consumer.committed(partitions("orders", 2))
            #expect(committed.values.map(\.offset) == [5, 5])
            await producer.close()
            await consumer.close()
        }
    }

    @Test func `positions: seek, beginning, end, pause, times`() async throws {
        try await withMockCluster { mock in
            try await mock.run("topic orders 1 1")
            let partition = TopicPartition(topic: "orders", partition: 0)
            let producer = try producer(mock)
            _ = try await producer.send(
                contentsOf: (0..<10).map { ProducerRecord(topic: "orders", value: buffer("\($0)")) })
            let consumer = try consumer(mock) { $0.autoOffsetReset = .latest }
            try await consumer.assign([partition])
            #expect(try await consumer.position(partition) == 10)
            try consumer.seek(partition, to: 7)
            #expect(try await consumer.take(3).map(\.1.offset) == [7, 8, 9])
            try consumer.seekToBeginning([partition])
            #expect(try await consumer.take(10).count == 10)
            try consumer.pause([partition])
            try consumer.seekToBeginning([partition])
            #expect(try await consumer.poll(timeout: .milliseconds(200)).isEmpty)
            try consumer.resume([partition])
            #expect(try await consumer.take(10).first?.1.offset == 0)
            #expect(try await consumer.endOffsets([partition]) == [partition: 10])
            #expect(try await consumer.beginningOffsets([partition]) == [partition: 0])
            await producer.close()
            await consumer.close()
        }
    }
}
