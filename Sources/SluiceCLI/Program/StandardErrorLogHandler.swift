import KafkaProtocol
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes log lines to standard error, one system call each:
/// `2026-08-01 20:04:17.123 INFO  [broker] Topic created  topic=users partitions=1`.
struct StandardErrorLogHandler: LogHandler {
    var metadataProvider: Logger.MetadataProvider?
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var values = metadata
        if let provided = metadataProvider?.get() { values.merge(provided) { _, newer in newer } }
        if let own = event.metadata { values.merge(own) { _, newer in newer } }
        if let error = event.error { values["error"] = "\(error)" }
        Terminal.printError(Self.line(label: label, level: event.level, message: "\(event.message)", metadata: values))
    }

    static func line(label: String, level: Logger.Level, message: String, metadata: Logger.Metadata) -> String {
        var line = "\(timestamp()) \(name(of: level)) [\(label)] \(message)"
        var separator = "  "
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += "\(separator)\(key)=\(quotedIfNeeded("\(value)"))"
            separator = " "
        }
        return line
    }

    private static func name(of level: Logger.Level) -> String {
        switch level {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info, .notice: "INFO "
        case .warning: "WARN "
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && !value.contains { $0 == " " || $0 == "\"" || $0.isNewline }
        if isPlain { return value }
        let escaped = value.flatMap { character -> [Character] in
            if character == "\"" || character == "\\" { return ["\\", character] }
            return character.isNewline ? ["\\", "n"] : [character]
        }
        return "\"\(String(escaped))\""
    }

    /// Local time with milliseconds.
    private static func timestamp() -> String {
        let now = WallClock.now()
        var seconds = time_t(now / 1_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        let date = "\(Int(parts.tm_year) + 1900)-\(padded(Int(parts.tm_mon) + 1))-\(padded(Int(parts.tm_mday)))"
        let time = "\(padded(Int(parts.tm_hour))):\(padded(Int(parts.tm_min))):\(padded(Int(parts.tm_sec)))"
        return "\(date) \(time).\(padded(Int(now % 1_000), to: 3))"
    }

    private static func padded(_ number: Int, to width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
