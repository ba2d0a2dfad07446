import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore

/// Fetch (1), versions 4–18.
///
/// - Whole batches; the first partition that has data gives at least one batch, however small the limits are.
/// - Long poll: the answer waits until `min_bytes` are there or `max_wait_ms` are over; an error is answered at once.
/// - Sessions (v7+) are not kept: every answer has session id 0, so clients send full requests.
/// - v9+ leader epochs: ours is always 0, a newer one is UNKNOWN_LEADER_EPOCH. v13+ topic ids.
/// - Records are visible as soon as they are written. read_committed reads up to the last stable offset and is told which
///   transactions among its records were aborted.
enum FetchHandler: RequestHandler {
    typealias Request = FetchRequest

    static func handle(_ request: FetchRequest, _ call: Call<FetchResponse>) {
        if request.sessionId != 0 {
            var response = FetchResponse()
            response.errorCode = .fetchSessionIdNotFound
            return call.respond(response)
        }
        let fetch = Fetch(request, call)
        let found = fetch.read()
        let missing = Int(request.minBytes) - found.bytes
        guard missing > 0, request.maxWaitMs > 0, !found.hasError, !fetch.partitions.isEmpty else {
            return fetch.answer(found)
        }
        fetch.wait(missing: missing, after: found)
    }
}

/// One fetch: what was asked, resolved to partitions.
private struct Fetch: Sendable {
    struct Asked: Sendable {
        var request: FetchRequest.FetchTopic.FetchPartition
        var partition: Partition?
    }

    struct Found: Sendable {
        var partitions: [FetchResponse.FetchableTopicResponse.PartitionData] = []
        var slices: [FileSlice?] = []
        var bytes = 0
        var hasError = false
        /// Sum of the log ends, to notice an append between reading and waiting.
        var ends: Int64 = 0
    }

    /// What one partition has.
    struct Look {
        var slice: FileSlice?
        var logStartOffset: Int64
        var logEndOffset: Int64
        var lastStableOffset: Int64
        var aborted: [AbortedTransaction] = []
    }

    var isCommittedOnly: Bool { request.isolationLevel == 1 }

    let request: FetchRequest
    let call: Call<FetchResponse>
    let asked: [Asked]

    init(_ request: FetchRequest, _ call: Call<FetchResponse>) {
        self.request = request
        self.call = call
        asked = request.topics.flatMap { topic in
            let known =
                call.version >= 13
                ? call.node.topics.topic(id: topic.topicId) : call.node.topics.topic(named: topic.topic)
            return topic.partitions.map { Asked(request: $0, partition: known?.partition($0.partition)) }
        }
    }

    var partitions: [Partition] { asked.compactMap(\.partition) }

    /// Looks what is there, without reading record bytes yet.
    func read() -> Found {
        var found = Found()
        var room = min(max(0, Int(request.maxBytes)), call.node.configuration.fetchMaxBytes)
        for item in asked {
            var answer = FetchResponse.FetchableTopicResponse.PartitionData()
            answer.partitionIndex = item.request.partition
            answer.abortedTransactions = isCommittedOnly ? [] : nil
            answer.records = ByteBuffer()
            var slice: FileSlice?
            do throws(Refusal) {
                let result = try read(item, room: room, isFirst: found.bytes == 0)
                answer.highWatermark = result.logEndOffset
                answer.lastStableOffset = result.lastStableOffset
                if isCommittedOnly { answer.abortedTransactions = result.aborted.map(Self.describe) }
                answer.logStartOffset = result.logStartOffset
                found.ends += result.logEndOffset
                slice = result.slice
                if let length = slice?.length {
                    found.bytes += length
                    room = max(0, room - length)
                }
            } catch {
                answer.errorCode = error.code
                answer.highWatermark = -1
                found.hasError = true
            }
            found.partitions.append(answer)
            found.slices.append(slice)
        }
        return found
    }

    private func read(_ item: Asked, room: Int, isFirst: Bool) throws(Refusal) -> Look {
        guard let partition = item.partition else {
            throw Refusal(call.version >= 13 ? .unknownTopicId : .unknownTopicOrPartition, "")
        }
        if item.request.currentLeaderEpoch > 0 { throw Refusal(.unknownLeaderEpoch, "") }
        let limit = min(max(0, Int(item.request.partitionMaxBytes)), room)
        do throws(StorageError) {
            let log = try partition.log()
            let stable = log.lastStableOffset
            if limit == 0 && !isFirst {
                return Look(
                    slice: nil, logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset,
                    lastStableOffset: stable)
            }
            if isCommittedOnly {
                let result = try log.readCommitted(
                    from: item.request.fetchOffset, maxBytes: limit, minOneBatch: isFirst)
                return Look(
                    slice: result.slice, logStartOffset: result.logStartOffset, logEndOffset: result.logEndOffset,
                    lastStableOffset: result.lastStableOffset, aborted: result.aborted)
            }
            let result = try log.read(from: item.request.fetchOffset, maxBytes: limit, minOneBatch: isFirst)
            return Look(
                slice: result.slice, logStartOffset: result.logStartOffset, logEndOffset: result.logEndOffset,
                lastStableOffset: stable)
        } catch {
            throw Refusal(error)
        }
    }

    private static func describe(
        _ aborted: AbortedTransaction
    ) -> FetchResponse.FetchableTopicResponse.PartitionData.AbortedTransaction {
        var entry = FetchResponse.FetchableTopicResponse.PartitionData.AbortedTransaction()
        entry.producerId = aborted.producerID
        entry.firstOffset = aborted.firstOffset
        return entry
    }

    /// Waits for more, then looks again and answers whatever is there.
    func wait(missing: Int, after found: Found) {
        let wait = FetchWait(
            missing: missing, isCommittedOnly: isCommittedOnly, eventLoop: call.eventLoop
        ) { self.answer(self.read()) }
        call.connection.onLoop { $0.onClose(call.slot) { wait.cancel() } }
        wait.start(on: partitions, timeout: .milliseconds(Int64(request.maxWaitMs)))
        let ends = partitions.reduce(Int64(0)) { $0 + ($1.openedLog?.logEndOffset ?? 0) }
        if ends != found.ends { wait.dataArrived(.max) }
    }

    /// Reads the bytes and answers.
    func answer(_ found: Found) {
        var response = FetchResponse()
        var files: [FileSlice?] = []
        var position = 0
        for topic in request.topics {
            var entry = FetchResponse.FetchableTopicResponse()
            entry.topic = topic.topic
            entry.topicId = topic.topicId
            for _ in topic.partitions {
                var partition = found.partitions[position]
                let slice = found.slices[position]
                let goesAsFile = slice.map(call.connection.sendsAsFile) ?? false
                files.append(goesAsFile ? slice : nil)
                if let slice, !goesAsFile {
                    do throws(StorageError) {
                        partition.records = try slice.readBytes()
                    } catch {
                        call.node.logger.error(
                            "a log cannot be read", metadata: ["topic": "\(topic.topic)", "error": "\(error)"])
                        partition.errorCode = error.errorCode
                    }
                }
                entry.partitions.append(partition)
                position += 1
            }
            response.responses.append(entry)
        }
        call.respond(response, files: files)
    }
}
