/// The number that names an API on the wire. Unknown numbers are kept, so that they can be refused by number.
public struct APIKey: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: Int16

    /// A key from its number.
    public init(rawValue: Int16) {
        self.rawValue = rawValue
    }

    /// Kafka's name of the API, or its number.
    public var name: String { Self.table[rawValue]?.name ?? "API \(rawValue)" }

    /// Kafka's name of the API.
    public var description: String { name }

    /// The first version whose request has header version 2; `Int16.max` for none and for unknown keys.
    public var firstFlexibleVersion: Int16 { Self.table[rawValue]?.flexible ?? .max }

    /// Whether this key is one of Kafka's.
    public var isKnown: Bool { Self.table[rawValue] != nil }

    /// Produce.
    public static let produce = APIKey(rawValue: 0)
    /// Fetch.
    public static let fetch = APIKey(rawValue: 1)
    /// ListOffsets.
    public static let listOffsets = APIKey(rawValue: 2)
    /// Metadata.
    public static let metadata = APIKey(rawValue: 3)
    /// OffsetCommit.
    public static let offsetCommit = APIKey(rawValue: 8)
    /// OffsetFetch.
    public static let offsetFetch = APIKey(rawValue: 9)
    /// FindCoordinator.
    public static let findCoordinator = APIKey(rawValue: 10)
    /// JoinGroup.
    public static let joinGroup = APIKey(rawValue: 11)
    /// Heartbeat.
    public static let heartbeat = APIKey(rawValue: 12)
    /// LeaveGroup.
    public static let leaveGroup = APIKey(rawValue: 13)
    /// SyncGroup.
    public static let syncGroup = APIKey(rawValue: 14)
    /// DescribeGroups.
    public static let describeGroups = APIKey(rawValue: 15)
    /// ListGroups.
    public static let listGroups = APIKey(rawValue: 16)
    /// SaslHandshake.
    public static let saslHandshake = APIKey(rawValue: 17)
    /// ApiVersions.
    public static let apiVersions = APIKey(rawValue: 18)
    /// CreateTopics.
    public static let createTopics = APIKey(rawValue: 19)
    /// DeleteTopics.
    public static let deleteTopics = APIKey(rawValue: 20)
    /// DeleteRecords.
    public static let deleteRecords = APIKey(rawValue: 21)
    /// InitProducerId.
    public static let initProducerId = APIKey(rawValue: 22)
    /// OffsetForLeaderEpoch.
    public static let offsetForLeaderEpoch = APIKey(rawValue: 23)
    /// AddPartitionsToTxn.
    public static let addPartitionsToTxn = APIKey(rawValue: 24)
    /// AddOffsetsToTxn.
    public static let addOffsetsToTxn = APIKey(rawValue: 25)
    /// EndTxn.
    public static let endTxn = APIKey(rawValue: 26)
    /// WriteTxnMarkers.
    public static let writeTxnMarkers = APIKey(rawValue: 27)
    /// TxnOffsetCommit.
    public static let txnOffsetCommit = APIKey(rawValue: 28)
    /// DescribeAcls.
    public static let describeAcls = APIKey(rawValue: 29)
    /// CreateAcls.
    public static let createAcls = APIKey(rawValue: 30)
    /// DeleteAcls.
    public static let deleteAcls = APIKey(rawValue: 31)
    /// DescribeConfigs.
    public static let describeConfigs = APIKey(rawValue: 32)
    /// AlterConfigs.
    public static let alterConfigs = APIKey(rawValue: 33)
    /// AlterReplicaLogDirs.
    public static let alterReplicaLogDirs = APIKey(rawValue: 34)
    /// DescribeLogDirs.
    public static let describeLogDirs = APIKey(rawValue: 35)
    /// SaslAuthenticate.
    public static let saslAuthenticate = APIKey(rawValue: 36)
    /// CreatePartitions.
    public static let createPartitions = APIKey(rawValue: 37)
    /// CreateDelegationToken.
    public static let createDelegationToken = APIKey(rawValue: 38)
    /// RenewDelegationToken.
    public static let renewDelegationToken = APIKey(rawValue: 39)
    /// ExpireDelegationToken.
    public static let expireDelegationToken = APIKey(rawValue: 40)
    /// DescribeDelegationToken.
    public static let describeDelegationToken = APIKey(rawValue: 41)
    /// DeleteGroups.
    public static let deleteGroups = APIKey(rawValue: 42)
    /// ElectLeaders.
    public static let electLeaders = APIKey(rawValue: 43)
    /// IncrementalAlterConfigs.
    public static let incrementalAlterConfigs = APIKey(rawValue: 44)
    /// AlterPartitionReassignments.
    public static let alterPartitionReassignments = APIKey(rawValue: 45)
    /// ListPartitionReassignments.
    public static let listPartitionReassignments = APIKey(rawValue: 46)
    /// OffsetDelete.
    public static let offsetDelete = APIKey(rawValue: 47)
    /// DescribeClientQuotas.
    public static let describeClientQuotas = APIKey(rawValue: 48)
    /// AlterClientQuotas.
    public static let alterClientQuotas = APIKey(rawValue: 49)
    /// DescribeUserScramCredentials.
    public static let describeUserScramCredentials = APIKey(rawValue: 50)
    /// AlterUserScramCredentials.
    public static let alterUserScramCredentials = APIKey(rawValue: 51)
    /// DescribeQuorum.
    public static let describeQuorum = APIKey(rawValue: 55)
    /// UpdateFeatures.
    public static let updateFeatures = APIKey(rawValue: 57)
    /// DescribeCluster.
    public static let describeCluster = APIKey(rawValue: 60)
    /// DescribeProducers.
    public static let describeProducers = APIKey(rawValue: 61)
    /// UnregisterBroker.
    public static let unregisterBroker = APIKey(rawValue: 64)
    /// DescribeTransactions.
    public static let describeTransactions = APIKey(rawValue: 65)
    /// ListTransactions.
    public static let listTransactions = APIKey(rawValue: 66)
    /// ConsumerGroupHeartbeat.
    public static let consumerGroupHeartbeat = APIKey(rawValue: 68)
    /// ConsumerGroupDescribe.
    public static let consumerGroupDescribe = APIKey(rawValue: 69)
    /// GetTelemetrySubscriptions.
    public static let getTelemetrySubscriptions = APIKey(rawValue: 71)
    /// PushTelemetry.
    public static let pushTelemetry = APIKey(rawValue: 72)
    /// ListConfigResources.
    public static let listConfigResources = APIKey(rawValue: 74)
    /// DescribeTopicPartitions.
    public static let describeTopicPartitions = APIKey(rawValue: 75)

    private static let table: [Int16: (name: String, flexible: Int16)] = [
        0: ("Produce", 9),
        1: ("Fetch", 12),
        2: ("ListOffsets", 6),
        3: ("Metadata", 9),
        8: ("OffsetCommit", 8),
        9: ("OffsetFetch", 6),
        10: ("FindCoordinator", 3),
        11: ("JoinGroup", 6),
        12: ("Heartbeat", 4),
        13: ("LeaveGroup", 4),
        14: ("SyncGroup", 4),
        15: ("DescribeGroups", 5),
        16: ("ListGroups", 3),
        17: ("SaslHandshake", .max),
        18: ("ApiVersions", 3),
        19: ("CreateTopics", 5),
        20: ("DeleteTopics", 4),
        21: ("DeleteRecords", 2),
        22: ("InitProducerId", 2),
        23: ("OffsetForLeaderEpoch", 4),
        24: ("AddPartitionsToTxn", 3),
        25: ("AddOffsetsToTxn", 3),
        26: ("EndTxn", 3),
        27: ("WriteTxnMarkers", 1),
        28: ("TxnOffsetCommit", 3),
        29: ("DescribeAcls", 2),
        30: ("CreateAcls", 2),
        31: ("DeleteAcls", 2),
        32: ("DescribeConfigs", 4),
        33: ("AlterConfigs", 2),
        34: ("AlterReplicaLogDirs", 2),
        35: ("DescribeLogDirs", 2),
        36: ("SaslAuthenticate", 2),
        37: ("CreatePartitions", 2),
        38: ("CreateDelegationToken", 2),
        39: ("RenewDelegationToken", 2),
        40: ("ExpireDelegationToken", 2),
        41: ("DescribeDelegationToken", 2),
        42: ("DeleteGroups", 2),
        43: ("ElectLeaders", 2),
        44: ("IncrementalAlterConfigs", 1),
        45: ("AlterPartitionReassignments", 0),
        46: ("ListPartitionReassignments", 0),
        47: ("OffsetDelete", .max),
        48: ("DescribeClientQuotas", 1),
        49: ("AlterClientQuotas", 1),
        50: ("DescribeUserScramCredentials", 0),
        51: ("AlterUserScramCredentials", 0),
        55: ("DescribeQuorum", 0),
        57: ("UpdateFeatures", 0),
        60: ("DescribeCluster", 0),
        61: ("DescribeProducers", 0),
        64: ("UnregisterBroker", 0),
        65: ("DescribeTransactions", 0),
        66: ("ListTransactions", 0),
        68: ("ConsumerGroupHeartbeat", 0),
        69: ("ConsumerGroupDescribe", 0),
        71: ("GetTelemetrySubscriptions", 0),
        72: ("PushTelemetry", 0),
        74: ("ListConfigResources", 0),
        75: ("DescribeTopicPartitions", 0),
    ]
}
