import Foundation
public import Hummingbird
public import Logging

/// How a service's HTTP server is set up.
public enum ServiceRunner {
    /// Makes the server of a router. `HOST` and `PORT` say where (port 0: any free one); `READY_FILE` is written with
    /// the port when it listens.
    public static func server(
        _ router: Router<BasicRequestContext>, settings: ServiceSettings, port: Int, logger: Logger
    ) throws -> some ApplicationProtocol {
        let host = try settings.text("HOST", default: "127.0.0.1")
        let port = try settings.number("PORT", default: port, in: 0...65_535)
        let readyFile = try settings.text("READY_FILE")
        return Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? port
                logger.notice("serving", metadata: ["host": "\(host)", "port": "\(port)"])
                guard let readyFile else { return }
                let text = "{\"port\":\(port),\"pid\":\(ProcessInfo.processInfo.processIdentifier)}\n"
                try? text.write(toFile: readyFile, atomically: true, encoding: .utf8)
            }, logger: logger)
    }

    /// Runs a service's main, and turns what is wrong at its start into one line and status 1.
    public static func main(_ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            FileHandle.standardError.write(Data("error: \(error)\n".utf8))
            exit(1)
        }
    }
}

/// What `/health` answers.
public struct HealthReport: Codable, Sendable {
    /// `UP` or `DOWN`.
    public var status: String
    /// Each part: `UP`, or what is wrong.
    public var checks: [String: String]

    /// Sums up the parts.
    public init(_ checks: [String: String]) {
        self.checks = checks
        status = checks.values.allSatisfy { $0.hasPrefix("UP") } ? "UP" : "DOWN"
    }

    /// 200 or 503.
    public var response: Response {
        JSONResponse.make(self, status: status == "UP" ? .ok : .serviceUnavailable)
    }
}
