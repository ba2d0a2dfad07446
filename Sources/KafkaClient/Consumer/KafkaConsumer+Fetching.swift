import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

extension KafkaConsumer {
    /// Sends all fetches that can be sent. Called after everything that may change what can be: cheap when nothing.
    func dispatchFetches() {
        let metadata = cluster.metadata
        let now = NIODeadline.now()
        let limits = FetchState.Limits(
            partitionBytes: Int(configuration.maxPartitionFetchBytes), totalBytes: Int(configuration.fetchMaxBytes))
        let (plans, lacksLeader, retry) = state.withLockedValue { state in
            guard !state.isClosed else { return ([FetchState.Plan](), false, NIODeadline?.none) }
            let (plans, lacksLeader, retry) = state.fetch.plan(metadata, limits: limits, now: now)
            if lacksLeader { state.wantsMetadata = true }
            var timer: NIODeadline?
            if let retry, state.retryTimer.map({ $0 < now || $0 > retry }) ?? true {
                state.retryTimer = retry
                timer = retry
            }
            return (plans, lacksLeader, timer)
        }
        if lacksLeader { chores.notify() }
        if let retry {
            eventLoop.scheduleTask(deadline: retry) { [weak self] in self?.dispatchFetches() }
        }
        for plan in plans { send(plan) }
    }

    private func send(_ plan: FetchState.Plan) {
        let configuration = configuration
        // Before version 13 topics go by name; ids must be known for all of them.
        cluster.call(
            at: plan.node.address, purpose: connections, limit: plan.usesTopicIDs ? .max : 12, atLeast: 4,
            timeout: configuration.client.requestTimeout + configuration.fetchMaxWait,
            build: { version in Self.request(plan, configuration, version: version) },
            completion: { [self] result in handle(plan, result) })
    }

    private static func request(
        _ plan: FetchState.Plan, _ configuration: ConsumerConfiguration, version: Int16
    ) -> FetchRequest {
        var request = FetchRequest()
        request.maxWaitMs = configuration.fetchMaxWait.milliseconds
        request.minBytes = configuration.fetchMinBytes
        request.maxBytes = configuration.fetchMaxBytes
        request.isolationLevel = configuration.isolationLevel.rawValue
        request.rackId = configuration.client.rack
        request.topics = Dictionary(grouping: plan.targets, by: \.partition.topic).map { topic, targets in
            var entry = FetchRequest.FetchTopic()
            entry.topic = topic
            entry.topicId = targets.first?.topicID ?? .zero
            entry.partitions = targets.map { target in
                var partition = FetchRequest.FetchTopic.FetchPartition()
                partition.partition = target.partition.partition
                partition.currentLeaderEpoch = target.leaderEpoch
                partition.fetchOffset = target.offset
                partition.partitionMaxBytes = configuration.maxPartitionFetchBytes
                return partition
            }
            return entry
        }
        return request
    }

    // MARK: - Answers

    private func handle(_ plan: FetchState.Plan, _ result: Result<FetchResponse, KafkaError>) {
        var wakesPoll = false
        var needsChores = false
        state.withLockedValue { state in
            state.fetch.finished(plan)
            switch result {
            case .success(let response) where response.errorCode == .none:
                for topic in response.responses {
                    for answer in topic.partitions {
                        guard
                            let target = plan.targets.first(where: {
                                $0.partition.partition == answer.partitionIndex
                                    && (topic.topicId == .zero
                                        ? $0.partition.topic == topic.topic : $0.topicID == topic.topicId)
                            })
                        else { continue }
                        take(answer, target, &state, &wakesPoll, &needsChores)
                    }
                }
            case .success(let response):
                fail(plan.targets, .broker(response.errorCode, "fetching from \(plan.node)"), &state)
                needsChores = true
            case .failure(let error):
                fail(plan.targets, error, &state)
                needsChores = true
            }
            if state.failure != nil { wakesPoll = true }
        }
        if wakesPoll { signal.notify() }
        if needsChores { chores.notify() }
        dispatchFetches()
    }

    private func take(
        _ answer: FetchResponse.FetchableTopicResponse.PartitionData, _ target: FetchState.Target,
        _ state: inout State, _ wakesPoll: inout Bool, _ needsChores: inout Bool
    ) {
        guard state.fetch.isCurrent(target) else { return }
        switch answer.errorCode {
        case .none:
            state.fetch.setHighWatermark(target, answer.highWatermark)
            guard let records = answer.records, records.readableBytes > 0 else { return }
            do throws(RecordError) {
                guard let next = try FetchedChunk.nextOffset(records) else { return }
                let aborted = (answer.abortedTransactions ?? []).map { ($0.producerId, $0.firstOffset) }
                let chunk = FetchedChunk(buffer: records, aborted: aborted, highWatermark: answer.highWatermark)
                state.fetch.received(target, chunk: chunk, nextOffset: next)
                wakesPoll = true
            } catch {
                let what = "\(target.partition) at offset \(target.offset): \(error)"
                fail([target], KafkaError(.malformedResponse, what, isRetriable: false, cause: error), &state)
            }
        case .offsetOutOfRange:
            logger.info(
                "the position is out of range",
                metadata: [
                    "partition": "\(target.partition)", "offset": "\(target.offset)",
                ])
            state.fetch.seek(target.partition, to: nil, need: .reset)
            needsChores = true
        default:
            fail([target], .broker(answer.errorCode, "fetching \(target.partition)"), &state)
            needsChores = true
        }
    }

    /// Retriable errors make the partitions wait a little while metadata is asked for; others end in `poll`.
    private func fail(_ targets: [FetchState.Target], _ error: KafkaError, _ state: inout State) {
        let until = NIODeadline.now() + TimeAmount(configuration.client.retryBackoff)
        for target in targets where state.fetch.isCurrent(target) { state.fetch.delay(target.partition, until: until) }
        if error.asksForMetadata { state.wantsMetadata = true }
        if error.isRetriable {
            logger.debug("fetch failed; trying again", metadata: ["error": "\(error)"])
        } else if !state.isClosed {
            state.failure = error
        }
    }
}
