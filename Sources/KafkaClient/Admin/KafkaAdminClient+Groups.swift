import KafkaProtocol
import NIOCore

extension KafkaAdminClient {
    /// All groups of all brokers, by id.
    public func listConsumerGroups(states: [String] = []) async throws -> [GroupListing] {
        try await cluster.retrying {
            let metadata = try await cluster.refreshMetadata(topics: [])
            var groups: [String: GroupListing] = [:]
            for broker in metadata.brokers.values {
                let response: ListGroupsResponse = try await cluster.call(
                    at: broker.address, atLeast: states.isEmpty ? 0 : 4
                ) { _ in
                    var request = ListGroupsRequest()
                    request.statesFilter = states
                    return request
                }
                guard response.errorCode == .none else {
                    throw KafkaError.broker(response.errorCode, "listing the groups of broker \(broker)")
                }
                for group in response.groups {
                    groups[group.groupId] = GroupListing(
                        groupID: group.groupId, protocolType: group.protocolType, state: group.groupState,
                        type: group.groupType)
                }
            }
            return groups.values.sorted { $0.groupID < $1.groupID }
        }
    }

    /// Groups with their members. A group that does not exist is a failure, or `Dead`, as the broker's version has it.
    public func describeConsumerGroups(
        _ groupIDs: [String]
    ) async throws -> [String: Result<GroupDescription, KafkaError>] {
        var results: [String: Result<GroupDescription, KafkaError>] = [:]
        for groupID in groupIDs {
            do {
                let found = try await describe(groupID)
                // A group of KIP-848 is dead to those who ask in the classic way.
                let isDead = found.state == "Dead"
                results[groupID] = .success(isDead ? try await describeNext(groupID) ?? found : found)
            } catch let error as KafkaError where error.errorCode == .groupIdNotFound {
                results[groupID] = .failure(error)
                if let found = try await describeNext(groupID) { results[groupID] = .success(found) }
            } catch let error as KafkaError where error.code == .broker {
                results[groupID] = .failure(error)
            }
        }
        return results
    }

    private func describe(_ groupID: String) async throws -> GroupDescription {
        try await cluster.retrying {
            let response: DescribeGroupsResponse = try await cluster.callCoordinator(
                group: groupID
            ) { _ in
                var request = DescribeGroupsRequest()
                request.groups = [groupID]
                return request
            }
            guard let group = response.groups.first else {
                throw KafkaError(
                    .malformedResponse, "the broker says nothing of group '\(groupID)'", isRetriable: false)
            }
            try cluster.check(group.errorCode, group: groupID, "group '\(groupID)'")
            return GroupDescription(
                groupID: group.groupId, protocolType: group.protocolType, state: group.groupState,
                protocolName: group.protocolData,
                members: group.members.map { member in
                    GroupDescription.Member(
                        memberID: member.memberId, instanceID: member.groupInstanceId, clientID: member.clientId,
                        clientHost: member.clientHost,
                        assignment: group.protocolType == "consumer" ? Self.assignment(member.memberAssignment) : [])
                },
                coordinator: try? await cluster.coordinator(.init(kind: .group, name: groupID)))
        }
    }

    /// A group of KIP-848; nil if there is none, or if the broker knows no such groups.
    private func describeNext(_ groupID: String) async throws -> GroupDescription? {
        do {
            return try await cluster.retrying {
                let response: ConsumerGroupDescribeResponse = try await cluster.callCoordinator(
                    group: groupID
                ) { _ in
                    var request = ConsumerGroupDescribeRequest()
                    request.groupIds = [groupID]
                    return request
                }
                guard let group = response.groups.first, group.errorCode != .groupIdNotFound else { return nil }
                try cluster.check(group.errorCode, group: groupID, "group '\(groupID)'")
                return GroupDescription(
                    groupID: group.groupId, protocolType: "consumer", state: group.groupState,
                    protocolName: group.assignorName,
                    members: group.members.map { member in
                        GroupDescription.Member(
                            memberID: member.memberId, instanceID: member.instanceId, clientID: member.clientId,
                            clientHost: member.clientHost,
                            assignment: member.assignment.topicPartitions.flatMap { topic in
                                topic.partitions.map { TopicPartition(topic: topic.topicName, partition: $0) }
                            }.sorted())
                    },
                    coordinator: try? await cluster.coordinator(.init(kind: .group, name: groupID)))
            }
        } catch let error as KafkaError where error.code == .unsupportedVersion {
            return nil
        }
    }

