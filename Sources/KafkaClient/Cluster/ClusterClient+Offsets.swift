import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

/// An offset that ListOffsets found.
public struct ListedOffset: Hashable, Sendable {
    /// The offset; -1 when no record is at or after the time asked for.
    public var offset: Int64
    /// The record's timestamp in ms since 1970; -1 for the ends of the log.
    public var timestamp: Int64
    /// The leader epoch of the record, -1 if unknown.
    public var leaderEpoch: Int32

    /// Makes an offset.
    public init(offset: Int64, timestamp: Int64 = -1, leaderEpoch: Int32 = -1) {
        self.offset = offset
        self.timestamp = timestamp
        self.leaderEpoch = leaderEpoch
    }
}

/// What to look up with ListOffsets.
public enum OffsetSpec: Hashable, Sendable {
    /// The first record there is.
    case earliest
    /// Behind the last record (or the last stable one, when reading committed).
    case latest
    /// The record with the highest timestamp (needs Kafka 3.0).
    case maxTimestamp
    /// The first record at or after this time, in ms since 1970.
    case timestamp(Int64)

    var wireValue: Int64 {
        switch self {
        case .latest: -1
        case .earliest: -2
        case .maxTimestamp: -3
        case .timestamp(let time): time
        }
    }
}

extension ClusterClient {
    /// Looks offsets up at the partitions' leaders, asking again those that moved, until `timeout`.
    func listOffsets(
        _ specs: [TopicPartition: OffsetSpec], isolation: ConsumerConfiguration.IsolationLevel = .readUncommitted,
        timeout: Duration? = nil
    ) async throws -> [TopicPartition: Result<ListedOffset, KafkaError>] {
        var results: [TopicPartition: Result<ListedOffset, KafkaError>] = [:]
        var open = specs
        do {
            try await retrying(timeout: timeout) {
                let round = try await listOffsetsOnce(open, isolation: isolation)
                results.merge(round) { $1 }
                open = open.filter { partition, _ in
                    if case .failure(let error) = round[partition] { return error.isRetriable }
                    return false
                }
                if let partition = open.keys.first, case .failure(let error)? = round[partition] {
                    _ = try? await refreshMetadata(topics: Array(Set(open.keys.map(\.topic))))
                    throw error
                }
            }
        } catch let error as KafkaError {
            for partition in open.keys where results[partition] == nil { results[partition] = .failure(error) }
        }
        return results
    }

    private func listOffsetsOnce(
        _ specs: [TopicPartition: OffsetSpec], isolation: ConsumerConfiguration.IsolationLevel
    ) async throws -> [TopicPartition: Result<ListedOffset, KafkaError>] {
        let known = try await metadata(topics: Array(Set(specs.keys.map(\.topic))))
        var results: [TopicPartition: Result<ListedOffset, KafkaError>] = [:]
        var byLeader: [BrokerNode: [TopicPartition: OffsetSpec]] = [:]
        for (partition, spec) in specs {
            if let leader = known.leader(of: partition) {
                byLeader[leader, default: [:]][partition] = spec
            } else {
                results[partition] = .failure(Self.missingLeader(partition, known))
            }
        }
        for (leader, part) in byLeader {
            do {
                let floor: Int16 = part.values.contains(.maxTimestamp) ? 7 : 1
                let response: ListOffsetsResponse = try await call(at: leader.address, atLeast: floor) { version in
                    Self.listOffsetsRequest(part, isolation: isolation, version: version)
                }
                for topic in response.topics {
                    for answer in topic.partitions {
                        let partition = TopicPartition(topic: topic.name, partition: answer.partitionIndex)
                        results[partition] =
                            answer.errorCode == .none
                            ? .success(
                                ListedOffset(
                                    offset: answer.offset, timestamp: answer.timestamp,
                                    leaderEpoch: answer.leaderEpoch))
                            : .failure(.broker(answer.errorCode, "looking up offsets of \(partition)"))
                    }
                }
            } catch let error as KafkaError {
                for partition in part.keys { results[partition] = .failure(error) }
            }
        }
        return results
    }

    private static func listOffsetsRequest(
        _ specs: [TopicPartition: OffsetSpec], isolation: ConsumerConfiguration.IsolationLevel, version: Int16
    ) -> ListOffsetsRequest {
        var request = ListOffsetsRequest()
        request.replicaId = -1
        request.isolationLevel = version >= 2 ? isolation.rawValue : 0
        request.topics = Dictionary(grouping: specs, by: \.key.topic).map { topic, entries in
            var entry = ListOffsetsRequest.ListOffsetsTopic()
            entry.name = topic
            entry.partitions = entries.map { partition, spec in
                var wire = ListOffsetsRequest.ListOffsetsTopic.ListOffsetsPartition()
                wire.partitionIndex = partition.partition
                wire.timestamp = spec.wireValue
                return wire
            }
            return entry
        }
        return request
    }

