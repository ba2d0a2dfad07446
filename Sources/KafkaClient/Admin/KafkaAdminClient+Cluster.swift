import KafkaProtocol

/// A folder in which a broker keeps partitions.
public struct LogDirectoryDescription: Sendable {
    /// A replica in it.
    public struct Replica: Sendable, Hashable {
        /// Bytes on disk.
        public var size: Int64
        /// By how many records it is behind.
        public var offsetLag: Int64
        /// Whether it is on its way into this folder.
        public var isFuture: Bool
    }

    /// Why the folder can't be used; nil if it can.
    public var error: KafkaError?
    /// What is in it.
    public var replicas: [TopicPartition: Replica]
    /// The size of the device, if the broker tells.
    public var totalBytes: Int64?
    /// What is free there, if the broker tells.
    public var usableBytes: Int64?
}

/// The controllers of the cluster.
public struct QuorumDescription: Sendable {
    /// One of them.
    public struct Replica: Sendable, Hashable {
        /// Its node id.
        public var nodeID: Int32
        /// How far it has read the metadata log.
        public var logEndOffset: Int64
    }

    /// The leading controller; -1 if there is none.
    public var leaderID: Int32
    /// Counts changes of the leader.
    public var leaderEpoch: Int32
    /// How far the metadata log is committed.
    public var highWatermark: Int64
    /// Those that vote.
    public var voters: [Replica]
    /// Those that only read.
    public var observers: [Replica]
}

/// How a leader is elected; the values are the wire's.
public enum ElectionType: Int8, Sendable {
    /// The first of the replicas.
    case preferred = 0
    /// Any that is alive, though it may lack records.
    case unclean = 1
}

/// A move of a partition's replicas that is under way.
public struct PartitionReassignment: Sendable, Hashable {
    /// All replicas, old and new.
    public var replicas: [Int32]
    /// Those that come.
    public var adding: [Int32]
    /// Those that go.
    public var removing: [Int32]
}

/// How a feature's level may change; the values are the wire's.
public enum FeatureUpgradeType: Int8, Sendable {
    /// Only up.
    case upgrade = 1
    /// Down where that loses nothing.
    case safeDowngrade = 2
    /// Down, whatever is lost.
    case unsafeDowngrade = 3
}

extension KafkaAdminClient {
    // MARK: - Disks

    /// The log folders of brokers by path: all they have, or with `topics` what those have in them.
    public func describeLogDirectories(
        of brokers: [Int32]? = nil, topics: [String]? = nil
    ) async throws -> [Int32: [String: LogDirectoryDescription]] {
        let nodes = try await nodes(brokers)
        var partitions: [DescribeLogDirsRequest.DescribableLogDirTopic]?
        if let topics {
            partitions = try await describeTopics(topics).map { name, description in
                var entry = DescribeLogDirsRequest.DescribableLogDirTopic()
                entry.topic = name
                entry.partitions = try description.get().partitions.map(\.id)
                return entry
            }
        }
        let wanted = partitions
        var result: [Int32: [String: LogDirectoryDescription]] = [:]
        for node in nodes {
            let response: DescribeLogDirsResponse = try await cluster.retrying {
                try await cluster.call(at: node.address) { _ in
                    var request = DescribeLogDirsRequest()
                    request.topics = wanted
                    return request
                }
            }
            guard response.errorCode == .none else {
                throw KafkaError.broker(response.errorCode, "log folders of broker \(node)")
            }
            result[node.id] = Dictionary(response.results.map { ($0.logDir, Self.directory($0)) }) { $1 }
        }
        return result
    }

    private static func directory(_ answer: DescribeLogDirsResponse.DescribeLogDirsResult) -> LogDirectoryDescription {
        var replicas: [TopicPartition: LogDirectoryDescription.Replica] = [:]
        for topic in answer.topics {
            for partition in topic.partitions {
                replicas[TopicPartition(topic: topic.name, partition: partition.partitionIndex)] = .init(
                    size: partition.partitionSize, offsetLag: partition.offsetLag, isFuture: partition.isFutureKey)
            }
        }
        return LogDirectoryDescription(
            error: answer.errorCode == .none ? nil : .broker(answer.errorCode, "log folder \(answer.logDir)"),
            replicas: replicas, totalBytes: answer.totalBytes >= 0 ? answer.totalBytes : nil,
            usableBytes: answer.usableBytes >= 0 ? answer.usableBytes : nil)
    }

