import KafkaProtocol
import KafkaStorage
import Logging
import NIOConcurrencyHelpers
import NIOCore
import TransportSecurity

/// One connection: cuts frames, hands requests to their handlers in arrival order and sends the answers in that order.
///
/// Answers that are ready within one read burst leave in one write. Reading stops while too many answers are owed or
/// the peer does not take them (see `ResponseQueue`), so that a connection's memory is bounded by configuration.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = Never
    typealias OutboundOut = IOData

    /// Answers larger than this are written as they are instead of being copied together.
    static let copyLimit = 16 * 1024
    /// Records of at least this size go from the file to the socket without passing through memory (sendfile).
    static let sendFileFrom = 32 * 1024
    /// The largest request of a client that has not authenticated (Kafka's `sasl.server.max.receive.size`).
    private static let largestUnauthenticated = 524_288
    /// Output gathered during a burst is handed to the channel beyond this size.
    private static let gatherLimit = 128 * 1024

    private let node: BrokerNode
    private let listener: BoundListener
    /// Who the client has proven to be.
    var session: SaslSession
    private var frames: FrameDecoder
    private var queue: ResponseQueue
    private var output = ByteBuffer()
    private var handle: ConnectionHandle?
    private var context: ChannelHandlerContext?
    private var isInBurst = false
    private var isFlushScheduled = false
    private var hasUnflushed = false
    private var isReadHeld = false
    private var isClosing = false
    /// Nothing is read from a client that has used more than its quota, until its time is over.
    private var mutedUntil: NIODeadline?
    private var reservation: RequestReservation
    /// When something last came or left.
    private var lastActivity = NIODeadline.now()
    private var unsentBytes = 0
    private var closeActions: [ResponseQueue.Slot: () -> Void] = [:]

    init(node: BrokerNode, listener: BoundListener) {
        self.node = node
        self.listener = listener
        session = SaslSession(listener.listener)
        reservation = RequestReservation(node.requestMemory)
        self.frames = FrameDecoder(
            maximumFrame: session.isAuthenticated
                ? node.configuration.maxRequestBytes
                : min(Self.largestUnauthenticated, node.configuration.maxRequestBytes), pool: node.framePool)
        self.queue = ResponseQueue(
            maximumOwed: node.configuration.maxPendingResponses, maximumHeldBytes: 2 * node.configuration.fetchMaxBytes)
    }

    // MARK: Channel events

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        handle = ConnectionHandle(handler: self, channel: context.channel, listener: listener)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        handle = nil
        reservation.releaseAll()
        let actions = closeActions
        closeActions = [:]
        for action in actions.values { action() }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        isInBurst = true
        lastActivity = .now()
        var bytes = unwrapInboundIn(data)
        frames.append(&bytes)
        handleFrames(context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if frames.hasBytes { handleFrames(context) }
        isInBurst = false
        flush(context)
    }

    func read(context: ChannelHandlerContext) {
        if mayRead(context) {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        lastActivity = .now()
        resumeReading(context)
        context.fireChannelWritabilityChanged()
    }

    /// The client has shown who it is by its certificate, or nothing; or the time has come to look whether it is idle.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let check = event as? IdleCheck { return closeIfIdle(check, context) }
        guard let result = event as? TLSHandshakeResult else { return context.fireUserInboundEventTriggered(event) }
        do throws(TLSError) {
            handle?.principal = try listener.listener.principal(certificateSubject: result.peerSubject)
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError, error.kind != .connection {
            node.logger.info(
                "closing a connection: TLS failed",
                metadata: [
                    "error": "\(error)", "listener": "\(listener.listener.name)",
                    "client": "\(handle?.clientHost ?? "")",
                ])
        } else {
            // Resets by the peer are everyday events.
            node.logger.debug("connection failed", metadata: ["error": "\(error)"])
        }
        close(context)
    }

    // MARK: Requests

    private func mayRead(_ context: ChannelHandlerContext) -> Bool {
        queue.acceptsMore && context.channel.isWritable && !isClosing && mutedUntil == nil && !reservation.isWaiting
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard mayRead(context) else { return }
        if frames.hasBytes { handleFrames(context) }
        if isReadHeld && mayRead(context) {
            isReadHeld = false
            context.read()
        }
        if !isInBurst { scheduleFlush(context) }
    }

    private func handleFrames(_ context: ChannelHandlerContext) {
        while let handle, mayRead(context), reservation.admit(&frames, handle) {
            do {
                guard let frame = try frames.next() else { return }
                handleFrame(frame, context)
            } catch {
                // 22, 3: the first bytes of TLS's first message.
                let words: Logger.Message =
                    error.size >> 16 == 0x1603
                    ? "closing a connection: the client speaks TLS to a listener without"
                    : "closing a connection: illegal request size"
                node.logger.warning(
                    words,
                    metadata: [
                        "size": "\(error.size)", "listener": "\(listener.listener.name)",
                        "client": "\(handle.clientHost)",
                    ])
                close(context)
                return
            }
        }
    }

    private func handleFrame(_ frame: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let handle else { return }
        let slot = queue.open()
        reservation.arrived(slot)
        var reader = WireReader(frame)
        do {
            let header = try RequestHeader.decode(from: &reader)
            guard session.allows(header.apiKey, now: SteadyClock.now()) else {
                node.logger.info(
                    "closing a connection: a request before the authentication, or after its end",
                    metadata: ["api": "\(header.apiKey)", "client": "\(handle.clientHost)"])
                return close(context)
            }
            try Router.route(header, &reader, node: node, connection: handle, slot: slot)
            // A fetch may wait long, and holds nothing of its request's bytes.
            if header.apiKey == .fetch { reservation.release(slot) }
        } catch {
            node.logger.warning(
                "closing a connection: malformed request",
                metadata: ["error": "\(error)", "client": "\(handle.clientHost)"])
            close(context)
        }
    }

    // MARK: Answers, on the event loop

    /// An answer is ready; no parts mean that none is sent.
    func deliver(_ parts: [AnswerPart], slot: ResponseQueue.Slot) {
        closeActions[slot] = nil
        reservation.release(slot)
        guard let context, !isClosing else { return }
        queue.fill(slot, with: parts)
        while let ready = queue.popReady() {
            for part in ready { send(part, context) }
        }
        if !isInBurst {
            scheduleFlush(context)
            if isReadHeld || frames.hasBytes { resumeLater(context) }
        }
    }

    /// A message of the authentication has been taken; at its end requests may be as large as configured.
    func authenticationAdvanced() {
        guard session.isAuthenticated else { return }
        frames.maximumFrame = node.configuration.maxRequestBytes
        if let user = session.user { handle?.principal = Principal(name: user) }
    }

    /// Reads nothing for a while.
    func mute(milliseconds: Int32) {
        guard let context, milliseconds > 0 else { return }
        let end = NIODeadline.now() + .milliseconds(Int64(milliseconds))
        if let mutedUntil, mutedUntil >= end { return }
        mutedUntil = end
        context.eventLoop.assumeIsolated().scheduleTask(deadline: end) {
            // Another request may have made it longer meanwhile.
            guard self.mutedUntil == end else { return }
            self.mutedUntil = nil
            if let context = self.context { self.resumeReading(context) }
        }
    }

    /// There is room for another request.
    func requestMemoryIsBack() {
        reservation.isWaiting = false
        if let context { resumeReading(context) }
    }

    /// Closes a connection over which nothing has gone for too long. One that is owed an answer, or takes one bit by bit,
    /// is not idle.
    private func closeIfIdle(_ check: IdleCheck, _ context: ChannelHandlerContext) {
        let unsent = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        if unsent != unsentBytes {
            unsentBytes = unsent
            lastActivity = .now()
        }
        guard lastActivity < check.idleBefore, queue.count == 0, mutedUntil == nil, !reservation.isWaiting else {
            return
        }
        node.logger.debug("closing an idle connection", metadata: ["client": "\(handle?.clientHost ?? "")"])
        close(context)
    }

    /// Runs when the connection closes before the answer of `slot` was delivered.
    func onClose(_ slot: ResponseQueue.Slot, _ action: @escaping () -> Void) {
        guard context != nil else { return action() }
        closeActions[slot] = action
    }

    /// Gives up the connection, for instance after an acks=0 produce that failed.
    func closeNow() {
        if let context { close(context) }
    }

    private func send(_ part: AnswerPart, _ context: ChannelHandlerContext) {
        switch part {
        case .bytes(let bytes): send(bytes, context)
        case .file(let slice): send(slice, context)
        }
    }

    private func send(_ slice: FileSlice, _ context: ChannelHandlerContext) {
        do {
            // Without a descriptor to spare, the bytes go by way of memory.
            guard listener.tls == nil, let file = OutgoingFile(slice) else {
                return send(try slice.readBytes(), context)
            }
            writeGathered(context)
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenComplete { _ in file.close() }
            context.write(wrapOutboundOut(.fileRegion(file.region)), promise: promise)
            hasUnflushed = true
        } catch {
            node.logger.error("closing a connection: a log cannot be read", metadata: ["error": "\(error)"])
            close(context)
        }
    }

    private func send(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        if buffer.readableBytes > Self.copyLimit {
            writeGathered(context)
            context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
            hasUnflushed = true
            return
        }
        output.writeImmutableBuffer(buffer)
        if output.readableBytes > Self.gatherLimit { writeGathered(context) }
    }

    private func writeGathered(_ context: ChannelHandlerContext) {
        guard output.readableBytes > 0 else { return }
        context.write(wrapOutboundOut(.byteBuffer(output)), promise: nil)
        hasUnflushed = true
        output = ByteBuffer()
    }

    private func flush(_ context: ChannelHandlerContext) {
        writeGathered(context)
        guard hasUnflushed else { return }
        hasUnflushed = false
        lastActivity = .now()
        context.flush()
    }

    /// Answers that become ready in one turn of the event loop leave together.
    private func scheduleFlush(_ context: ChannelHandlerContext) {
        guard !isFlushScheduled, output.readableBytes > 0 || hasUnflushed else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            if let context = self.context { self.flush(context) }
        }
    }

    private func resumeLater(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().execute {
            if let context = self.context { self.resumeReading(context) }
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        isClosing = true
        flush(context)
        context.close(promise: nil)
    }
}

