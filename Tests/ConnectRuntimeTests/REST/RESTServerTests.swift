import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOConcurrencyHelpers
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// The server over real sockets, spoken to byte by byte.
@Suite struct RESTServerTests {
    static func withServer(
        maximumBodySize: Int = 1000, _ body: (RESTServer, FakeHerder, Int) async throws -> Void
    ) async throws {
        let herder = FakeHerder()
        let server = RESTServer(
            herder: herder,
            configuration: RESTConfiguration(
                listeners: [.init(host: "127.0.0.1", port: 0)], maximumBodySize: maximumBodySize),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try #require(try await server.start().first?.port)
        do {
            try await body(server, herder, port)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// Sends bytes and reads until the server closes.
    static func exchange(_ port: Int, _ text: String) async throws -> String {
        let received = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await received.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            for try await part in inbound { answer += String(buffer: part) }
            return answer
        }
    }

    static let config = #"{"name":"x","config":{"connector.class":"c"}}"#

    @Test func keepsTheConnectionAndAnswersInOrder() async throws {
        try await Self.withServer { _, _, port in
            let answer = try await Self.exchange(
                port,
                "GET /health HTTP/1.1\r\nHost: h\r\n\r\nGET /connectors/ HTTP/1.1\r\nHost: h\r\n\r\n"
                    + "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            let parts = answer.components(separatedBy: "HTTP/1.1 200 OK\r\n")
            #expect(parts.count == 4)
            #expect(parts[1].contains("\"healthy\""))
            #expect(parts[2].hasSuffix("\r\n\r\n[]"))
            #expect(parts[2].contains("Content-Length: 2\r\n"))
            #expect(parts[3].hasSuffix("\r\n\r\n"))
            #expect(parts[3].contains("Content-Length: "))
        }
    }

    @Test func readsChunkedBodies() async throws {
        try await Self.withServer { _, herder, port in
            let half = Self.config.prefix(20)
            let rest = Self.config.dropFirst(20)
            let answer = try await Self.exchange(
                port,
                "POST /connectors HTTP/1.1\r\nhost: h:1\r\ncontent-Type:application/json\r\nTransfer-Encoding: chunked\r\n"
                    + "Connection: close\r\n\r\n" + String(half.utf8.count, radix: 16) + "\r\n\(half)\r\n"
                    + String(rest.utf8.count, radix: 16) + "\r\n\(rest)\r\n0\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 201 Created\r\n"))
            #expect(answer.contains("Location: http://h:1/connectors/x\r\n"))
            #expect(herder.state.withLockedValue { $0.connectors["x"]?["name"] } == "x")
        }
    }

    @Test func answersExpectContinue() async throws {
        try await Self.withServer { _, _, port in
            let answer = try await Self.exchange(
                port,
                "POST /connectors HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                    + "Connection: close\r\nContent-Length: \(Self.config.utf8.count)\r\n\r\n" + Self.config)
            #expect(answer.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"))
        }
    }

    @Test(arguments: [
        "Content-Length: 100000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n7d0\r\n\(String(repeating: "x", count: 2000))\r\n0\r\n\r\n",
    ])
    func refusesLargeBodies(_ rest: String) async throws {
        try await Self.withServer { _, _, port in
            let answer = try await Self.exchange(
                port, "POST /connectors HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" + rest)
            #expect(answer.hasPrefix("HTTP/1.1 413 "))
            #expect(answer.contains("\"error_code\":413"))
        }
    }

    @Test func brokenHTTPIsABadRequest() async throws {
        try await Self.withServer { _, _, port in
            let answer = try await Self.exchange(port, "nonsense\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func namesThePortThatIsInUse() async throws {
        try await Self.withServer { _, herder, port in
            let second = RESTServer(
                herder: herder, configuration: RESTConfiguration(listeners: [.init(host: "127.0.0.1", port: port)]),
                logger: Logger(label: "test"))
            let error = await #expect(throws: RESTServerError.self) { try await second.start() }
            #expect(error?.message.contains("127.0.0.1:\(port)") == true)
        }
    }

    @Test func stoppingClosesConnectionsAtRest() async throws {
        try await Self.withServer { server, _, port in
            async let answer = Self.exchange(port, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            // Twice, and at any moment: the exchange ends because the server closes.
            await server.stop()
            await server.stop()
            _ = try? await answer
        }
    }
}
