import KafkaProtocol
import KafkaStorage
import NIOConcurrencyHelpers
import NIOCore

/// Produce (0), versions 3–13; 0–13 are announced because librdkafka looks at the low end to learn about codecs
/// (KAFKA-18659).
///
/// - acks=0: no answer, a failure closes the connection; acks=1: answered after the write; acks=-1: answered after the
///   bytes are on disk (group commit), because there is no replica that could hold them instead.
/// - One batch of format 2 per partition, checked (CRC, counts, size) before it is appended.
/// - A record without key is refused on a compacted topic (INVALID_RECORD).
/// - Idempotent producers: repeats within the last five batches are answered with their old offset.
/// - Transactions: the first batch in a partition is agreed on with the coordinator (`ProduceVerification`).
/// - v8+ error messages, v13 topic ids.
enum ProduceHandler: RequestHandler {
    typealias Request = ProduceRequest
    typealias PartitionResponse = ProduceResponse.TopicProduceResponse.PartitionProduceResponse

    static var announcedVersions: ClosedRange<Int16> { 0...versions.upperBound }

    /// An append whose bytes must reach the disk before the answer.
    private struct Unflushed {
        var log: PartitionLog
        var end: Int64
        var topic: Int
        var partition: Int
    }

    static func handle(_ request: ProduceRequest, _ call: Call<ProduceResponse>) {
        ProduceVerification.verify(request, call) { append(request, call, $0) }
    }

    private static func append(
        _ request: ProduceRequest, _ call: Call<ProduceResponse>, _ verdicts: ProduceVerification.Verdicts
    ) {
        var response = ProduceResponse()
        var unflushed: [Unflushed] = []
        var hasFailed = false
        let refusal: Refusal? =
            !(-1...1).contains(request.acks)
            ? Refusal(.invalidRequiredAcks, "acks must be -1, 0 or 1, not \(request.acks)")
            : request.transactionalId.map { call.allows(.write, .transactionalID, $0) } == false
                ? Refusal(.transactionalIdAuthorizationFailed, "Transactional Id authorization failed.") : nil
        for data in request.topicData {
            var answer = ProduceResponse.TopicProduceResponse()
            answer.name = data.name
            answer.topicId = data.topicId
            let topic =
                call.version >= 13 ? call.node.topics.topic(id: data.topicId) : call.node.topics.topic(named: data.name)
            let name = topic?.name ?? data.name
            let isDenied = !name.isEmpty && !call.allows(.write, topic: name)
            for partitionData in data.partitionData {
                var entry = PartitionResponse()
                entry.index = partitionData.index
                do throws(Refusal) {
                    if let refusal { throw refusal }
                    if isDenied { throw .topicAuthorization(name) }
                    let (log, info) = try append(partitionData, to: topic, call, verdicts)
                    entry.baseOffset = info.baseOffset
                    entry.logAppendTimeMs = info.logAppendTime
                    entry.logStartOffset = info.logStartOffset
                    unflushed.append(
                        Unflushed(
                            log: log, end: info.lastOffset + 1, topic: response.responses.count,
                            partition: answer.partitionResponses.count))
                } catch {
                    entry.fail(error)
                    hasFailed = true
                }
                answer.partitionResponses.append(entry)
            }
            response.responses.append(answer)
        }
        let bytes = request.topicData.reduce(0) { sum, topic in
            topic.partitionData.reduce(sum) { $0 + ($1.records?.readableBytes ?? 0) }
        }
        response.throttleTimeMs = call.throttle(.produce, bytes: bytes)
        switch request.acks {
        case 0 where hasFailed: call.closeConnection()
        case 0: call.finishSilently()
        case -1 where !unflushed.isEmpty: respondWhenFlushed(response, unflushed, call)
        default: call.respond(response)
        }
    }

    private static func append(
        _ data: ProduceRequest.TopicProduceData.PartitionProduceData, to topic: Topic?, _ call: Call<ProduceResponse>,
        _ verdicts: ProduceVerification.Verdicts
    ) throws(Refusal) -> (PartitionLog, LogAppendInfo) {
        guard let topic else {
            throw call.version >= 13
                ? Refusal(.unknownTopicId, "There is no topic with this id.")
                : Refusal(.unknownTopicOrPartition, "There is no such topic.")
        }
        guard let partition = topic.partition(data.index) else {
            throw Refusal(.unknownTopicOrPartition, "Topic \(topic.name) has no partition \(data.index).")
        }
        if topic.isInternal && call.clientID != "__admin_client" {
            throw Refusal(.invalidTopicException, "Clients may not write to the internal topic \(topic.name).")
        }
        guard let records = data.records, records.readableBytes > 0 else {
            throw Refusal(.invalidRecord, "The request holds no record batch for \(topic.name)-\(data.index).")
        }
        do {
            let configuration = partition.configuration
            var rules = AppendRules(maxMessageBytes: configuration.maxMessageBytes)
            rules.requiresKeys = configuration.cleanupPolicy.contains(.compact)
            rules.decompresses = rules.requiresKeys
            let header = try RecordBatches.validateForAppend(records, rules: rules)
            let verdict = verdicts[OffsetKey(topic: topic.name, partition: data.index)]
            if let verdict, verdict != .none {
                throw Refusal(verdict, "The transaction coordinator refuses \(topic.name)-\(data.index).")
            }
            let log = try partition.log()
            let info = try log.append(records, validated: header, isVerified: verdict != nil)
            if !info.isDuplicate {
                partition.announce(bytes: records.readableBytes, isTransactional: header.isTransactional)
            }
            return (log, info)
        } catch let refusal as Refusal {
            throw refusal
        } catch let error as StorageError {
            throw Refusal(error)
        } catch let error as RecordError {
            throw Refusal(error.errorCode, error.description)
        } catch {
            throw Refusal(.unknownServerError, "\(error)")
        }
    }

    private static func respondWhenFlushed(
        _ response: ProduceResponse, _ unflushed: [Unflushed], _ call: Call<ProduceResponse>
    ) {
        let pending = NIOLockedValueBox((response: response, missing: unflushed.count))
        for append in unflushed {
            call.node.directory.flusher.flush(append.log, upTo: append.end) { result in
                let complete = pending.withLockedValue { pending -> ProduceResponse? in
                    if case .failure(let error) = result {
                        pending.response.responses[append.topic].partitionResponses[append.partition]
                            .fail(Refusal(error))
                    }
                    pending.missing -= 1
                    return pending.missing == 0 ? pending.response : nil
                }
                if let complete { call.respond(complete) }
            }
        }
    }
}

extension ProduceHandler.PartitionResponse {
    /// Turns the answer into a refusal.
    fileprivate mutating func fail(_ refusal: Refusal) {
        errorCode = refusal.code
        errorMessage = refusal.message
        baseOffset = -1
        logAppendTimeMs = -1
        logStartOffset = -1
    }
}
