import NIOCore

/// Accepts connections no faster than `max.connection.creation.rate` (KIP-612): those that come faster wait in the
/// listener's backlog.
final class AcceptPacer: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let node: BrokerNode
    private var isHeld = false
    private var isReadWanted = false

    init(node: BrokerNode) { self.node = node }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(data)
        let wait = node.countConnection()
        guard wait > 0, !isHeld else { return }
        isHeld = true
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .milliseconds(Int64(wait))) {
            let (pacer, context) = loopBound.value
            pacer.release(context)
        }
    }

    func read(context: ChannelHandlerContext) {
        if isHeld {
            isReadWanted = true
        } else {
            context.read()
        }
    }

    private func release(_ context: ChannelHandlerContext) {
        isHeld = false
        guard isReadWanted else { return }
        isReadWanted = false
        context.read()
    }
}
