import KafkaProtocol
public import Logging
import NIOConcurrencyHelpers

/// The worker's loggers, whose levels REST can change while it runs (`/admin/loggers`). A level set for `connect`
/// holds for `connect.task` too, unless that has one of its own.
public final class ConnectLoggers: Sendable {
    fileprivate struct State {
        var names: Set<String> = ["root"]
        var levels: [String: LoggerLevel] = [:]
        var rootLevel: Logger.Level
    }

    private let base: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameter base: where everything is logged to, and the level to begin with.
    public init(base: Logger) {
        self.base = base
        state = NIOLockedValueBox(State(rootLevel: base.logLevel))
    }

    /// A logger of a name, such as `connect.task`.
    public func logger(_ name: String, _ metadata: Logger.Metadata = [:]) -> Logger {
        state.withLockedValue { _ = $0.names.insert(name) }
        let base = self.base
        var logger = Logger(label: name) { _ in LeveledHandler(name: name, handler: base.handler, loggers: self) }
        for (key, value) in metadata { logger[metadataKey: key] = value }
        return logger
    }

    /// The level that holds for a name now.
    func level(of name: String) -> Logger.Level {
        state.withLockedValue { $0.level(of: name) }
    }

    /// All loggers with their levels, by name.
    public func all() -> [LoggerLevel] {
        state.withLockedValue { state in
            state.names.sorted().map { state.entry($0) }
        }
    }

    /// One logger; nil if nothing logs by that name and no level has been set for it.
    public func find(_ name: String) -> LoggerLevel? {
        state.withLockedValue { state in
            state.names.contains(name) ? state.entry(name) : nil
        }
    }

    /// Sets the level of a name and all below; returns the loggers concerned. nil if the level is unknown.
    public func set(_ namespace: String, level text: String) -> [String]? {
        guard let level = Logger.Level(connect: text) else { return nil }
        return state.withLockedValue { state in
            let now = WallClock.now()
            if namespace == "root" { state.rootLevel = level }
            var concerned = state.names.filter {
                $0 == namespace || $0.hasPrefix(namespace + ".") || namespace == "root"
            }
            concerned.insert(namespace)
            for name in concerned {
                state.names.insert(name)
                state.levels[name] = LoggerLevel(name: name, level: level.connectName, lastModified: now)
            }
            return concerned.sorted()
        }
    }
}

extension ConnectLoggers.State {
    func level(of name: String) -> Logger.Level {
        var name = Substring(name)
        while true {
            if let level = levels[String(name)].flatMap({ Logger.Level(connect: $0.level) }) { return level }
            guard let dot = name.lastIndex(of: ".") else { return rootLevel }
            name = name[..<dot]
        }
    }

    func entry(_ name: String) -> LoggerLevel {
        levels[name] ?? LoggerLevel(name: name, level: level(of: name).connectName)
    }
}

/// Passes on what the level of its name lets through.
private struct LeveledHandler: LogHandler {
    let name: String
    var handler: any LogHandler
    let loggers: ConnectLoggers

    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    var logLevel: Logger.Level {
        get { loggers.level(of: name) }
        set { _ = newValue }
    }

    func log(event: LogEvent) {
        handler.log(event: event)
    }
}

extension Logger.Level {
    /// log4j's names. OFF and FATAL are `critical`, the highest there is here.
    init?(connect name: String) {
        switch name.uppercased() {
        case "TRACE", "ALL": self = .trace
        case "DEBUG": self = .debug
        case "INFO": self = .info
        case "WARN": self = .warning
        case "ERROR": self = .error
        case "FATAL", "OFF": self = .critical
        default: return nil
        }
    }

    var connectName: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info, .notice: "INFO"
        case .warning: "WARN"
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }
}
