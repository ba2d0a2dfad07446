import Foundation

/// A real MariaDB in a temporary folder, on a free port, for tests. The first test that needs one starts it through
/// ``shared()``; it is stopped and its folder removed when the process exits.
public final class MariaDBServer: Sendable {
    /// Why there is no server.
    public struct Failure: Error, CustomStringConvertible {
        /// What went wrong, with the end of the server's log.
        public let description: String
    }

    /// The password of `root`, which is the tutorial's.
    public static let password = "test1357"

    /// The TCP port on 127.0.0.1.
    public let port: Int
    /// The socket file.
    public let socket: String
    private let folder: String
    private let process: RestartableProcess
    private let client: String

    /// Makes a data folder and starts a server on it; returns when the server takes connections.
    public init(extraArguments: [String] = []) throws {
        guard let server = Self.tool("mariadbd") ?? Self.tool("mysqld"),
            let installer = Self.tool("mariadb-install-db") ?? Self.tool("mysql_install_db"),
            let client = Self.tool("mariadb") ?? Self.tool("mysql")
        else { throw Failure(description: "MariaDB is not installed: apt-get install mariadb-server") }
        self.client = client
        folder = NSTemporaryDirectory() + "sluice-mariadb-\(UUID().uuidString.prefix(8))"
        socket = folder + "/s.sock"
        port = try Self.freePort()
        let data = folder + "/data"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        let user = geteuid() == 0 ? ["--user=root"] : []
        try Self.run(
            installer,
            [
                "--no-defaults", "--datadir=\(data)", "--auth-root-authentication-method=normal", "--skip-test-db",
                "--tmpdir=\(folder)",
            ] + user)
        let setup = folder + "/setup.sql"
        try "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('\(Self.password)');\n"
            .write(toFile: setup, atomically: true, encoding: .utf8)
        let log = folder + "/log"
        process = try RestartableProcess(
            server,
            [
                "--no-defaults", "--datadir=\(data)", "--tmpdir=\(folder)", "--socket=\(socket)", "--port=\(port)",
                "--bind-address=127.0.0.1", "--pid-file=\(folder)/pid", "--init-file=\(setup)",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--skip-log-bin",
                "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
                "--default-time-zone=+00:00",
            ] + user + extraArguments, log: log, isReady: "ready for connections")
        Self.removeAtExit(process, folder)
    }

    deinit {
        stop()
    }