    // MARK: - Committed offsets

    /// A group's committed offsets: of some partitions, or with nil of all. Partitions without one are absent.
    func committedOffsets(
        group: String, partitions: [TopicPartition]?, requireStable: Bool = false, timeout: Duration? = nil
    ) async throws -> [TopicPartition: OffsetAndMetadata] {
        try await retrying(timeout: timeout) {
            // Version 10 wants topic ids, of topics that may be gone by now.
            let response: OffsetFetchResponse = try await callCoordinator(
                group: group, limit: 9, atLeast: partitions == nil ? 2 : 1
            ) { version in
                Self.offsetFetchRequest(group, partitions, requireStable: requireStable, version: version)
            }
            var entries: [(String, Int32, Int64, Int32, String?, ErrorCode)] = []
            try check(response.errorCode, group: group, "offsets of group '\(group)'")
            for answer in response.groups {
                try check(answer.errorCode, group: group, "offsets of group '\(group)'")
                for topic in answer.topics {
                    entries += topic.partitions.map {
                        (
                            topic.name, $0.partitionIndex, $0.committedOffset, $0.committedLeaderEpoch, $0.metadata,
                            $0.errorCode
                        )
                    }
                }
            }
            for topic in response.topics {
                entries += topic.partitions.map {
                    (
                        topic.name, $0.partitionIndex, $0.committedOffset, $0.committedLeaderEpoch, $0.metadata,
                        $0.errorCode
                    )
                }
            }
            var result: [TopicPartition: OffsetAndMetadata] = [:]
            for (topic, partition, offset, epoch, metadata, error) in entries {
                if error == .unknownTopicOrPartition { continue }
                try check(error, group: group, "committed offset of \(topic)-\(partition) in group '\(group)'")
                guard offset >= 0 else { continue }
                result[TopicPartition(topic: topic, partition: partition)] = OffsetAndMetadata(
                    offset: offset, leaderEpoch: epoch, metadata: metadata ?? "")
            }
            return result
        }
    }

    private static func offsetFetchRequest(
        _ group: String, _ partitions: [TopicPartition]?, requireStable: Bool, version: Int16
    ) -> OffsetFetchRequest {
        var request = OffsetFetchRequest()
        request.requireStable = version >= 7 && requireStable
        let grouped = partitions.map { Dictionary(grouping: $0, by: \.topic) }
        guard version >= 8 else {
            request.groupId = group
            request.topics = grouped?.map { topic, partitions in
                var entry = OffsetFetchRequest.OffsetFetchRequestTopic()
                entry.name = topic
                entry.partitionIndexes = partitions.map(\.partition)
                return entry
            }
            return request
        }
        var entry = OffsetFetchRequest.OffsetFetchRequestGroup()
        entry.groupId = group
        entry.topics = grouped?.map { topic, partitions in
            var entry = OffsetFetchRequest.OffsetFetchRequestGroup.OffsetFetchRequestTopics()
            entry.name = topic
            entry.partitionIndexes = partitions.map(\.partition)
            return entry
        }
        request.groups = [entry]
        return request
    }

    /// Commits offsets, as a member of the group or (without credentials) from outside of an empty one. The result
    /// names the partitions that were refused for good.
    func commitOffsets(
        _ offsets: [TopicPartition: OffsetAndMetadata], group: String,
        credentials: (memberID: String, generation: Int32)? = nil, instanceID: String? = nil, timeout: Duration? = nil
    ) async throws {
        guard !offsets.isEmpty else { return }
        try await retrying(timeout: timeout) {
            let response: OffsetCommitResponse = try await callCoordinator(
                group: group, limit: 9, atLeast: 2
            ) { version in
                var request = OffsetCommitRequest()
                request.groupId = group
                request.generationIdOrMemberEpoch = credentials?.generation ?? -1
                request.memberId = credentials?.memberID ?? ""
                request.groupInstanceId = credentials == nil ? nil : instanceID
                request.topics = Dictionary(grouping: offsets, by: \.key.topic).map { topic, entries in
                    var entry = OffsetCommitRequest.OffsetCommitRequestTopic()
                    entry.name = topic
                    entry.partitions = entries.map { partition, offset in
                        var wire = OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition()
                        wire.partitionIndex = partition.partition
                        wire.committedOffset = offset.offset
                        wire.committedLeaderEpoch = version >= 6 ? offset.leaderEpoch : -1
                        wire.committedMetadata = offset.metadata
                        return wire
                    }
                    return entry
                }
                return request
            }
            for topic in response.topics {
                for answer in topic.partitions {
                    try check(
                        answer.errorCode, group: group,
                        "committing \(topic.name)-\(answer.partitionIndex) in group '\(group)'")
                }
            }
        }
    }
}
