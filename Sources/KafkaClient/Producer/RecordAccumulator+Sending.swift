import DequeModule
import KafkaProtocol
import NIOCore

extension RecordAccumulator {
    /// Takes out what can be sent now. Every request must end in ``returned(_:_:now:backoff:)`` for each of its batches
    /// and in ``finished(_:)``.
    mutating func plan(_ metadata: ClusterMetadata, now: NIODeadline) -> Plan {
        var plan = Plan()
        expire(now: now, &plan)
        guard abandonment == nil, !queues.isEmpty else { return plan }
        var requests: [BrokerNode: Request] = [:]
        var sizes: [BrokerNode: Int] = [:]
        // Begin anywhere, so that no partition always comes last.
        let start = Int.random(in: 0..<queues.count)
        for offset in queues.indices {
            let index = (start + offset) % queues.count
            guard let size = queues[index].waiting.first?.size, isReady(index, now, &plan) else { continue }
            let partition = queues[index].partition
            guard let topic = metadata.topics[partition.topic], let leader = metadata.leader(of: partition) else {
                plan.staleTopics.insert(partition.topic)
                continue
            }
            // The leader has moved: what the old one has may still be refused there, and must not be overtaken.
            guard queues[index].inFlight.isEmpty || queues[index].destination == leader.address else { continue }
            let planned = sizes[leader] ?? 0
            guard inFlight[leader.address, default: 0] < limits.maxInFlight,
                planned == 0 || planned + size <= limits.maxRequestSize
            else { continue }
            if limits.isIdempotent, queues[index].identity == nil {
                guard let identity else {
                    plan.needsIdentity = true
                    continue
                }
                queues[index].identity = identity
                queues[index].nextSequence = 0
            }
            if let registered, !registered.contains(partition) {
                plan.unregistered.append(partition)
                continue
            }
            let batch = Self.take(from: &queues[index])
            queues[index].destination = leader.address
            sizes[leader] = planned + batch.size
            var request = requests[leader] ?? Request(node: leader, batches: [], usesTopicIDs: true)
            request.batches.append(batch)
            request.usesTopicIDs = request.usesTopicIDs && topic.id != .zero
            requests[leader] = request
        }
        for (node, _) in requests { inFlight[node.address, default: 0] += 1 }
        plan.requests = Array(requests.values)
        return plan
    }

    /// Whether the first batch of a queue may leave now; notes when it may otherwise.
    private mutating func isReady(_ index: Int, _ now: NIODeadline, _ plan: inout Plan) -> Bool {
        guard let first = queues[index].waiting.first else { return false }
        plan.note(first.created + limits.deliveryTimeout)
        if queues[index].isRecovering {
            guard queues[index].inFlight.isEmpty else { return false }
            queues[index].isRecovering = false
        }
        guard queues[index].retryAt <= now else {
            plan.note(queues[index].retryAt)
            return false
        }
        let lingersUntil = first.created + limits.linger
        if first.isClosed || first.attempts > 0 || queues[index].waiting.count > 1 || first.id <= flushedUpTo
            || lingersUntil <= now
        {
            return true
        }
        plan.note(lingersUntil)
        return false
    }

    private static func take(from queue: inout Queue) -> ProducerBatch {
        var batch = queue.waiting.removeFirst()
        if let identity = queue.identity, batch.identity != identity {
            batch.identity = identity
            batch.baseSequence = queue.nextSequence
            queue.nextSequence = Self.advance(queue.nextSequence, by: batch.count)
        }
        batch.attempts += 1
        batch.isClosed = true
        queue.inFlight[batch.id] = batch
        return batch
    }

    /// Sequence numbers wrap from Int32.max to 0.
    static func advance(_ sequence: Int32, by count: Int32) -> Int32 {
        Int32((Int64(sequence) + Int64(count)) % (Int64(Int32.max) + 1))
    }

    /// Keeps the built bytes of a batch in flight, for repeating it.
    mutating func keep(_ buffer: ByteBuffer, of batch: ProducerBatch) {
        guard let index = place(of: batch.partition) else { return }
        queues[index].inFlight[batch.id]?.buffer = buffer
    }

    private mutating func expire(now: NIODeadline, _ plan: inout Plan) {
        for index in queues.indices {
            while let batch = queues[index].waiting.first, batch.created + limits.deliveryTimeout <= now {
                queues[index].waiting.removeFirst()
                plan.ended.append(
                    end(index, batch, .failure(Self.timedOut(batch)), resetsIdentity: batch.attempts > 0))
            }
        }
    }

    private static func timedOut(_ batch: ProducerBatch) -> KafkaError {
        let reason = batch.lastError.map { ": \($0.message)" } ?? ": the partition's leader could not be reached"
        return KafkaError(
            .timedOut,
            "\(batch.count) record(s) for \(batch.partition) were not delivered within delivery.timeout.ms"
                + reason, isRetriable: false, cause: batch.lastError)
    }

    // MARK: - Answers

    /// A request is over, whatever came of its batches.
    mutating func finished(_ request: Request) {
        inFlight[request.node.address, default: 1] -= 1
        if inFlight[request.node.address] == 0 { inFlight[request.node.address] = nil }
    }

