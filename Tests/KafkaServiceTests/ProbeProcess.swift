import Foundation

/// A `ServiceProbe` that runs until it ends or is killed. It inherits nothing: a descriptor of another test's child
/// that it held open would keep that test waiting for an end.
final class ProbeProcess: @unchecked Sendable {
    enum End: Equatable {
        case exited(Int32)
        case killed(Int32)
    }

    let arguments: [String]
    private let pid: pid_t
    private let lock = NSLock()
    private var ended: End?

    init(_ arguments: [String]) throws {
        self.arguments = arguments
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for descriptor in CInt(3)..<4_096 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var strings = ([Self.path] + arguments).map { strdup($0) }
        strings.append(nil)
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let status = posix_spawn(&pid, Self.path, &actions, nil, strings, environ)
        guard status == 0 else { throw Refused(description: "cannot start \(Self.path): errno \(status)") }
        self.pid = pid
    }

    deinit {
        if end == nil {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    /// How it ended; nil while it runs.
    var end: End? {
        lock.withLock {
            if let ended { return ended }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let signal = status & 0x7F
            ended = signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal)
            return ended
        }
    }

    /// Beside the test bundle.
    private static let path: String = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var folder = URL(filePath: bundle).deletingLastPathComponent()
        for _ in 0..<4 {
            let path = folder.appending(path: "ServiceProbe").path
            if FileManager.default.isExecutableFile(atPath: path) { return path }
            folder.deleteLastPathComponent()
        }
        return ".build/debug/ServiceProbe"
    }()
}
