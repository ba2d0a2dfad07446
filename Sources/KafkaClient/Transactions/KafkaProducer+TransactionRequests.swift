import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

/// The requests of transactions, each repeated until it is answered for good or `max.block.ms` is over.
extension KafkaProducer {
    private var coordinatorKey: ClusterClient.CoordinatorKey {
        .init(kind: .transaction, name: configuration.transactionalID ?? "")
    }

    /// What the cluster has agreed on (KIP-1022), as the coordinator told when it was connected to.
    func currentTransactionVersion() -> TransactionStateMachine.Version {
        let coordinator = cluster.state.withLockedValue { $0.coordinators[coordinatorKey] }
        guard let address = coordinator?.address, let versions = cluster.versions(of: address),
            versions.finalizedLevel(of: "transaction.version") >= 2,
            (versions.highestVersion(of: .endTxn) ?? 0) >= 5, (versions.highestVersion(of: .produce) ?? 0) >= 12,
            (versions.highestVersion(of: .txnOffsetCommit) ?? 0) >= 5
        else { return .explicit }
        return .implicit
    }

    /// Runs `body` again while its error says so.
    private func retrying<Value>(
        _ operation: TransactionStateMachine.Operation, timeout: Duration? = nil, _ body: () async throws -> Value
    ) async throws -> Value {
        let end = ContinuousClock.now + (timeout ?? configuration.maxBlock)
        var failures = 0
        while true {
            do {
                return try await body()
            } catch let error as KafkaError {
                guard TransactionStateMachine.disposition(error, of: operation) == .retry, !cluster.isClosed else {
                    throw error
                }
                failures += 1
                // The markers of the last transaction are being written: that takes no time (KAFKA-5477).
                let delay =
                    error.errorCode == .concurrentTransactions
                    ? Duration.milliseconds(20) : cluster.retryBackoff.delay(afterFailures: failures)
                guard ContinuousClock.now + delay < end else { throw error }
                logger.debug("transaction request failed; trying again", metadata: ["error": "\(error)"])
                try await Task.sleep(for: delay)
            }
        }
    }

    private func check(_ code: ErrorCode, _ what: String) throws {
        guard code != .none else { return }
        if code.asksForCoordinator { cluster.forgetCoordinator(coordinatorKey) }
        throw KafkaError.broker(code, "transactional.id '\(configuration.transactionalID ?? "")': \(what)")
    }

    /// InitProducerId. With the current identity, the coordinator raises the epoch instead of fencing it (KIP-360).
    func requestTransactionalIdentity(
        current: ProducerIdentity?, timeout: Duration?
    ) async throws -> ProducerIdentity {
        let id = try transactionalID()
        let transactionTimeout = configuration.transactionTimeout.milliseconds
        return try await retrying(.initialize, timeout: timeout) {
            let response: InitProducerIdResponse = try await cluster.callCoordinator(coordinatorKey, limit: 5) {
                version in
                var request = InitProducerIdRequest()
                request.transactionalId = id
                request.transactionTimeoutMs = transactionTimeout
                if let current, version >= 3 {
                    request.producerId = current.id
                    request.producerEpoch = current.epoch
                }
                return request
            }
            try check(response.errorCode, "asking for a producer id")
            return ProducerIdentity(id: response.producerId, epoch: response.producerEpoch)
        }
    }

