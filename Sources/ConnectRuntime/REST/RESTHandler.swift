import ConnectAPI
import Logging
import NIOCore
import NIOHTTP1

/// One connection: collects a request, has it answered, writes the answer. Requests of one connection are answered
/// one after the other (`HTTPServerPipelineHandler` holds later ones back).
final class RESTHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        case collecting(HTTPRequestHead, ByteBuffer)
        /// The body was too large: an answer has been given. What still comes is read and dropped for a moment,
        /// because closing with unread bytes would take the answer from the client.
        case discarding
        case answering
    }

    /// What becomes of the connection after an answer.
    private enum Afterwards {
        case stays, closes, closesSoon
    }

    private static let discardTime = TimeAmount.seconds(1)

    private let service: RESTService
    private let maximumBodySize: Int
    private let channels: RunningChannels
    private var state = State.idle

    init(service: RESTService, maximumBodySize: Int, channels: RunningChannels) {
        self.service = service
        self.maximumBodySize = maximumBodySize
        self.channels = channels
    }

    func channelActive(context: ChannelHandlerContext) {
        if channels.add(connection: context.channel) {
            context.fireChannelActive()
        } else {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        channels.remove(connection: context.channel)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context: context)
        case .body(let part): collect(part, context: context)
        case .end: end(context: context)
        }
    }

    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        state = .collecting(head, ByteBuffer())
        if let length = head.headers.first(name: "Content-Length").flatMap({ Int($0) }), length > maximumBodySize {
            refuseBody(head, context: context)
        } else if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
            let response = HTTPResponseHead(version: head.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(response)), promise: nil)
        }
    }

    private func collect(_ part: ByteBuffer, context: ChannelHandlerContext) {
        guard case .collecting(let head, var body) = state else { return }
        // One reference to the body, or the append copies it.
        state = .idle
        guard body.readableBytes + part.readableBytes <= maximumBodySize else {
            refuseBody(head, context: context)
            return
        }
        body.writeImmutableBuffer(part)
        state = .collecting(head, body)
    }

    private func refuseBody(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        state = .discarding
        let error = HerderError(
            status: 413, message: "The body is larger than the \(maximumBodySize) bytes that this worker takes")
        write(.error(error), to: head, connection: .closesSoon, context: context)
    }

    private func end(context: ChannelHandlerContext) {
        if case .discarding = state { context.close(promise: nil) }
        guard case .collecting(let head, let body) = state else { return }
        state = .answering
        let service = service
        let future = context.eventLoop.makeFutureWithTask { () async -> RESTResponse in
            do throws(HerderError) {
                let request = try RESTRequest(
                    method: head.method, target: head.uri, headers: head.headers, body: body)
                return await service.respond(to: request)
            } catch {
                return .error(error)
            }
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        future.whenSuccess { response in
            let (handler, context) = bound.value
            handler.state = .idle
            handler.write(response, to: head, connection: head.isKeepAlive ? .stays : .closes, context: context)
        }
    }

    private func write(
        _ response: RESTResponse, to request: HTTPRequestHead, connection: Afterwards,
        context: ChannelHandlerContext
    ) {
        guard context.channel.isActive else { return }
        var headers = response.headers
        if response.status != .noContent {
            headers.replaceOrAdd(name: "Content-Length", value: String(response.body?.count ?? 0))
        }
        if connection != .stays {
            headers.replaceOrAdd(name: "Connection", value: "close")
        } else if request.version == .http1_0 {
            headers.replaceOrAdd(name: "Connection", value: "keep-alive")
        }
        let head = HTTPResponseHead(version: request.version, status: response.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body = response.body, request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        switch connection {
        case .stays: break
        case .closes: written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        case .closesSoon: context.eventLoop.scheduleTask(in: Self.discardTime) { bound.value.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is IdleStateHandler.IdleStateEvent:
            if case .answering = state { return }
            context.close(promise: nil)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        service.logger.debug("A REST connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }
}
