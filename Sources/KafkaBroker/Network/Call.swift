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

    var version: Int16 { header.apiVersion }
    var clientID: String { header.clientId ?? "" }
    var eventLoop: any EventLoop { connection.eventLoop }

    /// Answers the request. A file takes the place of the bytes field at its position, counted from the answer's first.
    func respond(_ response: Response, files: [FileSlice?] = []) {
        respond(response, version: header.apiVersion, files: files)
    }

    /// Answers in the layout of another version than the request's (ApiVersions does when it does not know that one).
    func respond(_ response: Response, version: Int16, files: [FileSlice?] = []) {
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
