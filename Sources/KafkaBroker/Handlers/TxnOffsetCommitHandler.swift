import KafkaProtocol

/// TxnOffsetCommit (28), versions 0–5.
///
/// - The offsets are written to the group's partition as part of the transaction: they are in force when it commits.
/// - v3+ member id and generation (or member epoch) are checked. Up to v4 the partition must have been added with
///   AddOffsetsToTxn; v5 adds it (KIP-890).
enum TxnOffsetCommitHandler: RequestHandler {
    typealias Request = TxnOffsetCommitRequest

    private struct Accepted: Sendable {
        var key: OffsetKey
        var value: CommittedOffset
    }

    static func handle(_ request: TxnOffsetCommitRequest, _ call: Call<TxnOffsetCommitResponse>) {
        if request.groupId.isEmpty { return answer(request, call, error: .invalidGroupId) }
        guard call.allows(.write, .transactionalID, request.transactionalId) else {
            return answer(request, call, error: .transactionalIdAuthorizationFailed)
        }
        guard call.allows(.read, group: request.groupId) else {
            return answer(request, call, error: .groupAuthorizationFailed)
        }
        let producer = Transaction.Producer(id: request.producerId, epoch: request.producerEpoch)
        call.node.transactions.run { transactions in
            let groups = call.node.groups.onLoop
            let key = groups.store.key(of: request.groupId)
            let proceed: (ErrorCode) -> Void = { error in
                guard error == .none else { return answer(request, call, error: told(error, call.version)) }
                do {
                    try commit(request, key.partition, producer, call, groups)
                } catch {
                    let code = (error as? Refusal)?.code.forCoordinator ?? .unknownServerError
                    answer(request, call, error: code)
                }
            }
            if call.version >= 5 {
                transactions.add(
                    [key], to: request.transactionalId, by: producer, version: Transaction.epochBumpVersion
                ) { error, _ in proceed(error) }
            } else {
                transactions.verify([key], of: request.transactionalId, by: producer) { verdicts in
                    proceed(verdicts[key] ?? .invalidTxnState)
                }
            }
        }
    }

    private static func told(_ error: ErrorCode, _ version: Int16) -> ErrorCode {
        switch error {
        case .producerFenced: .invalidProducerEpoch
        case .transactionAbortable where version < 4: .invalidTxnState
        case .concurrentTransactions where version < 5: .coordinatorLoadInProgress
        default: error
        }
    }

    private static func commit(
        _ request: TxnOffsetCommitRequest, _ partition: Int32, _ producer: Transaction.Producer,
        _ call: Call<TxnOffsetCommitResponse>, _ groups: Groups
    ) throws {
        let known = try groups.entry(request.groupId)
        if known == nil, request.generationId >= 0 { return answer(request, call, error: .illegalGeneration) }
        let entry = try known ?? groups.entryOrNew(request.groupId)
        let error = groups.checkTransactionalCommit(
            entry, memberID: request.memberId, instanceID: request.groupInstanceId, generation: request.generationId)
        if error != .none { return answer(request, call, error: error) }

        var response = TxnOffsetCommitResponse()
        let accepted = check(request, call, &response)
        guard !accepted.isEmpty else { return call.respond(response) }
        let records = try accepted.map {
            try GroupRecords.offset(group: request.groupId, key: $0.key, value: $0.value)
        }
        // From here on a marker may come, before the disk has answered: it must find what it ends.
        for offset in accepted { entry.pendingOffsets[producer.id, default: [:]][offset.key] = offset.value }
        let answer = response
        groups.store.append(records, to: partition, in: producer) { error in
            var answer = answer
            if error != .none {
                for offset in accepted { entry.pendingOffsets[producer.id]?[offset.key] = nil }
                if entry.pendingOffsets[producer.id]?.isEmpty == true { entry.pendingOffsets[producer.id] = nil }
                for topic in answer.topics.indices {
                    for index in answer.topics[topic].partitions.indices
                    where answer.topics[topic].partitions[index].errorCode == .none {
                        answer.topics[topic].partitions[index].errorCode = error
                    }
                }
            }
            call.respond(answer)
        }
    }

    /// Fills the answer in and returns what is to be written.
    private static func check(
        _ request: TxnOffsetCommitRequest, _ call: Call<TxnOffsetCommitResponse>,
        _ response: inout TxnOffsetCommitResponse
    ) -> [Accepted] {
        var accepted: [Accepted] = []
        let now = WallClock.now()
        for asked in request.topics {
            var entry = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic()
            entry.name = asked.name
            let topic = call.node.topics.topic(named: asked.name)
            let isAllowed = call.allows(.read, topic: asked.name)
            for partition in asked.partitions {
                var answer = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic.TxnOffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                let metadata = partition.committedMetadata ?? ""
                if !isAllowed {
                    answer.errorCode = .topicAuthorizationFailed
                } else if topic?.partition(partition.partitionIndex) == nil {
                    answer.errorCode = .unknownTopicOrPartition
                } else if metadata.utf8.count > call.node.configuration.offsetMetadataMaxBytes {
                    answer.errorCode = .offsetMetadataTooLarge
                } else {
                    accepted.append(
                        Accepted(
                            key: OffsetKey(topic: asked.name, partition: partition.partitionIndex),
                            value: CommittedOffset(
                                offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
                                metadata: metadata, timestamp: now)))
                }
                entry.partitions.append(answer)
            }
            response.topics.append(entry)
        }
        return accepted
    }

    private static func answer(
        _ request: TxnOffsetCommitRequest, _ call: Call<TxnOffsetCommitResponse>, error: ErrorCode
    ) {
        var response = TxnOffsetCommitResponse()
        response.topics = request.topics.map { topic in
            var entry = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic()
            entry.name = topic.name
            entry.partitions = topic.partitions.map { partition in
                var answer = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic.TxnOffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                answer.errorCode = error
                return answer
            }
            return entry
        }
        call.respond(response)
    }
}
