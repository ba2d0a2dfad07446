import ArgumentParser

/// The entry: picks the command, runs it, and turns whatever happened into one line and an exit status.
@main
enum Program {
    static func main() async {
        ProcessClock.begin()
        let status = await run(Invocation.arguments(from: CommandLine.arguments))
        Terminal.end(with: status)
    }

    static func run(_ arguments: [String]) async -> ExitStatus {
        do {
            var command = try Sluice.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return .success
        } catch let failure as CommandFailure {
            if let message = failure.message { Terminal.complain(message) }
            return failure.status
        } catch {
            return report(error)
        }
    }

    /// Help and version are errors to the argument parser; so are wrong arguments.
    private static func report(_ error: any Error) -> ExitStatus {
        guard isFromParser(error) else {
            Terminal.complain(String(describing: error))
            return .failure
        }
        if Sluice.exitCode(for: error) == .success {
            Terminal.print(Sluice.fullMessage(for: error))
            return .success
        }
        Terminal.complain("\(Sluice.message(for: error)) (see '\(helpHint(for: error))')")
        return .usage
    }

    private static func isFromParser(_ error: any Error) -> Bool {
        if error is ValidationError || error is CleanExit { return true }
        return String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
    }

    /// The usage text names the command that was meant: `Usage: sluice topics [--create] …`.
    private static func helpHint(for error: any Error) -> String {
        let usage = Sluice.fullMessage(for: error).split(separator: "\n").first { $0.hasPrefix("Usage: ") }
        let words = (usage ?? "").split(separator: " ").dropFirst()
        let command = words.prefix { !$0.hasPrefix("[") && !$0.hasPrefix("<") && !$0.hasPrefix("--") }
        return "sluice help \(command.dropFirst().joined(separator: " "))".trimmed
    }
}

/// What scripts can rely on.
enum ExitStatus: Int32 {
    /// Everything that was asked for was done.
    case success = 0
    /// Something failed; a line on stderr says what.
    case failure = 1
    /// The command line was wrong; nothing was done.
    case usage = 2
    /// Ctrl-C before the work was done.
    case interrupted = 130
    /// The reader of our output has gone, as with `| head`.
    case brokenPipe = 141
}

/// A failure that a command has already put into words.
struct CommandFailure: Error {
    /// Printed behind `sluice: `; nothing is printed if nil.
    var message: String?
    var status: ExitStatus = .failure

    init(_ message: String?, status: ExitStatus = .failure) {
        self.message = message
        self.status = status
    }
}
