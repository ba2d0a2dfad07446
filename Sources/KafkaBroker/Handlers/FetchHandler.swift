import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore

/// Fetch (1), versions 4–18.
///
/// - Whole batches; the first partition that has data gives at least one batch, however small the limits are.
/// - Long poll: the answer waits until `min_bytes` are there or `max_wait_ms` are over; an error is answered at once.
/// - Incremental sessions (v7+): see `FetchSessions`.
/// - v9+ leader epochs: ours is always 0, a newer one is UNKNOWN_LEADER_EPOCH. v13+ topic ids.
/// - Records are visible as soon as they are written. read_committed reads up to the last stable offset and is told which
///   transactions among its records were aborted.
enum FetchHandler: RequestHandler {
    typealias Request = FetchRequest

    static func handle(_ request: FetchRequest, _ call: Call<FetchResponse>) {
        let scope: FetchScope
        do throws(Refusal) {
            scope = try call.node.fetchSessions.begin(
                request, version: call.version, principal: call.connection.principal, now: SteadyClock.now())
        } catch {
            return call.respond(FetchResponse(errorCode: error.code))
        }
        let fetch = Fetch(request, scope, call)
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
        var item: FetchItem
        var partition: Partition?
        /// The client may not read the topic.
        var isDenied: Bool

        var request: FetchRequest.FetchTopic.FetchPartition { item.request }
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
    let scope: FetchScope
    let call: Call<FetchResponse>
    let asked: [Asked]

    init(_ request: FetchRequest, _ scope: FetchScope, _ call: Call<FetchResponse>) {
        self.request = request
        self.scope = scope
        self.call = call
        var last: (key: FetchItem.Key, topic: Topic?, isDenied: Bool)?
        asked = scope.items.map { item in
            if last?.key.topic != item.key.topic || last?.key.topicID != item.key.topicID {
                let topics = call.node.topics
                let topic =
                    scope.usesTopicIDs ? topics.topic(id: item.key.topicID) : topics.topic(named: item.key.topic)
                let name = topic?.name ?? item.key.topic
                last = (item.key, topic, !name.isEmpty && !call.allows(.read, topic: name))
            }
            return Asked(
                item: item, partition: last?.topic?.partition(item.key.partition), isDenied: last?.isDenied ?? true)
        }
    }

    var partitions: [Partition] { asked.compactMap(\.partition) }

    /// Looks what is there, without reading record bytes yet.
    func read() -> Found {
        var found = Found()
        var room = min(max(0, Int(request.maxBytes)), call.node.configuration.fetchMaxBytes)
        let quota = call.node.topics.quotas.largest(
            .fetch, user: call.connection.principal.name, clientID: call.clientID)
        if let quota { room = min(room, quota) }
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
        if item.isDenied { throw .topicAuthorization("") }
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

    /// Reads the bytes and answers. A client that has had too much gets nothing and is told to wait.
    func answer(_ found: Found) {
        var found = found
        let throttle = max(call.throttle(.fetch, bytes: found.bytes), call.requestThrottle())
        if throttle > 0 {
            call.node.topics.quotas.unrecord(
                .fetch, bytes: found.bytes, user: call.connection.principal.name, clientID: call.clientID,
                now: SteadyClock.now())
            found.slices = found.slices.map { _ in nil }
        }
        let settled: (session: Int32, isIncluded: [Bool]?)
        do throws(Refusal) {
            settled = try call.node.fetchSessions.finish(
                scope, found: found.partitions, principal: call.connection.principal, now: SteadyClock.now()
            ) { found.slices[$0] != nil }
        } catch {
            return call.respond(FetchResponse(errorCode: error.code))
        }
        var response = FetchResponse()
        response.throttleTimeMs = throttle
        response.sessionId = settled.session
        var files: [FileSlice?] = []
        for (position, item) in asked.enumerated() where settled.isIncluded?[position] ?? true {
            var partition = found.partitions[position]
            let slice = found.slices[position]
            let goesAsFile = slice.map(call.connection.sendsAsFile) ?? false
            files.append(goesAsFile ? slice : nil)
            if let slice, !goesAsFile { read(slice, into: &partition) }
            let key = item.item.key
            if response.responses.last?.topic != key.topic || response.responses.last?.topicId != key.topicID {
                var topic = FetchResponse.FetchableTopicResponse()
                topic.topic = key.topic
                topic.topicId = key.topicID
                response.responses.append(topic)
            }
            response.responses[response.responses.count - 1].partitions.append(partition)
        }
        call.respond(response, files: files)
    }

    private func read(
        _ slice: FileSlice, into partition: inout FetchResponse.FetchableTopicResponse.PartitionData
    ) {
        do throws(StorageError) {
            partition.records = try slice.readBytes()
        } catch {
            call.node.logger.error("a log cannot be read", metadata: ["error": "\(error)"])
            partition.errorCode = error.errorCode
        }
    }
}

extension FetchResponse {
    fileprivate init(errorCode: ErrorCode) {
        self.init()
        self.errorCode = errorCode
    }
}
