import Foundation
import Testing

/// A real `sluice up` process on free ports, as a user starts it. Killed when it goes out of scope.
final class SluiceProcess {
    /// The broker's port.
    private(set) var port = 0
    /// The port of the Connect REST interface.
    private(set) var restPort = 0
    /// The folder of the broker's logs, which outlives a restart.
    let dataDirectory: String
    private var process = Process()
    private let folder: TemporaryFolder
    private let extraArguments: [String]

    init(_ extraArguments: [String] = []) throws {
        folder = try TemporaryFolder()
        dataDirectory = folder.path + "/data"
        self.extraArguments = extraArguments
        try start()
    }

    deinit { kill() }

    var restURL: String { "http://127.0.0.1:\(restPort)" }
    var bootstrapServers: String { "127.0.0.1:\(port)" }
    /// What the process wrote to standard error since its first start.
    var log: String { (try? String(contentsOfFile: folder.path + "/log", encoding: .utf8)) ?? "" }

    /// Starts on the same data folder, and on the same ports after the first time.
    func start() throws {
        let readyFile = folder.path + "/ready.json"
        try? FileManager.default.removeItem(atPath: readyFile)
        process = Process()
        process.executableURL = URL(filePath: Command.sluice)
        process.arguments =
            [
                "up", "--data-dir", dataDirectory, "--port", String(port), "--rest-port", String(restPort),
                "--ready-file", readyFile,
            ] + extraArguments
        let logPath = folder.path + "/log"
        if !FileManager.default.fileExists(atPath: logPath) {
            _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        }
        let logFile = try #require(FileHandle(forWritingAtPath: logPath))
        logFile.seekToEndOfFile()
        process.standardOutput = logFile
        process.standardError = logFile
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let ready = try waitFor("sluice up to be ready", timeout: 30) { () -> [String: Any]? in
            guard process.isRunning else { throw Failure("sluice ended at start:\n\(log.suffix(2_000))") }
            guard let data = FileManager.default.contents(atPath: readyFile), !data.isEmpty else { return nil }
            return try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        }
        port = try #require(ready["port"] as? Int, "\(ready)")
        restPort = try #require(ready["restPort"] as? Int, "\(ready)")
    }

    /// `kill -9`, and waits until the process is gone.
    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// SIGTERM, and waits for the clean end; returns the exit code.
    @discardableResult
    func stop() -> Int32 {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// A folder that is removed when it goes out of scope.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "sluice-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Asks every 5 ms until there is an answer. A test waits for an event through this, never for a fixed time.
@discardableResult
func waitFor<T>(_ what: String, timeout: Double = 60, _ ask: () throws -> T?) throws -> T {
    let deadline = Date().addingTimeInterval(timeout)
    while true {
        if let answer = try ask() { return answer }
        guard Date() < deadline else { throw Failure("waited \(timeout) s in vain for \(what)") }
        usleep(5_000)
    }
}