    private func nodes(_ ids: [Int32]?) async throws -> [BrokerNode] {
        let metadata = try await cluster.retrying { try await cluster.refreshMetadata(topics: []) }
        guard let ids else { return metadata.brokers.values.sorted { $0.id < $1.id } }
        return try ids.map { id in
            guard let node = metadata.brokers[id] else {
                throw KafkaError(.invalidConfiguration, "the cluster has no broker \(id)", isRetriable: false)
            }
            return node
        }
    }

    // MARK: - Controllers and features

    /// The controllers (Kafka 3.3 without ZooKeeper).
    public func describeMetadataQuorum() async throws -> QuorumDescription {
        let response: DescribeQuorumResponse = try await cluster.retrying {
            try await cluster.callAny { _ in
                var partition = DescribeQuorumRequest.TopicData.PartitionData()
                partition.partitionIndex = 0
                var topic = DescribeQuorumRequest.TopicData()
                topic.topicName = "__cluster_metadata"
                topic.partitions = [partition]
                var request = DescribeQuorumRequest()
                request.topics = [topic]
                return request
            }
        }
        guard response.errorCode == .none, let found = response.topics.first?.partitions.first else {
            throw KafkaError.broker(response.errorCode, "describing the quorum", detail: response.errorMessage)
        }
        guard found.errorCode == .none else {
            throw KafkaError.broker(found.errorCode, "describing the quorum", detail: found.errorMessage)
        }
        func replica(_ state: DescribeQuorumResponse.ReplicaState) -> QuorumDescription.Replica {
            .init(nodeID: state.replicaId, logEndOffset: state.logEndOffset)
        }
        return QuorumDescription(
            leaderID: found.leaderId, leaderEpoch: found.leaderEpoch, highWatermark: found.highWatermark,
            voters: found.currentVoters.map(replica), observers: found.observers.map(replica))
    }

    /// Sets the cluster's features, such as `transaction.version`, to levels; 0 removes one (Kafka 2.7).
    public func updateFeatures(
        _ levels: [String: Int16], upgradeType: FeatureUpgradeType = .upgrade, validateOnly: Bool = false
    ) async throws {
        let patience = configuration.requestTimeout.milliseconds
        let response: UpdateFeaturesResponse = try await cluster.retrying {
            try await self.atController(atLeast: validateOnly ? 1 : 0) { version in
                var request = UpdateFeaturesRequest()
                request.timeoutMs = patience
                if version >= 1 { request.validateOnly = validateOnly }
                request.featureUpdates = levels.sorted { $0.key < $1.key }.map { name, level in
                    var update = UpdateFeaturesRequest.FeatureUpdateKey()
                    (update.feature, update.maxVersionLevel) = (name, level)
                    if version >= 1 {
                        update.upgradeType = upgradeType.rawValue
                    } else {
                        update.allowDowngrade = upgradeType != .upgrade
                    }
                    return update
                }
                return request
            }
        }
        let failed = response.results.first { $0.errorCode != .none }
        guard response.errorCode == .none, failed == nil else {
            let code = response.errorCode == .none ? failed?.errorCode ?? .none : response.errorCode
            throw KafkaError.broker(
                code, failed.map { "feature \($0.feature)" } ?? "updating features",
                detail: failed?.errorMessage ?? response.errorMessage)
        }
    }

