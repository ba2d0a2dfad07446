import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore

/// One request on its way: what a handler needs to know of it, and where its answer goes.
///
/// A handler may answer at once or later and from any thread; the connection sends answers in the order of requests.
struct Call<Response: KafkaMessage>: Sendable {
    let node: BrokerNode
    let connection: ConnectionHandle
    let slot: ResponseQueue.Slot
    let header: RequestHeader
    /// Runs while clients are held to a share of the threads' time.
    var timer: RequestTimer?

    var version: Int16 { header.apiVersion }
    var clientID: String { header.clientId ?? "" }
    var eventLoop: any EventLoop { connection.eventLoop }

    /// Answers the request. A file takes the place of the bytes field at its position, counted from the answer's first.
    func respond(_ response: Response, files: [FileSlice?] = []) {
        respond(response, version: header.apiVersion, files: files)
    }

    /// Answers in the layout of another version than the request's (ApiVersions does when it does not know that one).
    func respond(_ response: Response, version: Int16, files: [FileSlice?] = []) {
        let response = timer == nil ? response : throttled(response)
        connection.onLoop { handler in
            do {
                handler.deliver(try encode(response, version: version, files: files), slot: slot)
            } catch {
                node.logger.error(
                    "closing a connection: an answer cannot be encoded",
                    metadata: ["api": "\(header.apiKey)", "version": "\(version)", "error": "\(error)"])
                handler.closeNow()
            }
        }
    }

    /// Counts what the client has sent or is to get.
    ///
    /// - Returns: milliseconds that it has to wait, for the answer; its connection is not read from for so long.
    func throttle(_ kind: QuotaManager.Kind, bytes: Int) -> Int32 {
        let wait = node.topics.quotas.record(
            kind, bytes: bytes, user: connection.principal.name, clientID: clientID, now: SteadyClock.now())
        mute(wait)
        return wait
    }

    /// Asks to change topics by this many partitions (KIP-599).
    ///
    /// - Returns: 0, or the milliseconds after which the client may try again.
    func takeMutations(_ partitions: Int) -> Int32 {
        node.topics.quotas.takeMutations(
            partitions, user: connection.principal.name, clientID: clientID, now: SteadyClock.now())
    }

    /// Clients that know the error are refused until their time has come; others are served, and made to wait then.
    func checkMutations(_ wait: Int32, refusesFrom version: Int16, _ throttle: inout Int32) throws(Refusal) {
        guard wait > 0 else { return }
        throttle = max(throttle, wait)
        mute(wait)
        guard header.apiVersion < version else {
            throw Refusal(.throttlingQuotaExceeded, "The throttling quota has been exceeded.")
        }
    }

    /// Reads nothing from the client for a while.
    func mute(_ milliseconds: Int32) {
        if milliseconds > 0 { connection.onLoop { $0.mute(milliseconds: milliseconds) } }
    }

    /// Ends the call without an answer (acks=0).
    func finishSilently() {
        connection.onLoop { $0.deliver([], slot: slot) }
    }

    /// Closes the connection, which is how a client learns of a fault where no answer is due.
    func closeConnection() {
        connection.onLoop { $0.closeNow() }
    }

    private func encode(
        _ response: Response, version: Int16, files: [FileSlice?]
    ) throws(WireError) -> [AnswerPart] {
        var writer = WireWriter(capacity: 128)
        // Records that a fetch returns go out as they were read.
        writer.keepsApartFrom = ConnectionHandler.copyLimit
        if files.contains(where: { $0 != nil }) { writer.externalLengths = files.map { $0?.length ?? 0 } }
        writer.writeInt32(0)
        ResponseHeader.encode(
            correlationId: header.correlationId, apiKey: header.apiKey, version: version, into: &writer)
        try response.encode(into: &writer, version: version)
        writer.buffer.setInteger(Int32(writer.writtenBytes - 4), at: writer.buffer.readerIndex)
        return writer.pieces.compactMap { piece in
            switch piece {
            case .bytes(let bytes): .bytes(bytes)
            case .external(let index): files[index].map { .file($0) }
            }
        }
    }
}
