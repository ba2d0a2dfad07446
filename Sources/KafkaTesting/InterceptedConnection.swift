import KafkaClient
import KafkaProtocol
import NIOCore

/// One client's connection and the one to the broker behind it, both on one event loop.
final class InterceptedConnection: @unchecked Sendable {
    /// An answer that is owed, in the order of the requests.
    private struct Slot {
        var correlationID: Int32
        var cuts = false
        var bytes: ByteBuffer?
    }

    private let interceptor: BrokerInterceptor
    private let client: any Channel
    private let broker: any Channel
    private var slots: [Slot] = []
    /// Requests behind one that is held up.
    private var held: [ByteBuffer] = []
    private var isHolding = false

    init(interceptor: BrokerInterceptor, client: any Channel, broker: any Channel) {
        self.interceptor = interceptor
        self.client = client
        self.broker = broker
    }

    func requestCame(_ frame: ByteBuffer) {
        if isHolding { held.append(frame) } else { handle(frame) }
    }

    private func handle(_ frame: ByteBuffer) {
        var reader = WireReader(frame)
        do throws(WireError) {
            let header = try RequestHeader.decode(from: &reader)
            let request = BrokerInterceptor.Request(
                apiKey: header.apiKey, version: header.apiVersion, clientID: header.clientId,
                correlationID: header.correlationId, body: reader.buffer)
            switch interceptor.action(for: request) {
            case .pass: try forward(frame, request)
            case .delay(let time):
                isHolding = true
                client.eventLoop.scheduleTask(in: .nanoseconds(Int64(time / .nanoseconds(1)))) { [self] in
                    resume(after: frame, request)
                }
            case .error(let code): try answer(try ErrorAnswers.answer(to: request, code), request)
            case .answer(let message): try answer(message, request)
            case .drop: client.close(promise: nil)
            case .dropAnswer: try forward(frame, request, cuts: true)
            }
        } catch {
            // What is no request is the broker's business.
            write(frame, to: broker)
        }
    }

    private func resume(after frame: ByteBuffer, _ request: BrokerInterceptor.Request) {
        do throws(WireError) { try forward(frame, request) } catch { client.close(promise: nil) }
        isHolding = false
        while !isHolding, !held.isEmpty { handle(held.removeFirst()) }
    }

    private func forward(
        _ frame: ByteBuffer, _ request: BrokerInterceptor.Request, cuts: Bool = false
    ) throws(WireError) {
        // Without acknowledgement there is no answer.
        let isSilent = request.apiKey == .produce ? try request.decode(as: ProduceRequest.self).acks == 0 : false
        if !isSilent { slots.append(Slot(correlationID: request.correlationID, cuts: cuts)) }
        write(frame, to: broker)
        if isSilent, cuts { client.close(promise: nil) }
    }

    private func answer(_ message: some KafkaMessage, _ request: BrokerInterceptor.Request) throws(WireError) {
        var writer = WireWriter(capacity: 128)
        ResponseHeader.encode(
            correlationId: request.correlationID, apiKey: request.apiKey, version: request.version, into: &writer)
        try message.encode(into: &writer, version: request.version)
        slots.append(Slot(correlationID: request.correlationID, bytes: writer.buffer))
        sendReady()
    }

    func answerCame(_ frame: ByteBuffer) {
        let correlationID = frame.getInteger(at: frame.readerIndex, as: Int32.self)
        guard let index = slots.firstIndex(where: { $0.bytes == nil && $0.correlationID == correlationID }) else {
            return write(frame, to: client)
        }
        slots[index].bytes = frame
        sendReady()
    }

    private func sendReady() {
        while let bytes = slots.first?.bytes {
            let slot = slots.removeFirst()
            if slot.cuts { return client.close(promise: nil) }
            write(bytes, to: client)
        }
    }

    private func write(_ frame: ByteBuffer, to channel: any Channel) {
        var bytes = ByteBuffer(integer: Int32(frame.readableBytes))
        bytes.writeImmutableBuffer(frame)
        channel.writeAndFlush(bytes, promise: nil)
    }
}

/// Hands on the frames of a connection.
final class FrameCutter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var frames = FrameAccumulator()
    private let onFrame: (ByteBuffer) -> Void

    init(_ onFrame: @escaping (ByteBuffer) -> Void) {
        self.onFrame = onFrame
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        frames.append(unwrapInboundIn(data))
        do throws(KafkaError) {
            while let frame = try frames.next() { onFrame(frame) }
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
