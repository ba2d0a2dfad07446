import KafkaProtocol
public import Logging
public import NIOCore

/// Manages topics, configurations and groups. Calls repeat themselves while brokers move, until
/// `default.api.timeout.ms`.
///
/// Calls about several things answer for each of them: a dictionary of results.
public final class KafkaAdminClient: Sendable {
    /// The configuration it was made with.
    public let configuration: ClientConfiguration
    let cluster: ClusterClient
    private let ownsCluster: Bool

    /// Makes an admin client with connections of its own.
    public init(
        configuration: ClientConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil, logger: Logger
    ) throws {
        _ = try configuration.bootstrapAddresses()
        self.configuration = configuration
        cluster = ClusterClient(configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        ownsCluster = true
    }

    /// Makes an admin client on shared connections, which stay open when it is closed.
    public init(cluster: ClusterClient) {
        configuration = cluster.configuration
        self.cluster = cluster
        ownsCluster = false
    }

    /// Closes the connections.
    public func close() async {
        if ownsCluster { cluster.close() }
    }

    // MARK: - Cluster

    /// Id, controller and brokers of the cluster.
    public func describeCluster() async throws -> ClusterDescription {
        let metadata = try await cluster.retrying { try await cluster.refreshMetadata(topics: []) }
        return ClusterDescription(
            clusterID: metadata.clusterID, controllerID: metadata.controllerID,
            brokers: metadata.brokers.values.sorted { $0.id < $1.id })
    }

    // MARK: - Topics

    /// All topics, by name.
    public func listTopics(includeInternal: Bool = false) async throws -> [TopicListing] {
        let metadata = try await cluster.retrying { try await cluster.refreshMetadata(topics: nil) }
        return metadata.topics.values
            .filter { includeInternal || !$0.isInternal }
            .map { TopicListing(name: $0.name, id: $0.id, isInternal: $0.isInternal) }
            .sorted { $0.name < $1.name }
    }

    /// Topics with their partitions. A topic that does not exist is a failure of that topic; it is not created.
    public func describeTopics(
        _ names: [String]
    ) async throws -> [String: Result<TopicDescription, KafkaError>] {
        let metadata = try await cluster.retrying { try await cluster.refreshMetadata(topics: names) }
        var results: [String: Result<TopicDescription, KafkaError>] = [:]
        for name in names {
            guard let topic = metadata.topics[name] else {
                results[name] = .failure(.broker(.unknownTopicOrPartition, "topic \(name)"))
                continue
            }
            guard topic.errorCode == .none else {
                results[name] = .failure(.broker(topic.errorCode, "topic \(name)"))
                continue
            }
            let partitions = topic.partitions.map {
                TopicDescription.Partition(
                    id: $0.id, leader: $0.leader, leaderEpoch: $0.leaderEpoch, replicas: $0.replicas,
                    inSyncReplicas: $0.inSyncReplicas)
            }
            results[name] = .success(
                TopicDescription(name: name, id: topic.id, isInternal: topic.isInternal, partitions: partitions))
        }
        return results
    }

    /// Creates topics. With `validateOnly` only says whether it could.
    public func createTopics(
        _ topics: [TopicToCreate], validateOnly: Bool = false, timeout: Duration? = nil
    ) async throws -> [String: Result<Void, KafkaError>] {
        let patience = (timeout ?? configuration.requestTimeout).milliseconds
        let answers: [String: Answer] = try await perEntity(topics.map(\.name), what: "creating topic") { open in
            let response: CreateTopicsResponse = try await self.atController(atLeast: 2) { _ in
                var request = CreateTopicsRequest()
                request.timeoutMs = patience
                request.validateOnly = validateOnly
                request.topics = topics.filter { open.contains($0.name) }.map(Self.creatable)
                return request
            }
            return response.topics.map { ($0.name, $0.errorCode, $0.errorMessage) }
        }
        return answers
    }

    private static func creatable(_ topic: TopicToCreate) -> CreateTopicsRequest.CreatableTopic {
        var entry = CreateTopicsRequest.CreatableTopic()
        entry.name = topic.name
        entry.numPartitions = topic.partitions
        entry.replicationFactor = topic.replicationFactor
        entry.configs = topic.configs.sorted { $0.key < $1.key }.map {
            var config = CreateTopicsRequest.CreatableTopic.CreatableTopicConfig()
            config.name = $0.key
            config.value = $0.value
            return config
        }
        return entry
    }

    /// Deletes topics with all their records.
    public func deleteTopics(_ names: [String]) async throws -> [String: Result<Void, KafkaError>] {
        let patience = configuration.requestTimeout.milliseconds
        return try await perEntity(names, what: "deleting topic") { open in
            let response: DeleteTopicsResponse = try await self.atController(atLeast: 1) { version in
                var request = DeleteTopicsRequest()
                request.timeoutMs = patience
                if version >= 6 {
                    request.topics = open.map {
                        var topic = DeleteTopicsRequest.DeleteTopicState()
                        topic.name = $0
                        return topic
                    }
                } else {
                    request.topicNames = open
                }
                return request
            }
            return response.responses.map { ($0.name ?? "", $0.errorCode, $0.errorMessage) }
        }
    }

    /// Raises the number of partitions of topics to the given totals.
    public func createPartitions(
        _ totals: [String: Int32], validateOnly: Bool = false
    ) async throws -> [String: Result<Void, KafkaError>] {
        let patience = configuration.requestTimeout.milliseconds
        return try await perEntity(Array(totals.keys), what: "adding partitions to") { open in
            let response: CreatePartitionsResponse = try await self.atController { _ in
                var request = CreatePartitionsRequest()
                request.timeoutMs = patience
                request.validateOnly = validateOnly
                request.topics = open.map {
                    var topic = CreatePartitionsRequest.CreatePartitionsTopic()
                    topic.name = $0
                    topic.count = totals[$0] ?? -1
                    topic.assignments = nil
                    return topic
                }
                return request
            }
            return response.results.map { ($0.name, $0.errorCode, $0.errorMessage) }
        }
    }

    // MARK: - Shared

    /// What became of one thing.
    typealias Answer = Result<Void, KafkaError>

    /// Sends a change to the controller.
    func atController<R: KafkaRequest>(
        atLeast floor: Int16 = 0, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        let controller = try await cluster.controller()
        do {
            return try await cluster.call(
                at: controller.address, atLeast: floor, timeout: configuration.requestTimeout + .seconds(5),
                build: build)
        } catch let error as KafkaError where error.isRetriable {
            _ = try? await cluster.refreshMetadata(topics: [])
            throw error
        }
    }

    /// Repeats a call for those things that got a retriable error, until time is up.
    func perEntity(
        _ names: [String], what: String,
        _ body: ([String]) async throws -> [(name: String, code: ErrorCode, message: String?)]
    ) async throws -> [String: Answer] {
        guard !names.isEmpty else { return [:] }
        var results: [String: Answer] = [:]
        var open = names
        do {
            try await cluster.retrying {
                let answers = try await body(open)
                var again: KafkaError?
                for (name, code, message) in answers {
                    guard code != .none else {
                        results[name] = .success(())
                        continue
                    }
                    var error = KafkaError.broker(code, "\(what) \(name)", detail: message)
                    // "Does not exist" is an answer here, not a matter of time.
                    if code == .unknownTopicOrPartition || code == .unknownTopicId { error.isRetriable = false }
                    results[name] = .failure(error)
                    if error.isRetriable { again = error }
                }
                open = open.filter { name in
                    if case .failure(let error)? = results[name] { return error.isRetriable }
                    return false
                }
                guard let again else { return }
                _ = try? await cluster.refreshMetadata(topics: [])
                throw again
            }
        } catch let error as KafkaError {
            for name in names where results[name] == nil { results[name] = .failure(error) }
            if results.isEmpty || error.code == .connectionFailed { throw error }
        }
        return results
    }
}
