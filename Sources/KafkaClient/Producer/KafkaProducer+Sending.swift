import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

extension KafkaProducer {
    /// Sends all that can be sent. Whoever calls first does the work, for all: requests of one partition must leave in
    /// their order.
    func drain() {
        let begins = state.withLockedValue { state in
            if state.isDraining {
                state.drainAgain = true
                return false
            }
            state.isDraining = true
            return true
        }
        guard begins else { return }
        while true {
            let metadata = cluster.metadata
            let now = NIODeadline.now()
            let (plan, timer, isLast) = state.withLockedValue { state in
                let again = state.drainAgain
                state.drainAgain = false
                let plan = state.accumulator.plan(metadata, now: now)
                var timer: NIODeadline?
                if let next = plan.nextCheck, state.timer.map({ $0 <= now || $0 > next }) ?? true {
                    state.timer = next
                    timer = next
                }
                // From now on the leaders may tell the coordinator of the transaction.
                if !plan.requests.isEmpty, state.transaction?.version == .implicit { state.transaction?.started() }
                let isLast = plan.requests.isEmpty && !again
                if isLast { state.isDraining = false }
                return (plan, timer, isLast)
            }
            settle(plan.ended)
            for request in plan.requests { send(request) }
            if let timer { eventLoop.scheduleTask(deadline: timer) { [weak self] in self?.drain() } }
            if !plan.staleTopics.isEmpty { refresh(plan.staleTopics) }
            if plan.needsIdentity { findIdentity() }
            if !plan.unregistered.isEmpty { register(plan.unregistered) }
            if isLast { return }
        }
    }

    /// Tells the calls whose records have ended, and those who waited for that.
    func settle(_ ended: [RecordAccumulator.Ended]) {
        let ended = ended + failTransaction(ended)
        guard !ended.isEmpty else { return }
        let now = NIODeadline.now()
        for entry in ended {
            entry.batch.settle(entry.result)
            switch entry.result {
            case .success:
                metrics.delivered(
                    records: entry.batch.count, bytes: entry.batch.size,
                    nanoseconds: (now - entry.batch.created).nanoseconds)
            case .failure: metrics.failed(records: entry.batch.count)
            }
        }
        let waiters = state.withLockedValue { state in
            var ready: [Waiter<Void>] = []
            if state.accumulator.bufferedBytes < configuration.bufferMemory {
                ready = state.spaceWaiters
                state.spaceWaiters = []
            }
            state.flushWaiters.removeAll { entry in
                guard !state.accumulator.hasOpenBatches(upTo: entry.upTo) else { return false }
                ready.append(entry.waiter)
                return true
            }
            return ready
        }
        for waiter in waiters { waiter.finish(.success(())) }
    }

    // MARK: - Requests

    private func send(_ request: RecordAccumulator.Request) {
        var sent = request
        sent.batches = []
        var buffers: [ByteBuffer] = []
        for var batch in request.batches {
            do throws(RecordError) {
                let buffer = try batch.finish()
                buffers.append(buffer)
                state.withLockedValue { $0.accumulator.keep(buffer, of: batch) }
                sent.batches.append(batch)
            } catch {
                let failure = KafkaError(
                    .malformedResponse, "a batch for \(batch.partition) could not be built: \(error)",
                    isRetriable: false, cause: error)
                returned([(batch, .failure(failure))])
            }
        }
        let final = sent
        guard !final.batches.isEmpty else {
            state.withLockedValue { $0.accumulator.finished(request) }
            return
        }
        let configuration = configuration
        let payload = buffers
        let topicIDs = topicIDs(of: final)
        // From version 12 on the leader adds partitions to the transaction itself (KIP-890).
        let isExplicit = configuration.transactionalID != nil && transactionVersion == .explicit
        cluster.call(
            at: request.node.address, limit: isExplicit ? 11 : request.usesTopicIDs ? .max : 12,
            atLeast: configuration.compression == .zstd ? 7 : 3,
            expectsResponse: configuration.acks != .none,
            build: { _ in Self.request(final, payload, topicIDs, configuration) },
            completion: { [self] result in handle(final, topicIDs, result) })
    }

    private func topicIDs(of request: RecordAccumulator.Request) -> [String: KafkaUUID] {
        guard request.usesTopicIDs else { return [:] }
        let topics = cluster.metadata.topics
        var ids: [String: KafkaUUID] = [:]
        for batch in request.batches { ids[batch.partition.topic] = topics[batch.partition.topic]?.id }
        return ids
    }

    private static func request(
        _ request: RecordAccumulator.Request, _ buffers: [ByteBuffer], _ topicIDs: [String: KafkaUUID],
        _ configuration: ProducerConfiguration
    ) -> ProduceRequest {
        var message = ProduceRequest()
        message.transactionalId = configuration.transactionalID
        message.acks = configuration.acks.rawValue
        message.timeoutMs = configuration.client.requestTimeout.milliseconds
        var topics: [String: ProduceRequest.TopicProduceData] = [:]
        for (batch, buffer) in zip(request.batches, buffers) {
            var partition = ProduceRequest.TopicProduceData.PartitionProduceData()
            partition.index = batch.partition.partition
            partition.records = buffer
            var topic = topics[batch.partition.topic] ?? ProduceRequest.TopicProduceData()
            topic.name = batch.partition.topic
            topic.topicId = topicIDs[batch.partition.topic] ?? .zero
            topic.partitionData.append(partition)
            topics[batch.partition.topic] = topic
        }
        message.topicData = Array(topics.values)
        return message
    }