    /// The broker has answered for a batch, or the connection was lost. Returns the batch if that was its end.
    mutating func returned(
        _ sent: ProducerBatch, _ result: BatchDelivery.Outcome, now: NIODeadline, backoff: TimeAmount
    ) -> Ended? {
        guard let index = place(of: sent.partition),
            var batch = queues[index].inFlight.removeValue(forKey: sent.id)
        else { return nil }
        guard case .failure(let error) = result else { return end(index, batch, result, resetsIdentity: false) }
        batch.lastError = error
        if abandonment != nil { return end(index, batch, result, resetsIdentity: false) }
        switch verdict(error, batch, queues[index]) {
        case .end(let resetsIdentity):
            return end(index, batch, .failure(error), resetsIdentity: resetsIdentity)
        case .duplicate:
            return end(index, batch, .success((-1, -1)), resetsIdentity: false)
        case .split:
            return split(index, batch, error)
        case .retry(let resetsIdentity):
            guard batch.attempts <= limits.retries, batch.created + limits.deliveryTimeout > now else {
                let failure = batch.attempts > limits.retries ? error : Self.timedOut(batch)
                return end(index, batch, .failure(failure), resetsIdentity: true)
            }
            if resetsIdentity { resetIdentity(index) }
            requeue(index, batch)
            queues[index].isRecovering = true
            queues[index].retryAt = now + backoff
            return nil
        }
    }

    private enum Verdict {
        case retry(resetsIdentity: Bool)
        case duplicate
        case split
        case end(resetsIdentity: Bool)
    }

    private func verdict(_ error: KafkaError, _ batch: ProducerBatch, _ queue: Queue) -> Verdict {
        switch error.errorCode {
        case .duplicateSequenceNumber?: return .duplicate
        case .messageTooLarge? where batch.count > 1: return .split
        case .outOfOrderSequenceNumber? where limits.isIdempotent:
            // Normal behind a batch that is being repeated. Otherwise the broker has lost what came before, and nothing
            // may be put in its place silently.
            let isBehind =
                queue.isRecovering || queue.waiting.contains { $0.id < batch.id && $0.attempts > 0 }
                || queue.inFlight.keys.contains { $0 < batch.id }
            return isBehind ? .retry(resetsIdentity: false) : .end(resetsIdentity: true)
        case .unknownProducerId? where limits.isIdempotent && !limits.isTransactional,
            .invalidProducerEpoch? where limits.isIdempotent && !limits.isTransactional:
            return .retry(resetsIdentity: true)
        default:
            return error.isRetriable ? .retry(resetsIdentity: false) : .end(resetsIdentity: batch.identity != nil)
        }
    }

    private mutating func split(_ index: Int, _ batch: ProducerBatch, _ error: KafkaError) -> Ended? {
        guard var halves = try? batch.split(compression: limits.compression) else {
            return end(index, batch, .failure(error), resetsIdentity: true)
        }
        if limits.isTransactional {
            // The transaction goes on: the broker has none of the batch, so that the parts may use its numbers.
            halves.0.identity = batch.identity
            halves.0.baseSequence = batch.baseSequence
            halves.1.identity = batch.identity
            halves.1.baseSequence = Self.advance(batch.baseSequence, by: halves.0.count)
        } else {
            resetIdentity(index)
        }
        bufferedBytes += halves.0.size + halves.1.size - batch.size
        openBatches += 1
        requeue(index, halves.1)
        requeue(index, halves.0)
        queues[index].isRecovering = true
        return nil
    }

    private mutating func requeue(_ index: Int, _ batch: ProducerBatch) {
        let place = queues[index].waiting.firstIndex { $0.id >= batch.id } ?? queues[index].waiting.endIndex
        queues[index].waiting.insert(batch, at: place)
    }

    /// The partition goes on under another identity, with sequence numbers from 0. The others keep theirs. In a
    /// transaction all share one, which its end renews.
    private mutating func resetIdentity(_ index: Int) {
        guard limits.isIdempotent, !limits.isTransactional, let old = queues[index].identity else { return }
        queues[index].identity = nil
        queues[index].isRecovering = true
        if identity == old { identity = nil }
    }

    private mutating func end(
        _ index: Int, _ batch: ProducerBatch, _ result: BatchDelivery.Outcome, resetsIdentity: Bool
    ) -> Ended {
        if resetsIdentity { resetIdentity(index) }
        bufferedBytes -= batch.size
        openBatches -= 1
        return Ended(batch: batch, result: result)
    }

    /// Ends everything that waits; what is in flight ends with its answer.
    mutating func failAll(_ error: KafkaError) -> [Ended] {
        var ended: [Ended] = []
        for index in queues.indices {
            while let batch = queues[index].waiting.popFirst() {
                ended.append(end(index, batch, .failure(error), resetsIdentity: false))
            }
        }
        return ended
    }
}

extension RecordAccumulator.Plan {
    mutating func note(_ deadline: NIODeadline) {
        nextCheck = min(nextCheck ?? deadline, deadline)
    }
}