    /// Ends the server at once and removes its folder. May be called twice.
    public func stop() {
        process.kill(SIGKILL)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Kills the server; its data stays.
    public func halt() {
        process.kill(SIGKILL)
    }

    /// Starts the server again after ``halt()``, on the same port; returns when it takes connections.
    public func resume() throws {
        try process.start()
    }

    /// The server that all tests of this process share.
    public static func shared() throws -> MariaDBServer {
        try sharedResult.get()
    }

    private static let sharedResult: Result<MariaDBServer, any Error> = Result { try MariaDBServer() }

    /// Makes an empty database, dropping one of the same name.
    public func makeDatabase(_ name: String) throws {
        try sql("DROP DATABASE IF EXISTS `\(name)`; CREATE DATABASE `\(name)` CHARACTER SET utf8mb4")
    }

    /// The JDBC URL of a database.
    public func url(_ database: String, scheme: String = "mysql", host: String = "127.0.0.1") -> String {
        "jdbc:\(scheme)://\(host):\(port)/\(database)"
    }

    /// Runs statements with MariaDB's own client, and returns its rows: lines of values between tabs, `NULL` for null.
    @discardableResult
    public func sql(_ statements: String, database: String? = nil) throws -> [[String]] {
        var arguments = [
            "--no-defaults", "--socket=\(socket)", "--user=root", "--password=\(Self.password)", "--batch",
            "--skip-column-names", "--default-character-set=utf8mb4",
        ]
        if let database { arguments.append(database) }
        let output = try Self.run(client, arguments, input: statements)
        return output.split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// The columns of a table in order: name, type, whether it may be null, key, default.
    public func describe(_ table: String, database: String) throws -> [[String]] {
        try sql("SHOW COLUMNS FROM `\(table.replacingOccurrences(of: "`", with: "``"))`", database: database)
            .map { Array($0.prefix(5)) }
    }

    // MARK: processes

    private static func tool(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return (path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/bin", "/usr/local/bin"])
            .map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    static func freePort() throws -> Int {
        let descriptor = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
            }
        }
        guard status == 0 else { throw Failure(description: "no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    static func wait(for text: String, in log: String, of process: ChildProcess) throws {
        let deadline = Date().addingTimeInterval(60)
        while true {
            let content = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            if content.contains(text) { return }
            guard process.isRunning, Date() < deadline else {
                process.kill()
                throw Failure(description: "the database did not start:\n\(content.suffix(2_000))")
            }
            usleep(20_000)
        }
    }

    @discardableResult
    static func run(_ path: String, _ arguments: [String], input: String = "") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        standardInput.fileHandleForWriting.write(Data(input.utf8))
        try standardInput.fileHandleForWriting.close()
        let result = output.fileHandleForReading.readDataToEndOfFile()
        let problem = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(path) failed: \(String(decoding: problem, as: UTF8.self))")
        }
        return String(decoding: result, as: UTF8.self)
    }

    // Foundation's Process waits for children of children; a plain spawn dies with us through this list.
    private static let running = Running()

    static func removeAtExit(_ process: RestartableProcess, _ folder: String, signal: Int32 = SIGKILL) {
        running.add(process, folder, signal)
    }

    private final class Running: @unchecked Sendable {
        private let lock = NSLock()
        private var entries: [(RestartableProcess, String, Int32)] = []

        init() {
            atexit {
                for (process, folder, signal) in MariaDBServer.running.all {
                    process.signal(signal)
                    try? FileManager.default.removeItem(atPath: folder)
                }
            }
        }

        var all: [(RestartableProcess, String, Int32)] { lock.withLock { entries } }

        func add(_ process: RestartableProcess, _ folder: String, _ signal: Int32) {
            lock.withLock { entries.append((process, folder, signal)) }
        }
    }
}

/// A server program that can be ended and started again with the same arguments.
final class RestartableProcess: @unchecked Sendable {
    private let path: String
    private let arguments: [String]
    private let log: String
    private let ready: String
    private let lock = NSLock()
    private var child: ChildProcess?

    /// Starts it; returns once it has written `ready` to its log.
    init(_ path: String, _ arguments: [String], log: String, isReady ready: String) throws {
        self.path = path
        self.arguments = arguments
        self.log = log
        self.ready = ready
        try start()
    }

    func start() throws {
        try? FileManager.default.removeItem(atPath: log)
        let child = try ChildProcess(path, arguments, log: log)
        lock.withLock { self.child = child }
        try MariaDBServer.wait(for: ready, in: log, of: child)
    }

    /// Ends it and waits until it is gone. Nothing happens if it runs no more.
    func kill(_ signal: Int32) {
        lock.withLock { child }?.kill(signal)
    }

    /// Sends a signal without waiting, for the end of the process.
    func signal(_ signal: Int32) {
        guard let child = lock.withLock({ child }), child.isRunning else { return }
        Foundation.kill(child.pid, signal)
    }
}

/// A child that runs until it is killed, its output in a file.
final class ChildProcess: @unchecked Sendable {
    let pid: pid_t
    private let lock = NSLock()
    private var hasExited = false

    init(_ path: String, _ arguments: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // The server outlives many tests: a pipe or socket that it inherited from one of them would never end.
        for descriptor in CInt(3)..<4_096 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var strings = ([path] + arguments).map { strdup($0) }
        strings.append(nil)
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let status = posix_spawn(&pid, path, &actions, nil, strings, environ)
        guard status == 0 else { throw MariaDBServer.Failure(description: "cannot start \(path): errno \(status)") }
        self.pid = pid
    }

    var isRunning: Bool {
        lock.withLock {
            if hasExited { return false }
            hasExited = waitpid(pid, nil, WNOHANG) != 0
            return !hasExited
        }
    }

    func kill(_ signal: Int32 = SIGKILL) {
        lock.withLock {
            guard !hasExited else { return }
            Foundation.kill(pid, signal)
            waitpid(pid, nil, 0)
            hasExited = true
        }
    }
}
