import KafkaProtocol

/// A transaction in a list.
public struct TransactionListing: Sendable, Hashable {
    /// `transactional.id`.
    public var transactionalID: String
    /// The id of its producer.
    public var producerID: Int64
    /// `Ongoing`, `PrepareCommit`, `CompleteCommit`, …
    public var state: String
}

/// A transaction as its coordinator knows it.
public struct TransactionDescription: Sendable, Hashable {
    /// `Ongoing`, `PrepareCommit`, `CompleteCommit`, …
    public var state: String
    /// The id of its producer.
    public var producerID: Int64
    /// The producer's epoch.
    public var producerEpoch: Int16
    /// After how long the coordinator aborts it.
    public var timeout: Duration
    /// When it began, in ms since 1970; nil if none is open.
    public var startTime: Int64?
    /// The partitions it has written to.
    public var partitions: [TopicPartition]
}

/// A producer as a partition's leader knows it.
public struct ProducerDescription: Sendable, Hashable {
    /// The id.
    public var producerID: Int64
    /// The epoch.
    public var producerEpoch: Int32
    /// The last sequence number; -1 if unknown.
    public var lastSequence: Int32
    /// When it last wrote, in ms since 1970; -1 if unknown.
    public var lastTimestamp: Int64
    /// The epoch of the coordinator that wrote its last marker; nil if unknown.
    public var coordinatorEpoch: Int32?
    /// Where its open transaction begins in this partition; nil if it has none.
    public var transactionStartOffset: Int64?
}

extension KafkaAdminClient {
    /// All transactional ids that the brokers know, by id (Kafka 3.0).
    ///
    /// - Parameters:
    ///   - states: Only those in these states; all if empty.
    ///   - producerIDs: Only those of these producers; all if empty.
    ///   - openFor: Only those whose transaction has been open for longer (Kafka 3.8).
    public func listTransactions(
        states: [String] = [], producerIDs: [Int64] = [], openFor: Duration? = nil
    ) async throws -> [TransactionListing] {
        try await cluster.retrying {
            let metadata = try await cluster.refreshMetadata(topics: [])
            var found: [String: TransactionListing] = [:]
            for broker in metadata.brokers.values {
                let response: ListTransactionsResponse = try await cluster.call(
                    at: broker.address, atLeast: openFor == nil ? 0 : 1
                ) { version in
                    var request = ListTransactionsRequest()
                    request.stateFilters = states
                    request.producerIdFilters = producerIDs
                    if version >= 1 { request.durationFilter = openFor?.wholeMilliseconds ?? -1 }
                    return request
                }
                guard response.errorCode == .none else {
                    throw KafkaError.broker(response.errorCode, "listing the transactions of broker \(broker)")
                }
                guard response.unknownStateFilters.isEmpty else {
                    throw KafkaError(
                        .invalidConfiguration,
                        "no state of a transaction: \(response.unknownStateFilters.joined(separator: ", "))")
                }
                for entry in response.transactionStates {
                    found[entry.transactionalId] = TransactionListing(
                        transactionalID: entry.transactionalId, producerID: entry.producerId,
                        state: entry.transactionState)
                }
            }
            return found.values.sorted { $0.transactionalID < $1.transactionalID }
        }
    }

    /// What the coordinators know of transactional ids (Kafka 3.0).
    public func describeTransactions(
        _ transactionalIDs: [String]
    ) async throws -> [String: Result<TransactionDescription, KafkaError>] {
        var results: [String: Result<TransactionDescription, KafkaError>] = [:]
        for id in transactionalIDs {
            do {
                results[id] = .success(try await describeTransaction(id))
            } catch let error as KafkaError where error.code == .broker {
                results[id] = .failure(error)
            }
        }
        return results
    }

    private func describeTransaction(_ id: String) async throws -> TransactionDescription {
        let key = ClusterClient.CoordinatorKey(kind: .transaction, name: id)
        return try await cluster.retrying {
            let response: DescribeTransactionsResponse = try await cluster.callCoordinator(key) { _ in
                var request = DescribeTransactionsRequest()
                request.transactionalIds = [id]
                return request
            }
            guard let found = response.transactionStates.first else {
                throw KafkaError(.malformedResponse, "the broker says nothing of '\(id)'", isRetriable: false)
            }
            if found.errorCode.asksForCoordinator { cluster.forgetCoordinator(key) }
            guard found.errorCode == .none else {
                throw KafkaError.broker(found.errorCode, "transactional.id '\(id)'")
            }
            return TransactionDescription(
                state: found.transactionState, producerID: found.producerId, producerEpoch: found.producerEpoch,
                timeout: .milliseconds(found.transactionTimeoutMs),
                startTime: found.transactionStartTimeMs >= 0 ? found.transactionStartTimeMs : nil,
                partitions: found.topics.flatMap { topic in
                    topic.partitions.map { TopicPartition(topic: topic.topic, partition: $0) }
                }.sorted())
        }
    }

