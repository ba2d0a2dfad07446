import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// One TCP connection to one broker, with its versions negotiated. Requests may be submitted from any thread; they
/// leave in one write per burst, and completions run on the connection's event loop.
final class BrokerConnection: Sendable {
    typealias Completion = @Sendable (Result<ByteBuffer, KafkaError>) -> Void

    private struct State: Sendable {
        var machine: ConnectionStateMachine<Completion>
        var outbox: [ByteBuffer] = []
        /// What has to wait while the user logs in anew; nil if he does not.
        var heldBack: [ByteBuffer]?
        var flushScheduled = false
        var timerArmed = false
        var versions: APIVersionTable?
        var lastUsed: UInt64 = NIODeadline.now().uptimeNanoseconds
        /// Nothing is sent before: the broker has asked for it.
        var heldUntil = NIODeadline.uptimeNanoseconds(0)
    }

    let channel: any Channel
    let address: HostPort
    private let clientID: String
    private let state: NIOLockedValueBox<State>

    init(channel: any Channel, address: HostPort, clientID: String) {
        self.channel = channel
        self.address = address
        self.clientID = clientID
        state = NIOLockedValueBox(State(machine: ConnectionStateMachine(peer: address.description)))
    }

    /// Whether requests are taken.
    var isOpen: Bool { state.withLockedValue { $0.machine.isOpen } }

    /// Nothing waits and nothing was sent since `instant`.
    func isIdle(since instant: UInt64) -> Bool {
        state.withLockedValue { $0.machine.pendingCount == 0 && $0.outbox.isEmpty && $0.lastUsed < instant }
    }

    // MARK: - Logging in anew

    /// From now on only requests of a login are sent: a broker takes no others in the middle of it.
    func holdBack() { state.withLockedValue { $0.heldBack = $0.heldBack ?? [] } }

    /// Sends what was held back.
    func goOn() {
        state.withLockedValue { state in
            guard let waiting = state.heldBack else { return }
            state.heldBack = nil
            guard !waiting.isEmpty else { return }
            state.outbox += waiting
            scheduleFlush(&state)
        }
    }

    /// What the broker speaks; set once, before the connection is handed out.
    var versions: APIVersionTable {
        get throws(KafkaError) {
            guard let table = state.withLockedValue({ $0.versions }) else {
                throw KafkaError(.invalidState, "\(address) has not told its versions yet")
            }
            return table
        }
    }

    func setVersions(_ table: APIVersionTable) {
        state.withLockedValue { $0.versions = table }
    }

    /// Sends a request in the given version; `completion` is called exactly once.
    func submit<R: KafkaRequest>(
        _ request: R, version: Int16, timeout: Duration, expectsResponse: Bool = true, isLogin: Bool = false,
        completion: @escaping @Sendable (Result<R.Response, KafkaError>) -> Void
    ) {
        let peer = address
        submitRaw(
            request, version: version, timeout: timeout, expectsResponse: expectsResponse, isLogin: isLogin
        ) { result in
            guard expectsResponse else { return completion(result.map { _ in R.Response() }) }
            let answer = result.flatMap { Self.decode(R.self, $0, version: version, peer: peer) }
            if case .success(let response) = answer {
                self.hold(milliseconds: Throttle.milliseconds(response, of: R.self, version: version))
            }
            completion(answer)
        }
    }

    /// As ``submit``, with the answer's frame as it came.
    func submitRaw<R: KafkaRequest>(
        _ request: R, version: Int16, timeout: Duration, expectsResponse: Bool = true, isLogin: Bool = false,
        completion raw: @escaping Completion
    ) {
        let now = NIODeadline.now()
        var pieces: [ByteBuffer]
        do throws(WireError) {
            pieces = try frame(request, version: version)
        } catch {
            raw(
                .failure(
                    KafkaError(
                        .invalidState, "\(R.apiKey.name) can't be written in version \(version): \(error)",
                        isRetriable: false, cause: error)))
            return
        }
        let failure: KafkaError? = state.withLockedValue { state in
            // The time counts from when it may be sent.
            let deadline = max(now, state.heldUntil) + TimeAmount(timeout)
            switch state.machine.submit(
                raw, deadline: deadline.uptimeNanoseconds, expectsResponse: expectsResponse)
            {
            case .fail(_, let error): return error
            case .send(let correlationID):
                // Length, API key and version come before it.
                pieces[0].setInteger(correlationID, at: pieces[0].readerIndex + 8)
                if !isLogin {
                    state.lastUsed = now.uptimeNanoseconds
                    if state.heldBack != nil {
                        state.heldBack?.append(contentsOf: pieces)
                        return nil
                    }
                }
                state.outbox += pieces
                scheduleFlush(&state)
                return nil
            }
        }
        if let failure { raw(.failure(failure)) } else if !expectsResponse { raw(.success(ByteBuffer())) }
    }

