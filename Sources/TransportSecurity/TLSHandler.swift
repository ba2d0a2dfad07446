public import NIOCore

/// Enciphers what leaves a channel and deciphers what comes.
///
/// What later handlers write before the end of the handshake waits. The handshake's result is fired as an event
/// (``TLSHandshakeResult``) before the first bytes; a failure is fired as an error (``TLSError``), and the channel is
/// closed. Memory is bounded: nothing is kept but a record that is not whole yet, and what is written is enciphered at
/// once and handed on, where the channel counts it.
public final class TLSHandler: ChannelDuplexHandler {
    /// Enciphered bytes.
    public typealias InboundIn = ByteBuffer
    /// Deciphered bytes.
    public typealias InboundOut = ByteBuffer
    /// Bytes; files cannot be enciphered.
    public typealias OutboundIn = IOData
    /// Enciphered bytes.
    public typealias OutboundOut = ByteBuffer

    private enum State {
        case idle
        case handshaking
        case open
        case closed
    }

    /// Enciphered bytes beyond this are handed on before the flush.
    private static let gatherLimit = 256 * 1024
    /// What may be written before the handshake ends.
    private static let earlyLimit = 1 << 20
    /// How long a peer that was refused has to read why.
    private static let farewell = TimeAmount.milliseconds(100)
    /// The alert `protocol_version`, to those who do not speak TLS.
    private static let alert: [UInt8] = [0x15, 3, 3, 0, 2, 2, 70]

    private let tls: TLSContext
    private let hostname: String?
    private let timeout: TimeAmount
    private let handshake: EventLoopPromise<TLSHandshakeResult>?
    private var session: TLSSession?
    private var state = State.idle
    private var deadline: Scheduled<Void>?
    private var early: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    private var promises: [EventLoopPromise<Void>] = []
    private var isFirst = true
    /// The connection closes in a moment, when the peer had time to read why.
    private var isLeaving = false

    /// - Parameters:
    ///   - context: the keys and rules.
    ///   - hostname: for clients, the server's host name or address.
    ///   - timeout: how long the handshake may take.
    ///   - handshake: told how the handshake ended, for a ``TLSError`` included.
    public init(
        _ context: TLSContext, hostname: String? = nil, timeout: TimeAmount = .seconds(10),
        handshake: EventLoopPromise<TLSHandshakeResult>? = nil
    ) {
        tls = context
        self.hostname = hostname
        self.timeout = timeout
        self.handshake = handshake
    }

    // MARK: Channel events

    /// Begins the handshake if the channel is connected.
    public func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    /// Fails what waits.
    public func handlerRemoved(context: ChannelHandlerContext) {
        end(TLSError(.connection, "the connection was closed during the TLS handshake"))
    }

    /// Begins the handshake.
    public func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    /// Tells those who wait that the peer has gone.
    public func channelInactive(context: ChannelHandlerContext) {
        if state == .handshaking {
            let error = TLSError(
                .connection,
                "\(hostname ?? "the client") closed the connection during the TLS handshake; does it speak TLS there?")
            end(error)
            context.fireErrorCaught(error)
        } else {
            end(TLSError(.connection, "the connection is closed"))
        }
        context.fireChannelInactive()
    }

