import NIOCore
import NIOPosix
import Synchronization

/// Stands between a client and a broker and cuts connections after some bytes, wherever in a frame that may be.
final class CuttingProxy: Sendable {
    private struct State {
        var target = 0
        var budget: ClosedRange<Int>?
        var cuts = 0
    }

    private let state = Mutex(State())
    private let server: any Channel

    /// Where clients connect.
    var port: Int { server.localAddress?.port ?? 0 }
    /// How many connections it has cut.
    var cuts: Int { state.withLock { $0.cuts } }

    private init(server: any Channel) { self.server = server }

    static func start() async throws -> CuttingProxy {
        let holder = Holder()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                guard let proxy = holder.box.withLock({ $0 }) else { return channel.close() }
                return proxy.connect(channel)
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let proxy = CuttingProxy(server: server)
        holder.box.withLock { $0 = proxy }
        return proxy
    }

    /// The broker, and after how many bytes (in both directions together) connections are cut; nil: never.
    func set(target: Int, cutAfter budget: ClosedRange<Int>?) {
        state.withLock {
            $0.target = target
            $0.budget = budget
        }
    }

    func stop() async throws { try await server.close() }

    private func connect(_ client: any Channel) -> EventLoopFuture<Void> {
        let (target, limit) = state.withLock { ($0.target, $0.budget.map { Int.random(in: $0) }) }
        let meter = Meter(limit: limit) { [self] in state.withLock { $0.cuts += 1 } }
        return ClientBootstrap(group: client.eventLoop)
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { broker in
                try client.pipeline.syncOperations.addHandler(Forwarder(to: broker, meter: meter))
                try broker.pipeline.syncOperations.addHandler(Forwarder(to: client, meter: meter))
                client.setOption(.autoRead, value: true).whenComplete { _ in }
            }
            .flatMapError { _ in client.close() }
    }

    private final class Holder: Sendable {
        let box = Mutex<CuttingProxy?>(nil)
    }

    private final class Meter: Sendable {
        private let left: Mutex<Int?>
        private let onCut: @Sendable () -> Void

        init(limit: Int?, onCut: @escaping @Sendable () -> Void) {
            left = Mutex(limit)
            self.onCut = onCut
        }

        /// How many of `count` bytes still pass.
        func pass(_ count: Int) -> Int {
            let passing = left.withLock { left -> Int in
                guard let rest = left else { return count }
                let passing = min(rest, count)
                left = rest - passing
                return passing
            }
            if passing < count { onCut() }
            return passing
        }
    }

    private final class Forwarder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private let meter: Meter

        init(to other: any Channel, meter: Meter) {
            self.other = other
            self.meter = meter
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            let passing = meter.pass(bytes.readableBytes)
            let isCut = passing < bytes.readableBytes
            if let part = bytes.readSlice(length: passing) { other.writeAndFlush(part, promise: nil) }
            if isCut { context.close(promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