    /// Closes at once; what waits fails with `error`.
    func close(_ error: KafkaError) {
        let waiting = state.withLockedValue { $0.machine.close(error) }
        channel.close(mode: .all, promise: nil)
        if !waiting.isEmpty { channel.eventLoop.execute { for token in waiting { token(.failure(error)) } } }
    }

    // MARK: - Events of the channel

    /// A whole frame came in.
    func received(_ frame: ByteBuffer) {
        guard let correlationID = frame.getInteger(at: frame.readerIndex, as: Int32.self) else { return }
        switch state.withLockedValue({ $0.machine.received(correlationID) }) {
        case .complete(let token): token(.success(frame))
        case .violation(let error): close(error)
        }
    }

    // MARK: - Private

    /// Sends nothing for a while.
    private func hold(milliseconds: Int32) {
        guard milliseconds > 0 else { return }
        let until = NIODeadline.now() + .milliseconds(Int64(milliseconds))
        state.withLockedValue { $0.heldUntil = max($0.heldUntil, until) }
    }

    private func scheduleFlush(_ state: inout State) {
        guard !state.flushScheduled else { return }
        state.flushScheduled = true
        guard state.heldUntil > .now() else { return channel.eventLoop.execute { [self] in flush() } }
        channel.eventLoop.scheduleTask(deadline: state.heldUntil) { [self] in flush() }
    }

    private func flush() {
        let frames = state.withLockedValue { state in
            state.flushScheduled = false
            defer { state.outbox.removeAll(keepingCapacity: state.outbox.count < 64) }
            return state.outbox
        }
        for frame in frames { channel.write(frame, promise: nil) }
        channel.flush()
        armTimer()
    }

    private func armTimer() {
        let deadline: UInt64? = state.withLockedValue { state in
            guard !state.timerArmed, state.machine.isOpen, let next = state.machine.nextDeadline else { return nil }
            state.timerArmed = true
            return next
        }
        guard let deadline else { return }
        channel.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline)) { [weak self] in
            self?.timerFired()
        }
    }

    private func timerFired() {
        let now = NIODeadline.now().uptimeNanoseconds
        let expired = state.withLockedValue { state in
            state.timerArmed = false
            return state.machine.expire(now: now)
        }
        if let expired { close(expired) } else { armTimer() }
    }

    /// The request behind its length, with the correlation id still to be set, in parts: batches of records are not
    /// copied into it.
    private func frame<R: KafkaRequest>(_ request: R, version: Int16) throws(WireError) -> [ByteBuffer] {
        var writer = WireWriter(capacity: 512)
        writer.keepsApartFrom = 4_096
        writer.writeInt32(0)
        RequestHeader(apiKey: R.apiKey, apiVersion: version, correlationId: 0, clientId: clientID)
            .encode(into: &writer)
        try request.encode(into: &writer, version: version)
        writer.buffer.setInteger(Int32(writer.writtenBytes - 4), at: writer.buffer.readerIndex)
        return writer.pieces.compactMap { piece in
            if case .bytes(let bytes) = piece { bytes } else { nil }
        }
    }

    static func decode<R: KafkaRequest>(
        _ request: R.Type, _ frame: ByteBuffer, version: Int16, peer: HostPort
    ) -> Result<R.Response, KafkaError> {
        do throws(WireError) {
            var reader = WireReader(frame)
            _ = try ResponseHeader.decode(from: &reader, apiKey: R.apiKey, version: version)
            return .success(try R.Response.decode(from: &reader, version: version))
        } catch {
            if let answer = ErrorAnswer.read(request, frame, version: version) { return .success(answer) }
            return .failure(
                KafkaError(
                    .malformedResponse,
                    "\(peer) answered \(R.apiKey.name) version \(version) with bytes that "
                        + "can't be read: \(error)", isRetriable: false, cause: error))
        }
    }
}

extension TimeAmount {
    /// A `Duration`, cut to what a `TimeAmount` can hold.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let capped = min(max(seconds, 0), 1_000_000_000)
        self = .nanoseconds(capped * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