    /// Deciphers.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard state == .handshaking || state == .open, let session else { return }
        if isFirst, let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) {
            isFirst = false
            // A handshake, or a client is refused at once.
            guard first == 22 || (tls.role == .client && first == 21) else { return refuseStranger(context) }
        }
        session.received(bytes)
        if state == .handshaking { advance(context) }
        if state == .open { deliver(context) }
    }

    /// Enciphers.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .byteBuffer(let bytes) = unwrapOutboundIn(data) else {
            promise?.fail(TLSError(.handshake, "a file cannot be sent over TLS"))
            return
        }
        switch state {
        case .idle, .handshaking:
            guard early.reduce(bytes.readableBytes, { $0 + $1.0.readableBytes }) <= Self.earlyLimit else {
                promise?.fail(TLSError(.connection, "too much was written before the TLS handshake"))
                return
            }
            early.append((bytes, promise))
        case .open: encrypt(bytes, promise, context)
        case .closed: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    /// Sends what was enciphered.
    public func flush(context: ChannelHandlerContext) {
        handOn(context)
        context.flush()
    }

    /// Tells the peer that nothing more comes, and closes.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if state == .open, mode == .all {
            session?.shutDown()
            handOn(context)
            context.flush()
            end(TLSError(.connection, "the connection is closed"))
        }
        if isLeaving {
            if let promise { context.channel.closeFuture.cascade(to: promise) }
            return
        }
        context.close(mode: mode, promise: promise)
    }

    // MARK: The handshake

    private func begin(_ context: ChannelHandlerContext) {
        guard state == .idle else { return }
        state = .handshaking
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let (timeout, host) = (timeout, hostname)
        deadline = context.eventLoop.scheduleTask(in: timeout) {
            let (handler, context) = loopBound.value
            handler.fail(
                TLSError(
                    .connection,
                    "\(host ?? "the client") did not finish the TLS handshake within "
                        + "\(timeout.nanoseconds / 1_000_000) ms; does it speak TLS there?"), context)
        }
        do throws(TLSError) {
            session = try TLSSession(tls, hostname: hostname)
        } catch {
            return fail(error, context)
        }
        if tls.role == .client { advance(context) }
    }

    private func advance(_ context: ChannelHandlerContext) {
        guard let session else { return }
        do throws(TLSError) {
            guard try session.handshake() == .done else { return flush(context: context) }
        } catch {
            return fail(error, context)
        }
        state = .open
        deadline?.cancel()
        flush(context: context)
        let result = session.result()
        handshake?.succeed(result)
        context.fireUserInboundEventTriggered(result)
        let waiting = early
        early = []
        for (bytes, promise) in waiting { encrypt(bytes, promise, context) }
        if !waiting.isEmpty { flush(context: context) }
    }

    private func refuseStranger(_ context: ChannelHandlerContext) {
        if tls.role == .server {
            context.write(wrapOutboundOut(ByteBuffer(bytes: Self.alert)), promise: nil)
            return fail(TLSError(.notTLS, "the client does not speak TLS: it must set security.protocol"), context)
        }
        fail(TLSError(.notTLS, "\(hostname ?? "the server") does not speak TLS on that port"), context)
    }

    // MARK: Bytes

    private func deliver(_ context: ChannelHandlerContext) {
        guard let session else { return }
        do throws(TLSError) {
            guard let plain = try session.decrypt() else { return close(context: context, mode: .all, promise: nil) }
            if session.outgoingBytes > 0 { flush(context: context) }
            if plain.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plain)) }
        } catch {
            fail(error, context)
        }
    }

    private func encrypt(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        guard let session else { return }
        do throws(TLSError) {
            try session.encrypt(bytes)
        } catch {
            promise?.fail(error)
            return fail(error, context)
        }
        if let promise { promises.append(promise) }
        if session.outgoingBytes > Self.gatherLimit { handOn(context) }
    }

    private func handOn(_ context: ChannelHandlerContext) {
        guard let bytes = session?.takeOutgoing() else { return }
        guard !promises.isEmpty else { return context.write(wrapOutboundOut(bytes), promise: nil) }
        let written = context.eventLoop.makePromise(of: Void.self)
        for promise in promises { written.futureResult.cascade(to: promise) }
        promises = []
        context.write(wrapOutboundOut(bytes), promise: written)
    }

    // MARK: The end

    private func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard state != .closed else { return }
        let isTold = state != .idle
        if isTold { flush(context: context) }
        end(error)
        isLeaving = tls.role == .server && isTold && error.kind != .connection
        context.fireErrorCaught(error)
        guard isLeaving else { return context.close(promise: nil) }
        // The alert would be lost if the connection were reset at once; what comes meanwhile is dropped.
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.farewell) { loopBound.value.close(promise: nil) }
    }

    private func end(_ error: TLSError) {
        guard state != .closed else { return }
        state = .closed
        deadline?.cancel()
        handshake?.fail(error)
        for (_, promise) in early { promise?.fail(error) }
        for promise in promises { promise.fail(error) }
        (early, promises) = ([], [])
        session = nil
    }
}