    /// The producers that have written to partitions lately, as the leaders know them (Kafka 2.8).
    public func describeProducers(
        _ partitions: [TopicPartition]
    ) async throws -> [TopicPartition: Result<[ProducerDescription], KafkaError>] {
        var results: [TopicPartition: Result<[ProducerDescription], KafkaError>] = [:]
        for partition in partitions {
            do {
                results[partition] = .success(try await describeProducers(of: partition))
            } catch let error as KafkaError where error.errorCode != nil {
                results[partition] = .failure(error)
            }
        }
        return results
    }

    private func describeProducers(of partition: TopicPartition) async throws -> [ProducerDescription] {
        try await cluster.retrying {
            let leader = try await cluster.leader(of: partition)
            let response: DescribeProducersResponse = try await cluster.call(at: leader.address) { _ in
                var topic = DescribeProducersRequest.TopicRequest()
                topic.name = partition.topic
                topic.partitionIndexes = [partition.partition]
                var request = DescribeProducersRequest()
                request.topics = [topic]
                return request
            }
            guard let found = response.topics.first?.partitions.first else {
                throw KafkaError(.malformedResponse, "the broker says nothing of \(partition)", isRetriable: false)
            }
            guard found.errorCode == .none else {
                if found.errorCode.needsMetadataRefresh { cluster.invalidate(topic: partition.topic) }
                throw KafkaError.broker(found.errorCode, "producers of \(partition)", detail: found.errorMessage)
            }
            return found.activeProducers.map { entry in
                ProducerDescription(
                    producerID: entry.producerId, producerEpoch: entry.producerEpoch,
                    lastSequence: entry.lastSequence, lastTimestamp: entry.lastTimestamp,
                    coordinatorEpoch: entry.coordinatorEpoch >= 0 ? entry.coordinatorEpoch : nil,
                    transactionStartOffset: entry.currentTxnStartOffset >= 0 ? entry.currentTxnStartOffset : nil)
            }
        }
    }

    /// Ends a transaction that hangs in one partition because its coordinator has forgotten it (KIP-664). What
    /// ``describeProducers(_:)`` tells of the producer says which.
    public func abortTransaction(_ producer: ProducerDescription, in partition: TopicPartition) async throws {
        guard let epoch = Int16(exactly: producer.producerEpoch) else {
            throw KafkaError(.invalidConfiguration, "a producer's epoch is no more than \(Int16.max)")
        }
        try await cluster.retrying {
            let leader = try await cluster.leader(of: partition)
            let response: WriteTxnMarkersResponse = try await cluster.call(at: leader.address) { _ in
                var topic = WriteTxnMarkersRequest.WritableTxnMarker.WritableTxnMarkerTopic()
                topic.name = partition.topic
                topic.partitionIndexes = [partition.partition]
                var marker = WriteTxnMarkersRequest.WritableTxnMarker()
                marker.producerId = producer.producerID
                marker.producerEpoch = epoch
                marker.coordinatorEpoch = producer.coordinatorEpoch ?? 0
                marker.transactionResult = false
                marker.topics = [topic]
                var request = WriteTxnMarkersRequest()
                request.markers = [marker]
                return request
            }
            let code = response.markers.first?.topics.first?.partitions.first?.errorCode ?? .unknownServerError
            guard code == .none else {
                throw KafkaError.broker(code, "aborting producer \(producer.producerID)'s transaction in \(partition)")
            }
        }
    }

    /// Fences off whoever uses these transactional ids: open transactions are aborted, and the next request of those
    /// producers fails. Answers with the new producer ids and epochs.
    public func fenceProducers(
        _ transactionalIDs: [String]
    ) async throws -> [String: Result<(producerID: Int64, epoch: Int16), KafkaError>] {
        var results: [String: Result<(producerID: Int64, epoch: Int16), KafkaError>] = [:]
        let patience = configuration.requestTimeout.milliseconds
        for id in transactionalIDs {
            let key = ClusterClient.CoordinatorKey(kind: .transaction, name: id)
            do {
                let response: InitProducerIdResponse = try await cluster.retrying {
                    let response: InitProducerIdResponse = try await cluster.callCoordinator(key, limit: 5) { _ in
                        var request = InitProducerIdRequest()
                        request.transactionalId = id
                        request.transactionTimeoutMs = patience
                        return request
                    }
                    if response.errorCode.asksForCoordinator { cluster.forgetCoordinator(key) }
                    guard response.errorCode == .none else {
                        var error = KafkaError.broker(response.errorCode, "fencing transactional.id '\(id)'")
                        if response.errorCode == .concurrentTransactions { error.isRetriable = true }
                        throw error
                    }
                    return response
                }
                results[id] = .success((response.producerId, response.producerEpoch))
            } catch let error as KafkaError where error.code == .broker {
                results[id] = .failure(error)
            }
        }
        return results
    }
}