/// What the rest of the broker holds of a connection. May be used from any thread.
final class ConnectionHandle: Sendable {
    let eventLoop: any EventLoop
    /// The client's address, as groups show it: "/127.0.0.1".
    let clientHost: String
    /// The address of ours that the client came by.
    let localHost: String?
    /// The listener that the client came by.
    let boundListener: BoundListener
    var listener: Listener { boundListener.listener }
    private let handler: NIOLoopBound<ConnectionHandler>
    private let proven = NIOLockedValueBox(Principal.anonymous)

    /// Who the client has proven to be.
    var principal: Principal {
        get { proven.withLockedValue { $0 } }
        set { proven.withLockedValue { $0 = newValue } }
    }

    /// Whether records leave by sendfile: few go faster with the rest of the answer, and what is to be enciphered has to
    /// be read.
    func sendsAsFile(_ slice: FileSlice) -> Bool {
        slice.length >= ConnectionHandler.sendFileFrom && slice.file.fileDescriptor != nil && boundListener.tls == nil
    }

    init(handler: ConnectionHandler, channel: any Channel, listener: BoundListener) {
        boundListener = listener
        eventLoop = channel.eventLoop
        clientHost = "/" + (channel.remoteAddress?.ipAddress ?? "127.0.0.1")
        localHost = channel.localAddress?.ipAddress
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
    }

    /// Runs something on the connection's event loop, at once if that is where we are.
    func onLoop(_ body: @escaping @Sendable (ConnectionHandler) -> Void) {
        if eventLoop.inEventLoop {
            body(handler.value)
        } else {
            later(body)
        }
    }

    /// Runs something on the connection's event loop in a turn of its own.
    func later(_ body: @escaping @Sendable (ConnectionHandler) -> Void) {
        eventLoop.execute { body(self.handler.value) }
    }
}

/// Sent to all connections now and then: those over which nothing has gone since then are closed
/// (`connections.max.idle.ms`).
struct IdleCheck: Sendable {
    let idleBefore: NIODeadline
}