    /// Throws static members, by `group.instance.id`, out of a classic group, or with nil all members (Kafka 2.4).
    public func removeMembers(_ instanceIDs: [String]?, fromGroup groupID: String) async throws {
        let reason = "removed by an administrator"
        var members: [LeaveGroupRequest.MemberIdentity] = []
        if let instanceIDs {
            members = instanceIDs.map { id in
                var member = LeaveGroupRequest.MemberIdentity()
                (member.groupInstanceId, member.reason) = (id, reason)
                return member
            }
        } else {
            members = try await describe(groupID).members.map { found in
                var member = LeaveGroupRequest.MemberIdentity()
                (member.memberId, member.groupInstanceId, member.reason) = (found.memberID, found.instanceID, reason)
                return member
            }
        }
        guard !members.isEmpty else { return }
        let leaving = members
        try await cluster.retrying {
            let response: LeaveGroupResponse = try await cluster.callCoordinator(group: groupID, atLeast: 3) { _ in
                var request = LeaveGroupRequest()
                request.groupId = groupID
                request.members = leaving
                return request
            }
            try cluster.check(response.errorCode, group: groupID, "removing members of group '\(groupID)'")
            for member in response.members {
                try cluster.check(
                    member.errorCode, group: groupID,
                    "removing \(member.groupInstanceId ?? member.memberId) from group '\(groupID)'")
            }
        }
    }

    private static func assignment(_ bytes: ByteBuffer) -> [TopicPartition] {
        guard bytes.readableBytes > 0, let decoded = try? ConsumerProtocolAssignment.decodeVersioned(bytes) else {
            return []
        }
        return decoded.assignedPartitions.flatMap { entry in
            entry.partitions.map { TopicPartition(topic: entry.topic, partition: $0) }
        }.sorted()
    }

    /// Committed offsets of a group: of some partitions, or of all it has.
    public func listConsumerGroupOffsets(
        _ groupID: String, partitions: [TopicPartition]? = nil
    ) async throws -> [TopicPartition: OffsetAndMetadata] {
        try await cluster.committedOffsets(group: groupID, partitions: partitions)
    }

    /// Sets committed offsets of a group that has no members.
    public func alterConsumerGroupOffsets(
        _ groupID: String, offsets: [TopicPartition: OffsetAndMetadata]
    ) async throws {
        do {
            try await cluster.commitOffsets(offsets, group: groupID)
        } catch let error as KafkaError where error.errorCode == .unknownMemberId {
            throw KafkaError(
                .broker, "group '\(groupID)' has members; stop them before its offsets are changed",
                errorCode: .nonEmptyGroup, isRetriable: false, cause: error)
        }
    }

