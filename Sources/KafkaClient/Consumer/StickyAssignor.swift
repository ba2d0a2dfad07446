import KafkaProtocol
import NIOCore

/// Kafka's `sticky`: balanced and moving as little as it can, as ``CooperativeStickyAssignor``, but for groups in which
/// every member gives all up before a round (the eager protocol). What a member held travels in its metadata.
public struct StickyAssignor: PartitionAssignor {
    /// `sticky`.
    public let name = "sticky"
    /// False.
    public let isCooperative = false

    /// Makes the assignor.
    public init() {}

    /// Every member's partitions.
    public func assign(
        partitionCounts: [String: Int32], members: [GroupSubscription]
    ) -> [String: [TopicPartition]] {
        StickyBalance(partitionCounts: partitionCounts, members: members).result
    }
}

/// What a member of a `sticky` group held in an earlier round, as it tells the leader in its metadata's `user_data`:
/// version 1 of `StickyAssignorUserData` in Kafka's Java client, whose version 0 lacks the generation.
struct StickyUserData: Equatable {
    var partitions: [TopicPartition]
    /// The round in which they were assigned, -1 if unknown.
    var generation: Int32

    func encode() -> ByteBuffer {
        let topics = Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }
        var writer = WireWriter()
        writer.writeArrayCount(topics.count, flexible: false)
        for (topic, partitions) in topics {
            writer.writeString(topic, flexible: false)
            writer.writeArrayCount(partitions.count, flexible: false)
            for partition in partitions { writer.writeInt32(partition.partition) }
        }
        writer.writeInt32(generation)
        return writer.buffer
    }

    init(partitions: [TopicPartition], generation: Int32) {
        self.partitions = partitions
        self.generation = generation
    }

    init(_ bytes: ByteBuffer) throws(WireError) {
        var reader = WireReader(bytes)
        partitions = []
        for _ in 0..<(try reader.readArrayCount(flexible: false, elementSize: 6)) {
            let topic = try reader.readString(flexible: false)
            for _ in 0..<(try reader.readArrayCount(flexible: false, elementSize: 4)) {
                partitions.append(TopicPartition(topic: topic, partition: try reader.readInt32()))
            }
        }
        generation = (try? reader.readInt32()) ?? -1
    }
}
