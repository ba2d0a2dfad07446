import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

extension ClusterClient {
    /// Asks for metadata once. `topics` nil asks for all topics.
    @discardableResult
    func refreshMetadata(topics: [String]?, allowAutoCreation: Bool = false) async throws -> ClusterMetadata {
        let response: MetadataResponse = try await callAny(atLeast: 1) { version in
            var request = MetadataRequest()
            request.topics = topics.map { names in
                names.map { name in
                    var topic = MetadataRequest.MetadataRequestTopic()
                    topic.name = name
                    return topic
                }
            }
            request.allowAutoTopicCreation = version < 4 ? true : allowAutoCreation
            return request
        }
        guard response.errorCode == .none else {
            var error = KafkaError.broker(response.errorCode, "Metadata failed")
            if response.errorCode == .rebootstrapRequired {
                // KIP-1102: begin again with the bootstrap servers.
                state.withLockedValue { ($0.metadata, $0.coordinators) = (ClusterMetadata(), [:]) }
                error.isRetriable = true
            }
            throw error
        }
        let isComplete = topics == nil
        return state.withLockedValue { state in
            state.metadata.update(response, isComplete: isComplete, now: .now)
            return state.metadata
        }
    }

    /// The metadata of some topics, from the cache if young enough. Topics that do not exist carry their error.
    func metadata(
        topics: [String], allowAutoCreation: Bool = false, maxAge: Duration? = nil
    ) async throws -> ClusterMetadata {
        let now = ContinuousClock.now
        let age = maxAge ?? configuration.metadataMaxAge
        let cached = metadata
        let isFresh = topics.allSatisfy { name in
            guard let topic = cached.topics[name], topic.errorCode == .none else { return false }
            return topic.updated.duration(to: now) < age
        }
        if isFresh, !cached.brokers.isEmpty { return cached }
        return try await refreshMetadata(topics: topics, allowAutoCreation: allowAutoCreation)
    }

    /// The leader of a partition; throws a retriable error while there is none.
    func leader(of partition: TopicPartition) async throws -> BrokerNode {
        if let leader = metadata.leader(of: partition) { return leader }
        let fresh = try await refreshMetadata(topics: [partition.topic])
        if let leader = fresh.leader(of: partition) { return leader }
        throw Self.missingLeader(partition, fresh)
    }

    static func missingLeader(_ partition: TopicPartition, _ metadata: ClusterMetadata) -> KafkaError {
        guard let topic = metadata.topics[partition.topic] else {
            return KafkaError.broker(.unknownTopicOrPartition, "topic \(partition.topic)")
        }
        if topic.errorCode != .none { return KafkaError.broker(topic.errorCode, "topic \(partition.topic)") }
        if topic.partition(partition.partition) == nil {
            return KafkaError.broker(
                .unknownTopicOrPartition, "partition \(partition)",
                detail: "the topic has \(topic.partitions.count) partition(s), counted from 0")
        }
        return KafkaError.broker(.leaderNotAvailable, "partition \(partition)")
    }

    /// The next requests for this topic ask for its leaders again.
    func invalidate(topic: String) {
        state.withLockedValue { $0.metadata.forget(topic: topic) }
    }

    /// A broker to send cluster-wide changes to: the controller if it is known, else any.
    func controller() async throws -> BrokerNode {
        var known = metadata
        if known.brokers.isEmpty { known = try await refreshMetadata(topics: []) }
        if let controller = known.brokers[known.controllerID] { return controller }
        guard let any = known.brokers.values.randomElement() else {
            throw KafkaError(.connectionFailed, "the cluster told no brokers", isRetriable: true)
        }
        return any
    }

    // MARK: - Coordinators

    /// The broker that coordinates a group or a transactional id, from the cache or asked for.
    func coordinator(_ key: CoordinatorKey) async throws -> BrokerNode {
        if let known = state.withLockedValue({ $0.coordinators[key] }) { return known }
        let response: FindCoordinatorResponse = try await callAny { version in
            var request = FindCoordinatorRequest()
            if version >= 4 { request.coordinatorKeys = [key.name] } else { request.key = key.name }
            if version >= 1 { request.keyType = key.kind.rawValue }
            return request
        }
        let what = "the coordinator of \(key.kind == .group ? "group" : "transactional.id") '\(key.name)'"
        let node: BrokerNode
        if let found = response.coordinators.first {
            guard found.errorCode == .none else {
                throw KafkaError.broker(found.errorCode, what, detail: found.errorMessage)
            }
            node = BrokerNode(id: found.nodeId, address: HostPort(host: found.host, port: Int(found.port)))
        } else {
            guard response.errorCode == .none else {
                throw KafkaError.broker(response.errorCode, what, detail: response.errorMessage)
            }
            node = BrokerNode(id: response.nodeId, address: HostPort(host: response.host, port: Int(response.port)))
        }
        logger.debug("found coordinator", metadata: ["key": "\(key.name)", "broker": "\(node)"])
        state.withLockedValue { $0.coordinators[key] = node }
        return node
    }

    /// The coordinator has moved or can't be reached: look it up before the next request.
    func forgetCoordinator(_ key: CoordinatorKey) {
        state.withLockedValue { $0.coordinators[key] = nil }
    }

    /// Sends a request to a group's coordinator, once. Lost connections make the next call look the coordinator up.
    func callCoordinator<R: KafkaRequest>(
        group: String, purpose: Purpose = .general, limit: Int16 = .max, atLeast floor: Int16 = 0,
        timeout: Duration? = nil, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        try await callCoordinator(
            CoordinatorKey(kind: .group, name: group), purpose: purpose, limit: limit, atLeast: floor,
            timeout: timeout, build: build)
    }

    /// As the other, for any kind of coordinator.
    func callCoordinator<R: KafkaRequest>(
        _ key: CoordinatorKey, purpose: Purpose = .general, limit: Int16 = .max, atLeast floor: Int16 = 0,
        timeout: Duration? = nil, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        let node = try await coordinator(key)
        do {
            return try await call(
                at: node.address, purpose: purpose, limit: limit, atLeast: floor, timeout: timeout, build: build)
        } catch let error as KafkaError where error.isRetriable {
            forgetCoordinator(key)
            throw error
        }
    }

    /// Turns an answer's error code into a thrown error, forgetting the coordinator where the code asks for it.
    func check(_ code: ErrorCode, group: String, _ what: String) throws(KafkaError) {
        guard code != .none else { return }
        if code.asksForCoordinator { forgetCoordinator(CoordinatorKey(kind: .group, name: group)) }
        throw KafkaError.broker(code, what)
    }
}