    /// Forgets committed offsets of topics that no member is subscribed to (Kafka 2.4).
    public func deleteConsumerGroupOffsets(
        _ groupID: String, partitions: [TopicPartition]
    ) async throws -> [TopicPartition: Result<Void, KafkaError>] {
        try await cluster.retrying {
            let response: OffsetDeleteResponse = try await cluster.callCoordinator(
                group: groupID
            ) { _ in
                var request = OffsetDeleteRequest()
                request.groupId = groupID
                request.topics = Dictionary(grouping: partitions, by: \.topic).map { topic, partitions in
                    var entry = OffsetDeleteRequest.OffsetDeleteRequestTopic()
                    entry.name = topic
                    entry.partitions = partitions.map {
                        var wire = OffsetDeleteRequest.OffsetDeleteRequestTopic.OffsetDeleteRequestPartition()
                        wire.partitionIndex = $0.partition
                        return wire
                    }
                    return entry
                }
                return request
            }
            try cluster.check(response.errorCode, group: groupID, "deleting offsets of group '\(groupID)'")
            var results: [TopicPartition: Result<Void, KafkaError>] = [:]
            for topic in response.topics {
                for answer in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: answer.partitionIndex)
                    results[partition] =
                        answer.errorCode == .none
                        ? .success(())
                        : .failure(.broker(answer.errorCode, "deleting the offset of \(partition)"))
                }
            }
            return results
        }
    }

    /// Deletes groups that have no members, with their offsets.
    public func deleteConsumerGroups(_ groupIDs: [String]) async throws -> [String: Result<Void, KafkaError>] {
        var results: [String: Result<Void, KafkaError>] = [:]
        for groupID in groupIDs {
            let answer = try await perEntity([groupID], what: "deleting group") { _ in
                let response: DeleteGroupsResponse = try await self.cluster.callCoordinator(
                    group: groupID
                ) { _ in
                    var request = DeleteGroupsRequest()
                    request.groupsNames = [groupID]
                    return request
                }
                for answer in response.results where answer.errorCode.asksForCoordinator {
                    self.cluster.forgetCoordinator(.init(kind: .group, name: groupID))
                    _ = answer
                }
                return response.results.map { ($0.groupId, $0.errorCode, nil) }
            }
            results.merge(answer) { $1 }
        }
        return results
    }

    // MARK: - Offsets and records

    /// Looks offsets up: the ends of partitions, or the first record at or after a time.
    public func listOffsets(
        _ specs: [TopicPartition: OffsetSpec],
        isolation: ConsumerConfiguration.IsolationLevel = .readUncommitted
    ) async throws -> [TopicPartition: Result<ListedOffset, KafkaError>] {
        try await cluster.listOffsets(specs, isolation: isolation)
    }

    /// Deletes all records before the given offsets (-1: all there are). Answers with the new first offsets.
    public func deleteRecords(
        before offsets: [TopicPartition: Int64]
    ) async throws -> [TopicPartition: Result<Int64, KafkaError>] {
        let patience = configuration.requestTimeout.milliseconds
        return try await cluster.retrying {
            var results: [TopicPartition: Result<Int64, KafkaError>] = [:]
            var byLeader: [BrokerNode: [(TopicPartition, Int64)]] = [:]
            for (partition, offset) in offsets {
                byLeader[try await cluster.leader(of: partition), default: []].append((partition, offset))
            }
            for (leader, entries) in byLeader {
                let response: DeleteRecordsResponse = try await cluster.call(at: leader.address) { _ in
                    var request = DeleteRecordsRequest()
                    request.timeoutMs = patience
                    request.topics = Dictionary(grouping: entries, by: \.0.topic).map { topic, entries in
                        var wire = DeleteRecordsRequest.DeleteRecordsTopic()
                        wire.name = topic
                        wire.partitions = entries.map { partition, offset in
                            var wire = DeleteRecordsRequest.DeleteRecordsTopic.DeleteRecordsPartition()
                            wire.partitionIndex = partition.partition
                            wire.offset = offset
                            return wire
                        }
                        return wire
                    }
                    return request
                }
                for topic in response.topics {
                    for answer in topic.partitions {
                        let partition = TopicPartition(topic: topic.name, partition: answer.partitionIndex)
                        if answer.errorCode.needsMetadataRefresh {
                            cluster.invalidate(topic: topic.name)
                            throw KafkaError.broker(answer.errorCode, "deleting records of \(partition)")
                        }
                        results[partition] =
                            answer.errorCode == .none
                            ? .success(answer.lowWatermark)
                            : .failure(.broker(answer.errorCode, "deleting records of \(partition)"))
                    }
                }
            }
            return results
        }
    }
}
