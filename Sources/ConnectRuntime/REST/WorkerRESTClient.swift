import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import TransportSecurity

/// Sends a request to another worker's REST interface: one connection, one request. (Workers talk to each other
/// seldom: forwarded writes and new task configurations.)
struct WorkerRESTClient: Sendable {
    /// Why there is no answer.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// An answer of another worker.
    struct Answer: Sendable {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    /// The largest answer that is taken.
    static let maximumAnswer = 64 * 1024 * 1024

    let group: any EventLoopGroup
    /// Whom to trust, and what to show, where the address is an https one.
    let tls: TLSSettings?

    init(group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, tls: TLSSettings? = nil) {
        self.group = group
        self.tls = tls
    }

    /// - Parameters:
    ///   - base: such as `http://10.0.0.1:8083/`.
    ///   - target: the path and query.
    func send(
        _ method: HTTPMethod, to base: String, target: String, headers: HTTPHeaders, body: ByteBuffer,
        timeout: Duration
    ) async throws -> Answer {
        guard let (host, port, isSecure) = Self.address(base) else {
            throw Failure(description: "\(base) is not the address of a worker")
        }
        let keys = isSecure ? try TLSContext(tls ?? TLSSettings(), role: .client) : nil
        let promise = group.next().makePromise(of: Answer.self)
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
        head.headers.replaceOrAdd(name: "Host", value: "\(host):\(port)")
        head.headers.replaceOrAdd(name: "Content-Length", value: String(body.readableBytes))
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        head.headers.replaceOrAdd(name: "User-Agent", value: "kafka-connect")
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: group)
                .connectTimeout(.seconds(3))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let keys {
                            try channel.pipeline.syncOperations.addHandler(TLSHandler(keys, hostname: host))
                        }
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(AnswerHandler(promise))
                    }
                }
                .connect(host: host, port: port).get()
        } catch {
            promise.fail(error)
            _ = try? await promise.futureResult.get()
            throw Failure(description: "worker \(host):\(port) cannot be reached: \(error)")
        }
        let alarm = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            promise.fail(Failure(description: "worker \(host):\(port) did not answer within \(timeout)"))
        }
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        if body.readableBytes > 0 { channel.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil) }
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        defer {
            alarm.cancel()
            channel.close(promise: nil)
        }
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }

    /// `http://host:port/` or `https://host:port/`.
    static func address(_ url: String) -> (host: String, port: Int, isSecure: Bool)? {
        let secure = url.suffix(after: "https://")
        guard let rest = secure ?? url.suffix(after: "http://") else { return nil }
        let authority = rest.prefix { $0 != "/" }
        guard let colon = authority.lastIndex(of: ":"), let port = Int(authority[authority.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        var host = String(authority[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return host.isEmpty ? nil : (host, port, secure != nil)
    }
}

/// Collects one answer.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<WorkerRESTClient.Answer>
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    init(_ promise: EventLoopPromise<WorkerRESTClient.Answer>) {
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let part):
            guard body.count + part.readableBytes <= WorkerRESTClient.maximumAnswer else {
                promise.fail(WorkerRESTClient.Failure(description: "the answer of another worker is too large"))
                context.close(promise: nil)
                return
            }
            body += part.readableBytesView
        case .end:
            if let head {
                promise.succeed(WorkerRESTClient.Answer(status: head.status, headers: head.headers, body: body))
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(WorkerRESTClient.Failure(description: "another worker closed the connection without an answer"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}
