import KafkaBroker
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaClient

/// Our client at a broker that limits it.
@Suite(.timeLimit(.minutes(1)))
struct ThrottleTests {
    @Test func `a producer over its quota waits, and loses nothing`() async throws {
        let broker = try await TestBroker.start()
        var client = try ClientConfiguration(properties: [
            "bootstrap.servers": broker.bootstrapServers, "client.id": "limited",
        ])
        client.requestTimeout = .milliseconds(1500)
        let admin = try KafkaAdminClient(configuration: client, logger: testLogger)
        try await admin.createTopics([TopicToCreate(name: "t", partitions: 1, replicationFactor: 1)])["t"]?.get()
        var entity = AlterClientQuotasRequest.EntryData.EntityData()
        entity.entityType = "client-id"
        entity.entityName = "limited"
        var op = AlterClientQuotasRequest.EntryData.OpData()
        op.key = "producer_byte_rate"
        op.value = 2000
        var entry = AlterClientQuotasRequest.EntryData()
        entry.entity = [entity]
        entry.ops = [op]
        var change = AlterClientQuotasRequest()
        change.entries = [entry]
        let request = change
        let altered = try await admin.cluster.callAny { (_: Int16) in request }
        #expect(altered.entries.first?.errorCode == ErrorCode.none)
        let producer = try KafkaProducer(
            configuration: ProducerConfiguration(client: client), logger: testLogger)
        let start = ContinuousClock.now
        // 20 KB in ten seconds are free, the rest has to wait: 6 KB for three seconds.
        for number in 0..<26 {
            let sent = try await producer.send(
                ProducerRecord(topic: "t", value: ByteBuffer(repeating: UInt8(number), count: 1000)))
            #expect(sent.offset == Int64(number))
        }
        #expect(ContinuousClock.now - start >= .milliseconds(1500))
        await producer.close()
        await admin.close()
        await broker.stop()
    }
}