    func addPartitions(id: String, _ identity: ProducerIdentity, _ partitions: [TopicPartition]) async throws {
        try await retrying(.addPartitions) {
            // Version 4 on is for brokers among themselves.
            let response: AddPartitionsToTxnResponse = try await cluster.callCoordinator(coordinatorKey, limit: 3) {
                _ in
                var request = AddPartitionsToTxnRequest()
                request.v3AndBelowTransactionalId = id
                request.v3AndBelowProducerId = identity.id
                request.v3AndBelowProducerEpoch = identity.epoch
                request.v3AndBelowTopics = Dictionary(grouping: partitions, by: \.topic).map { topic, partitions in
                    var entry = AddPartitionsToTxnRequest.AddPartitionsToTxnTopic()
                    entry.name = topic
                    entry.partitions = partitions.map(\.partition)
                    return entry
                }
                return request
            }
            // The one that says most: others carry OPERATION_NOT_ATTEMPTED then.
            var failure: (code: ErrorCode, partition: String)?
            for topic in response.resultsByTopicV3AndBelow {
                for answer in topic.resultsByPartition where answer.partitionErrorCode != 0 {
                    if failure == nil || failure?.code == .operationNotAttempted {
                        failure = (
                            ErrorCode(rawValue: answer.partitionErrorCode), "\(topic.name)-\(answer.partitionIndex)"
                        )
                    }
                }
            }
            if let failure { try check(failure.code, "adding \(failure.partition) to the transaction") }
        }
    }

    func addOffsets(id: String, _ identity: ProducerIdentity, group: String) async throws {
        try await retrying(.addOffsets) {
            let response: AddOffsetsToTxnResponse = try await cluster.callCoordinator(coordinatorKey) { _ in
                var request = AddOffsetsToTxnRequest()
                request.transactionalId = id
                request.producerId = identity.id
                request.producerEpoch = identity.epoch
                request.groupId = group
                return request
            }
            try check(response.errorCode, "adding the offsets of group '\(group)' to the transaction")
        }
    }

    func commitOffsets(
        id: String, _ identity: ProducerIdentity, _ offsets: [TopicPartition: OffsetAndMetadata],
        _ group: ConsumerGroupMetadata
    ) async throws {
        let limit: Int16 = transactionVersion == .explicit ? 4 : .max
        let floor: Int16 = group.memberID.isEmpty && group.generation < 0 ? 0 : 3
        try await retrying(.commitOffsets) {
            let response: TxnOffsetCommitResponse = try await cluster.callCoordinator(
                group: group.groupID, limit: limit, atLeast: floor
            ) { _ in
                Self.request(id, identity, offsets, group)
            }
            for topic in response.topics {
                for answer in topic.partitions {
                    try cluster.check(
                        answer.errorCode, group: group.groupID,
                        "committing the offset of \(topic.name)-\(answer.partitionIndex) in a transaction")
                }
            }
        }
    }

    private static func request(
        _ id: String, _ identity: ProducerIdentity, _ offsets: [TopicPartition: OffsetAndMetadata],
        _ group: ConsumerGroupMetadata
    ) -> TxnOffsetCommitRequest {
        var request = TxnOffsetCommitRequest()
        request.transactionalId = id
        request.groupId = group.groupID
        request.producerId = identity.id
        request.producerEpoch = identity.epoch
        request.generationId = group.generation
        request.memberId = group.memberID
        request.groupInstanceId = group.instanceID
        request.topics = Dictionary(grouping: offsets, by: \.key.topic).map { topic, entries in
            var entry = TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic()
            entry.name = topic
            entry.partitions = entries.map { partition, offset in
                var value = TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic.TxnOffsetCommitRequestPartition()
                value.partitionIndex = partition.partition
                value.committedOffset = offset.offset
                value.committedLeaderEpoch = offset.leaderEpoch
                value.committedMetadata = offset.metadata
                return value
            }
            return entry
        }
        return request
    }

    /// EndTxn. Returns the identity to go on with: with KIP-890 the end raises the epoch.
    func end(id: String, _ identity: ProducerIdentity, commits: Bool) async throws -> ProducerIdentity {
        let limit: Int16 = transactionVersion == .explicit ? 4 : .max
        return try await retrying(.end) {
            let response: EndTxnResponse = try await cluster.callCoordinator(coordinatorKey, limit: limit) { _ in
                var request = EndTxnRequest()
                request.transactionalId = id
                request.producerId = identity.id
                request.producerEpoch = identity.epoch
                request.committed = commits
                return request
            }
            try check(response.errorCode, commits ? "committing" : "aborting")
            guard response.producerId >= 0 else { return identity }
            return ProducerIdentity(id: response.producerId, epoch: response.producerEpoch)
        }
    }
}
