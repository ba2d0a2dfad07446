import KafkaProtocol

/// OffsetCommit (8), versions 2–10.
///
/// - The offsets are on disk before the answer. Metadata comes back unchanged; too long a text is
///   OFFSET_METADATA_TOO_LARGE.
/// - A generation below 0 commits for a group without members (a consumer that assigns its own partitions).
/// - v6+ leader epochs, v7+ static members, v9+ member epochs (KIP-848: STALE_MEMBER_EPOCH), v10 topic ids. v2–4 carry a retention time, which Kafka no longer heeds.
enum OffsetCommitHandler: RequestHandler {
    typealias Request = OffsetCommitRequest

    private struct Accepted: Sendable {
        var key: OffsetKey
        var value: CommittedOffset
    }

    static func handle(_ request: OffsetCommitRequest, _ call: Call<OffsetCommitResponse>) {
        if request.groupId.isEmpty { return answer(request, call, error: .invalidGroupId) }
        guard call.allows(.read, group: request.groupId) else {
            return answer(request, call, error: .groupAuthorizationFailed)
        }
        call.node.groups.run { groups in
            do throws(Refusal) {
                try commit(request, call, groups)
            } catch {
                answer(request, call, error: error.code.forCoordinator)
            }
        }
    }

    private static func commit(
        _ request: OffsetCommitRequest, _ call: Call<OffsetCommitResponse>, _ groups: Groups
    ) throws(Refusal) {
        var entry = try groups.entry(request.groupId)
        if entry == nil {
            guard request.generationIdOrMemberEpoch < 0 else {
                return answer(request, call, error: .illegalGeneration)
            }
            entry = try groups.entryOrNew(request.groupId)
        }
        guard let entry else { return answer(request, call, error: .coordinatorNotAvailable) }
        let error = groups.checkCommit(
            entry, memberID: request.memberId, instanceID: request.groupInstanceId,
            epoch: request.generationIdOrMemberEpoch, version: call.version, now: SteadyClock.now())
        if error != .none { return answer(request, call, error: error) }

        var response = OffsetCommitResponse()
        let accepted = check(request, call, &response)
        guard !accepted.isEmpty else { return call.respond(response) }
        var records: [GroupRecords.Encoded] = []
        do throws(WireError) {
            for offset in accepted {
                records.append(
                    try GroupRecords.offset(group: request.groupId, key: offset.key, value: offset.value))
            }
        } catch {
            throw Refusal(.unknownServerError, "\(error)")
        }
        let answer = response
        groups.store.append(records, group: request.groupId) { error in
            guard error == .none else {
                var failed = answer
                for topic in failed.topics.indices {
                    for index in failed.topics[topic].partitions.indices
                    where failed.topics[topic].partitions[index].errorCode == .none {
                        failed.topics[topic].partitions[index].errorCode = error
                    }
                }
                return call.respond(failed)
            }
            for offset in accepted { entry.offsets[offset.key] = offset.value }
            call.respond(answer)
        }
    }

    /// Fills the answer in and returns what is to be written.
    private static func check(
        _ request: OffsetCommitRequest, _ call: Call<OffsetCommitResponse>, _ response: inout OffsetCommitResponse
    ) -> [Accepted] {
        var accepted: [Accepted] = []
        let now = WallClock.now()
        for asked in request.topics {
            var entry = OffsetCommitResponse.OffsetCommitResponseTopic()
            entry.name = asked.name
            entry.topicId = asked.topicId
            let topic =
                call.version >= 10
                ? call.node.topics.topic(id: asked.topicId) : call.node.topics.topic(named: asked.name)
            let isAllowed = (topic?.name ?? asked.name).isEmpty || call.allows(.read, topic: topic?.name ?? asked.name)
            for partition in asked.partitions {
                var answer = OffsetCommitResponse.OffsetCommitResponseTopic.OffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                let metadata = partition.committedMetadata ?? ""
                if !isAllowed {
                    answer.errorCode = .topicAuthorizationFailed
                } else if let topic, topic.partition(partition.partitionIndex) != nil {
                    if metadata.utf8.count > call.node.configuration.offsetMetadataMaxBytes {
                        answer.errorCode = .offsetMetadataTooLarge
                    } else {
                        accepted.append(
                            Accepted(
                                key: OffsetKey(topic: topic.name, partition: partition.partitionIndex),
                                value: CommittedOffset(
                                    offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
                                    metadata: metadata, timestamp: now)))
                    }
                } else {
                    answer.errorCode =
                        topic == nil && call.version >= 10 ? .unknownTopicId : .unknownTopicOrPartition
                }
                entry.partitions.append(answer)
            }
            response.topics.append(entry)
        }
        return accepted
    }

    private static func answer(
        _ request: OffsetCommitRequest, _ call: Call<OffsetCommitResponse>, error: ErrorCode
    ) {
        var response = OffsetCommitResponse()
        response.topics = request.topics.map { topic in
            var entry = OffsetCommitResponse.OffsetCommitResponseTopic()
            entry.name = topic.name
            entry.topicId = topic.topicId
            entry.partitions = topic.partitions.map { partition in
                var answer = OffsetCommitResponse.OffsetCommitResponseTopic.OffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                answer.errorCode = error
                return answer
            }
            return entry
        }
        call.respond(response)
    }
}
