/// Which member of which group has read what a transaction commits, so that a member that was dropped can't.
///
/// ``KafkaConsumer/groupMetadata`` gives it.
public struct ConsumerGroupMetadata: Hashable, Sendable {
    /// `group.id`.
    public var groupID: String
    /// Generation (or, with KIP-848, member epoch); -1 outside of a group.
    public var generation: Int32
    /// The member's id; empty outside of a group.
    public var memberID: String
    /// `group.instance.id` of a static member.
    public var instanceID: String?

    /// Names a member. With the group's name alone, offsets are committed for whoever asks.
    public init(groupID: String, generation: Int32 = -1, memberID: String = "", instanceID: String? = nil) {
        self.groupID = groupID
        self.generation = generation
        self.memberID = memberID
        self.instanceID = instanceID
    }
}
