import KafkaProtocol
import NIOCore
import OrderedCollections
import Testing

@testable import KafkaBroker

/// The records of the broker's own topics.
@Suite("Internal records")
struct GroupRecordTests {
    @Test("Offsets and groups are written in Kafka's bytes")
    func kafkaBytes() throws {
        let offset = try GroupRecords.offset(
            group: "g", key: OffsetKey(topic: "t", partition: 3),
            value: CommittedOffset(offset: 42, leaderEpoch: -1, metadata: "m", timestamp: 5))
        // Version 1: group, topic, partition.
        #expect(Array(offset.key.readableBytesView) == [0, 1, 0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 3])
        // Version 3: offset, leader epoch, metadata, commit timestamp.
        #expect(
            Array(try #require(offset.value).readableBytesView) == [
                0, 3, 0, 0, 0, 0, 0, 0, 0, 42, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1, 0x6D, 0, 0, 0, 0, 0, 0, 0, 5,
            ])
        let tombstone = try GroupRecords.tombstone(group: "g")
        #expect(Array(tombstone.key.readableBytesView) == [0, 2, 0, 1, 0x67] && tombstone.value == nil)
    }

    @Test(
        "A group lives in the partition that Java's hash code gives",
        // String.hashCode() in Java: "g" is 103, "ü" 252.
        arguments: [("g", 3), ("", 0), ("ü", 2), ("aaaaaaaaaaaaaaaaaaaa", javaPartition("aaaaaaaaaaaaaaaaaaaa"))])
    func partition(group: String, partition: Int32) {
        #expect(GroupRecords.partition(of: group, count: 50) == partition)
    }

    /// The definition: s[0]*31^(n-1) + … + s[n-1] in 32 bits, sign dropped.
    private static func javaPartition(_ text: String) -> Int32 {
        var sum: UInt64 = 0
        for unit in text.utf16 { sum = (sum * 31 + UInt64(unit)) % (1 << 32) }
        return Int32(sum % (1 << 31)) % 50
    }

    @Test("A group comes back from its record as it was")
    func groupRoundTrip() throws {
        let transcript = GroupTranscript().stable("a", "b")
        let encoded = try GroupRecords.group(transcript.group, assignments: ["a": ByteBuffer(string: "x")], now: 99)
        guard case .group("g", let value?)? = try GroupRecords.decode(key: encoded.key, value: encoded.value) else {
            Issue.record("not a group")
            return
        }
        let restored = ClassicGroup(id: "g", restoring: value, initialRebalanceDelay: 0, now: 5000)
        #expect(restored.state == .stable && restored.generation == transcript.group.generation)
        #expect(restored.leader == "a" && restored.protocolName == "range" && restored.protocolType == "consumer")
        #expect(Array(restored.members.keys) == ["a", "b"])
        #expect(restored.members["a"]?.assignment == ByteBuffer(string: "x"))
        #expect(restored.members["b"]?.deadline == 15_000)
        #expect(restored.nextDeadline == 15_000)
    }

    @Test("Records of the metadata log come back as they were; newer versions are refused, unknown kinds passed over")
    func metadataRecords() throws {
        let records: [MetadataRecord] = [
            .topic(.init(name: "t", id: .random(), partitions: 3, configs: ["a": "b", "c": ""])),
            .topicDeleted(name: "t"), .producerIDs(next: 5000),
        ]
        for record in records { #expect(try MetadataRecord(key: record.key, value: record.value) == record) }
        var newer = try #require(records[0].value)
        newer.setInteger(Int16(2), at: newer.readerIndex)
        #expect(throws: WireError.self) { try MetadataRecord(key: records[0].key, value: newer) }
        let unknown = ByteBuffer(bytes: [0, 9, 1, 2])
        #expect(try MetadataRecord(key: unknown, value: records[2].value) == nil)
        let cut = records[0].value?.getSlice(at: 0, length: 10)
        #expect(throws: WireError.self) { try MetadataRecord(key: records[0].key, value: cut) }
    }
}
