import Foundation

/// Runs programs and collects what they print.
enum Command {
    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    /// The `sluice` of this build: beside the test bundle, or `SLUICE_BINARY`.
    static var sluice: String {
        if let path = ProcessInfo.processInfo.environment["SLUICE_BINARY"] { return path }
        let arguments = CommandLine.arguments
        var candidates = arguments.filter { $0.contains(".xctest") || $0.contains(".build") }
        candidates.append(
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: ".build/debug/x").path)
        for candidate in candidates {
            var folder = URL(filePath: candidate).deletingLastPathComponent()
            for _ in 0..<3 {
                let binary = folder.appending(path: "sluice").path
                if FileManager.default.isExecutableFile(atPath: binary) { return binary }
                folder.deleteLastPathComponent()
            }
        }
        return ".build/debug/sluice"
    }

    static func path(of name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    static func hasPythonModule(_ name: String) -> Bool {
        (try? run("python3", ["-c", "import \(name)"]).status) == 0
    }

    @discardableResult
    static func run(
        _ program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> Result {
        let process = Process()
        guard let path = program.contains("/") ? program : path(of: program) else {
            throw Failure("\(program) is not installed: run scripts/install-deps.sh test")
        }
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files instead of pipes: a child that prints more than a pipe holds must not wait for us.
        let folder = try TemporaryFolder()
        for name in ["in", "out", "err"] {
            _ = FileManager.default.createFile(atPath: "\(folder.path)/\(name)", contents: Data(input.utf8))
        }
        for name in ["out", "err"] { try Data().write(to: URL(filePath: "\(folder.path)/\(name)")) }
        process.standardInput = FileHandle(forReadingAtPath: "\(folder.path)/in")
        process.standardOutput = FileHandle(forWritingAtPath: "\(folder.path)/out")
        process.standardError = FileHandle(forWritingAtPath: "\(folder.path)/err")
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus,
            output: try String(contentsOfFile: "\(folder.path)/out", encoding: .utf8),
            errors: try String(contentsOfFile: "\(folder.path)/err", encoding: .utf8))
    }

    /// One of our own tools.
    @discardableResult
    static func sluice(_ arguments: [String], input: String = "") throws -> Result {
        try run(sluice, arguments, input: input)
    }
}

/// HTTP as the tutorial's reader makes it: with curl.
struct REST {
    var base: String

    struct Answer {
        var status: Int
        var headers: [String: String]
        var text: String

        var json: Any? { try? JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed]) }
        var object: [String: Any] { json as? [String: Any] ?? [:] }
    }

    func call(
        _ method: String, _ path: String, body: String? = nil, headers: [String] = ["content-Type:application/json"]
    ) throws -> Answer {
        var arguments = ["-sS", "-i", "-X", method, "--max-time", "60", base + path]
        if body != nil { arguments += ["-d", "@-"] + headers.flatMap { ["--header", $0] } }
        let result = try Command.run("curl", arguments, input: body ?? "")
        guard result.status == 0 else { throw Failure("curl \(method) \(path): \(result.errors)") }
        var head = result.output
        var text = ""
        while let end = head.range(of: "\r\n\r\n") {
            text = String(head[end.upperBound...])
            let status = head[..<end.lowerBound]
            // An interim answer (100 Continue) is followed by the real one.
            if status.hasPrefix("HTTP/1.1 100"), text.hasPrefix("HTTP/") {
                head = text
                continue
            }
            head = String(status)
            break
        }
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        return Answer(status: words.count > 1 ? Int(words[1]) ?? 0 : 0, headers: fields, text: text)
    }

    func get(_ path: String) throws -> Answer { try call("GET", path) }

    /// Waits until connector and all tasks of `name` have the state.
    func waitForState(_ name: String, _ state: String, tasks: Int = 1, timeout: Double = 60) throws {
        var last = ""
        do {
            try waitFor("\(name) to be \(state)", timeout: timeout) { () -> Bool? in
                let answer = try get("/connectors/\(name)/status")
                last = answer.text
                guard answer.status == 200 else { return nil }
                let connector = answer.object["connector"] as? [String: Any]
                let states = (answer.object["tasks"] as? [[String: Any]] ?? []).map { $0["state"] as? String }
                guard connector?["state"] as? String == state, states.count == tasks else { return nil }
                return states.allSatisfy { $0 == state } ? true : nil
            }
        } catch {
            throw Failure("\(error); last status: \(last)")
        }
    }
}