    /// Makes the controllers forget a broker that is gone for good.
    public func unregisterBroker(_ id: Int32) async throws {
        let response: UnregisterBrokerResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = UnregisterBrokerRequest()
                request.brokerId = id
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "unregistering broker \(id)", detail: response.errorMessage)
        }
    }

    /// Names of all that has a configuration of its own, by the wire's numbers of their kinds: 2 topics, 4 brokers,
    /// 8 loggers, 16 client metrics, 32 groups. With an empty list: of every kind (Kafka 4.1; before: client metrics).
    public func listConfigResources(kinds: [Int8] = []) async throws -> [Int8: [String]] {
        let response: ListConfigResourcesResponse = try await cluster.retrying {
            try await cluster.callAny(atLeast: kinds.isEmpty ? 0 : 1) { version in
                var request = ListConfigResourcesRequest()
                if version >= 1 { request.resourceTypes = kinds }
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "listing what has a configuration")
        }
        return Dictionary(grouping: response.configResources, by: \.resourceType)
            .mapValues { $0.map(\.resourceName).sorted() }
    }

    // MARK: - Leaders and replicas

    /// Elects leaders of partitions, or with nil of all that need it. Partitions that need none are failures with
    /// ELECTION_NOT_NEEDED.
    public func electLeaders(
        _ type: ElectionType, of partitions: [TopicPartition]?
    ) async throws -> [TopicPartition: Result<Void, KafkaError>] {
        let patience = configuration.requestTimeout.milliseconds
        let response: ElectLeadersResponse = try await cluster.retrying {
            try await self.atController(atLeast: type == .preferred ? 0 : 1) { version in
                var request = ElectLeadersRequest()
                request.timeoutMs = patience
                if version >= 1 { request.electionType = type.rawValue }
                request.topicPartitions = partitions.map { partitions in
                    Dictionary(grouping: partitions, by: \.topic).map { topic, partitions in
                        var entry = ElectLeadersRequest.TopicPartitions()
                        (entry.topic, entry.partitions) = (topic, partitions.map(\.partition))
                        return entry
                    }
                }
                return request
            }
        }
        guard response.errorCode == .none else { throw KafkaError.broker(response.errorCode, "electing leaders") }
        var results: [TopicPartition: Result<Void, KafkaError>] = [:]
        for topic in response.replicaElectionResults {
            for answer in topic.partitionResult {
                let partition = TopicPartition(topic: topic.topic, partition: answer.partitionId)
                results[partition] = Self.result(
                    answer.errorCode, "electing the leader of \(partition)", answer.errorMessage)
            }
        }
        return results
    }

    /// Moves partitions to other brokers, by the ids of all that shall have them; nil cancels a move (Kafka 2.4).
    public func alterPartitionReassignments(
        _ replicas: [TopicPartition: [Int32]?]
    ) async throws -> [TopicPartition: Result<Void, KafkaError>] {
        let patience = configuration.requestTimeout.milliseconds
        let response: AlterPartitionReassignmentsResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = AlterPartitionReassignmentsRequest()
                request.timeoutMs = patience
                request.topics = Dictionary(grouping: replicas, by: \.key.topic).map { topic, entries in
                    var entry = AlterPartitionReassignmentsRequest.ReassignableTopic()
                    entry.name = topic
                    entry.partitions = entries.map { partition, replicas in
                        var entry = AlterPartitionReassignmentsRequest.ReassignableTopic.ReassignablePartition()
                        (entry.partitionIndex, entry.replicas) = (partition.partition, replicas)
                        return entry
                    }
                    return entry
                }
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "moving partitions", detail: response.errorMessage)
        }
        var results: [TopicPartition: Result<Void, KafkaError>] = [:]
        for topic in response.responses {
            for answer in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: answer.partitionIndex)
                results[partition] = Self.result(answer.errorCode, "moving \(partition)", answer.errorMessage)
            }
        }
        return results
    }

    /// The moves of partitions that are under way: of some, or of all (Kafka 2.4).
    public func listPartitionReassignments(
        _ partitions: [TopicPartition]? = nil
    ) async throws -> [TopicPartition: PartitionReassignment] {
        let response: ListPartitionReassignmentsResponse = try await cluster.retrying {
            try await self.atController { _ in
                var request = ListPartitionReassignmentsRequest()
                request.topics = partitions.map { partitions in
                    Dictionary(grouping: partitions, by: \.topic).map { topic, partitions in
                        var entry = ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics()
                        (entry.name, entry.partitionIndexes) = (topic, partitions.map(\.partition))
                        return entry
                    }
                }
                return request
            }
        }
        guard response.errorCode == .none else {
            throw KafkaError.broker(response.errorCode, "listing moves of partitions", detail: response.errorMessage)
        }
        var moves: [TopicPartition: PartitionReassignment] = [:]
        for topic in response.topics {
            for entry in topic.partitions {
                moves[TopicPartition(topic: topic.name, partition: entry.partitionIndex)] = PartitionReassignment(
                    replicas: entry.replicas, adding: entry.addingReplicas, removing: entry.removingReplicas)
            }
        }
        return moves
    }

    private static func result(_ code: ErrorCode, _ what: String, _ detail: String?) -> Result<Void, KafkaError> {
        code == .none ? .success(()) : .failure(.broker(code, what, detail: detail))
    }
}
