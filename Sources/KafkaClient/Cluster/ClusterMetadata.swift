import KafkaProtocol

/// What the cluster looked like when it was last asked.
struct ClusterMetadata: Sendable {
    /// One partition.
    struct Partition: Sendable {
        var id: Int32
        var leader: Int32
        var leaderEpoch: Int32
        var replicas: [Int32]
        var inSyncReplicas: [Int32]
        var errorCode: ErrorCode
    }

    /// One topic.
    struct Topic: Sendable {
        var name: String
        var id: KafkaUUID
        var isInternal: Bool
        var partitions: [Partition]
        var errorCode: ErrorCode
        var updated: ContinuousClock.Instant

        func partition(_ id: Int32) -> Partition? {
            if id >= 0, Int(id) < partitions.count, partitions[Int(id)].id == id { return partitions[Int(id)] }
            return partitions.first { $0.id == id }
        }
    }

    var clusterID: String?
    var controllerID: Int32 = -1
    var brokers: [Int32: BrokerNode] = [:]
    var topics: [String: Topic] = [:]
    private var namesByID: [KafkaUUID: String] = [:]

    func topicName(_ id: KafkaUUID) -> String? { namesByID[id] }

    func leader(of partition: TopicPartition) -> BrokerNode? {
        guard let leader = topics[partition.topic]?.partition(partition.partition)?.leader else { return nil }
        return brokers[leader]
    }

    /// Whether records for these topics can be placed without asking.
    func isUsable(_ names: [String], maxAge: Duration) -> Bool {
        guard !brokers.isEmpty else { return false }
        let now = ContinuousClock.now
        return names.allSatisfy { name in
            guard let topic = topics[name], topic.errorCode == .none, !topic.partitions.isEmpty else { return false }
            return topic.updated.duration(to: now) < maxAge
        }
    }

    /// Takes in an answer. With `isComplete`, topics that it does not name are gone.
    mutating func update(_ response: MetadataResponse, isComplete: Bool, now: ContinuousClock.Instant) {
        clusterID = response.clusterId ?? clusterID
        controllerID = response.controllerId
        if !response.brokers.isEmpty {
            brokers = [:]
            for broker in response.brokers {
                brokers[broker.nodeId] = BrokerNode(
                    id: broker.nodeId, address: HostPort(host: broker.host, port: Int(broker.port)), rack: broker.rack)
            }
        }
        let old = topics
        if isComplete {
            topics = [:]
            namesByID = [:]
        }
        for answer in response.topics {
            guard let name = answer.name ?? topicName(answer.topicId) else { continue }
            topics[name] = Self.topic(answer, name: name, known: old[name], now: now)
            if answer.topicId != .zero { namesByID[answer.topicId] = name }
        }
    }

    private static func topic(
        _ answer: MetadataResponse.MetadataResponseTopic, name: String, known: Topic?, now: ContinuousClock.Instant
    ) -> Topic {
        let sameTopic = known?.id == answer.topicId
        var partitions = answer.partitions.map { partition in
            let fresh = Partition(
                id: partition.partitionIndex, leader: partition.leaderId, leaderEpoch: partition.leaderEpoch,
                replicas: partition.replicaNodes, inSyncReplicas: partition.isrNodes, errorCode: partition.errorCode)
            // A broker that lags behind may name a leader of an earlier epoch (Java: Metadata.updateLatestMetadata).
            if sameTopic, fresh.leaderEpoch >= 0, let old = known?.partition(fresh.id),
                old.leaderEpoch > fresh.leaderEpoch
            {
                return old
            }
            return fresh
        }
        partitions.sort { $0.id < $1.id }
        return Topic(
            name: name, id: answer.topicId, isInternal: answer.isInternal, partitions: partitions,
            errorCode: answer.errorCode, updated: now)
    }

    mutating func forget(topic: String) {
        if let id = topics.removeValue(forKey: topic)?.id { namesByID[id] = nil }
    }
}
