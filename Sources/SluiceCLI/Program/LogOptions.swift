import ArgumentParser
import Logging

/// `--log-level`, for every command.
struct LogOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Least level of what is logged to standard error.", valueName: "level"))
    var logLevel: LogLevel?

    /// Makes a logger that writes to standard error.
    ///
    /// - Parameters:
    ///   - label: Names the part of the program in every line.
    ///   - level: The least level when the command line does not say.
    func logger(_ label: String, default level: Logger.Level) -> Logger {
        let level = logLevel?.level ?? level
        return Logger(label: label) { StandardErrorLogHandler(label: $0, level: level) }
    }
}

/// The levels by the names that Kafka's users know.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, warning, error

    init?(argument: String) {
        self.init(rawValue: argument.lowercased() == "warn" ? "warning" : argument.lowercased())
    }

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