    private func handle(
        _ request: RecordAccumulator.Request, _ topicIDs: [String: KafkaUUID],
        _ result: Result<ProduceResponse, KafkaError>
    ) {
        var results: [(ProducerBatch, BatchDelivery.Outcome)] = []
        switch result {
        case .failure(let error):
            results = request.batches.map { ($0, .failure(error)) }
        case .success where configuration.acks == .none:
            results = request.batches.map { ($0, .success((-1, -1))) }
        case .success(let response):
            for batch in request.batches {
                results.append((batch, Self.answer(to: batch, topicIDs[batch.partition.topic], in: response)))
            }
        }
        state.withLockedValue { $0.accumulator.finished(request) }
        returned(results)
        var stale: Set<String> = []
        for (batch, result) in results {
            if case .failure(let error) = result, error.asksForMetadata { stale.insert(batch.partition.topic) }
        }
        if !stale.isEmpty { refresh(stale) }
        drain()
    }

    private static func answer(
        to batch: ProducerBatch, _ topicID: KafkaUUID?, in response: ProduceResponse
    ) -> BatchDelivery.Outcome {
        let topic = response.responses.first { topic in
            topic.name.isEmpty ? topic.topicId == topicID : topic.name == batch.partition.topic
        }
        guard let answer = topic?.partitionResponses.first(where: { $0.index == batch.partition.partition }) else {
            return .failure(
                KafkaError(
                    .malformedResponse, "the broker's answer says nothing of \(batch.partition)", isRetriable: true))
        }
        guard answer.errorCode == .none else {
            let detail = answer.errorMessage ?? answer.recordErrors.first?.batchIndexErrorMessage
            return .failure(.broker(answer.errorCode, "sending to \(batch.partition)", detail: detail))
        }
        return .success((answer.baseOffset, answer.logAppendTimeMs))
    }

    private func returned(_ results: [(ProducerBatch, BatchDelivery.Outcome)]) {
        let now = NIODeadline.now()
        let ended = state.withLockedValue { state in
            results.compactMap { batch, result in
                let backoff = cluster.retryBackoff.delay(afterFailures: batch.attempts)
                if case .failure(let error) = result, error.isRetriable {
                    logger.debug(
                        "send failed; trying again",
                        metadata: ["partition": "\(batch.partition)", "error": "\(error)"])
                }
                return state.accumulator.returned(batch, result, now: now, backoff: TimeAmount(backoff))
            }
        }
        settle(ended)
    }

    // MARK: - Slow paths

    /// Asks for the leaders of topics, one request at a time, then drains again.
    private func refresh(_ topics: Set<String>) {
        state.withLockedValue { state in
            guard state.refreshTask == nil else { return }
            state.refreshTask = Task { await self.runRefresh(Array(topics)) }
        }
    }

    private func runRefresh(_ topics: [String]) async {
        do {
            try await cluster.refreshMetadata(topics: topics, allowAutoCreation: true)
        } catch {
            logger.debug("metadata could not be had", metadata: ["error": "\(error)"])
        }
        // The time a new leader needs; also keeps a cluster without leaders from being asked all the time.
        try? await Task.sleep(for: configuration.client.retryBackoff)
        state.withLockedValue { $0.refreshTask = nil }
        drain()
    }

    /// Asks for a producer id, one request at a time, then drains again.
    private func findIdentity() {
        state.withLockedValue { state in
            guard state.identityTask == nil, state.accumulator.identity == nil, state.transaction == nil else { return }
            state.identityTask = Task { await self.runFindIdentity() }
        }
    }

    private func runFindIdentity() async {
        let found: Result<ProducerIdentity, KafkaError>
        do {
            found = .success(try await requestIdentity())
        } catch let error as KafkaError {
            found = .failure(error)
        } catch {
            found = .failure(.closed("the producer"))
        }
        let ended = state.withLockedValue { state in
            state.identityTask = nil
            switch found {
            case .success(let identity):
                state.accumulator.identity = identity
                return [RecordAccumulator.Ended]()
            case .failure(let error):
                return state.accumulator.failAll(error)
            }
        }
        settle(ended)
        drain()
    }

    private func requestIdentity() async throws -> ProducerIdentity {
        try await cluster.retrying(timeout: configuration.deliveryTimeout) {
            do {
                let response: InitProducerIdResponse = try await cluster.callAny { _ in
                    var request = InitProducerIdRequest()
                    request.transactionalId = nil
                    request.transactionTimeoutMs = Int32.max
                    return request
                }
                guard response.errorCode == .none else {
                    throw KafkaError.broker(response.errorCode, "asking for a producer id")
                }
                return ProducerIdentity(id: response.producerId, epoch: response.producerEpoch)
            } catch let error as KafkaError where error.code == .unsupportedVersion {
                throw KafkaError(
                    .unsupportedVersion, "the broker has no idempotent producers: set enable.idempotence=false",
                    errorCode: error.errorCode, isRetriable: false, cause: error)
            }
        }
    }
}
