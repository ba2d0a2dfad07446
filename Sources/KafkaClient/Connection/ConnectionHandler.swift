import NIOCore
import TransportSecurity

/// The end of the pipeline: frames in, errors and the end of the connection to the ``BrokerConnection``.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: BrokerConnection
    private var frames = FrameAccumulator()
    private var failure: KafkaError?

    init(_ connection: BrokerConnection) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        frames.append(unwrapInboundIn(data))
        do throws(KafkaError) {
            while let frame = try frames.next() { connection.received(frame) }
        } catch {
            failure = error
            connection.close(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.close(
            failure ?? KafkaError(.connectionClosed, "the connection to \(connection.address) was closed by the broker")
        )
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is TLSError {
            failure = KafkaError.tls(error, "cannot talk to \(connection.address)")
            context.close(promise: nil)
            return
        }
        failure = KafkaError(
            .connectionClosed, "the connection to \(connection.address) was lost: \(describeConnectError(error))",
            cause: error)
        context.close(promise: nil)
    }
}
