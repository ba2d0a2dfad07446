public import NIOCore

/// A member as the group's leader sees it.
public struct GroupMember: Sendable {
    /// The id the coordinator gave.
    public var id: String
    /// `group.instance.id`, for a static member.
    public var instanceID: String?
    /// What the member said on joining, in the chosen protocol's format.
    public var metadata: ByteBuffer

    /// Makes a member.
    public init(id: String, instanceID: String? = nil, metadata: ByteBuffer) {
        self.id = id
        self.instanceID = instanceID
        self.metadata = metadata
    }
}

/// What a round of the group gave this member.
public struct GroupAssignment: Sendable {
    /// Counts the rounds.
    public var generation: Int32
    /// This member.
    public var memberID: String
    /// The member that made the assignment.
    public var leaderID: String
    /// The protocol that all members share.
    public var protocolName: String
    /// This member's part, in the protocol's format; empty when the leader gave none.
    public var bytes: ByteBuffer

    /// Whether this member made the assignment.
    public var isLeader: Bool { memberID == leaderID }
}

/// One protocol that a member can take part in.
public struct GroupProtocol: Sendable {
    /// The protocol's name, such as `range` or `sessioned`.
    public var name: String
    /// What the member tells the leader.
    public var metadata: ByteBuffer

    /// Makes a protocol.
    public init(name: String, metadata: ByteBuffer) {
        self.name = name
        self.metadata = metadata
    }
}

/// How a member behaves in its group.
public struct GroupConfiguration: Sendable {
    /// `group.id`.
    public var groupID: String
    /// `consumer` for consumers, `connect` for Connect workers.
    public var protocolType: String
    /// `group.instance.id`.
    public var instanceID: String?
    /// `session.timeout.ms`.
    public var sessionTimeout: Duration
    /// `rebalance.timeout.ms` (consumers: `max.poll.interval.ms`): how long members may take to join again.
    public var rebalanceTimeout: Duration
    /// `heartbeat.interval.ms`.
    public var heartbeatInterval: Duration
    /// A member whose owner asks for no events for so long leaves by itself; nil: never.
    public var maxPollInterval: Duration?

    /// Makes a configuration with Kafka's defaults for consumers.
    public init(
        groupID: String, protocolType: String, instanceID: String? = nil, sessionTimeout: Duration = .seconds(45),
        rebalanceTimeout: Duration = .seconds(300), heartbeatInterval: Duration = .seconds(3),
        maxPollInterval: Duration? = nil
    ) {
        self.groupID = groupID
        self.protocolType = protocolType
        self.instanceID = instanceID
        self.sessionTimeout = sessionTimeout
        self.rebalanceTimeout = rebalanceTimeout
        self.heartbeatInterval = heartbeatInterval
        self.maxPollInterval = maxPollInterval
    }
}

/// What a member's owner must act on.
public enum GroupEvent: Sendable {
    /// The group wants this member to join (again): give up what the rebalance protocol demands, then call
    /// ``GroupMembership/join(protocols:assign:)``.
    case joinNeeded(reason: String)
    /// The round is over and this is the member's part.
    case assigned(GroupAssignment)
    /// The group went on without this member: what it held may already belong to others. `joinNeeded` follows.
    case lost(reason: String)
}
