import Foundation
public import Logging

/// Writes one JSON object per line to standard error, for log collectors.
public struct JSONLogHandler: LogHandler {
    /// Is in every line.
    public var metadata: Logger.Metadata = [:]
    /// Lines below are left out.
    public var logLevel = Logger.Level.info
    private let label: String

    /// Makes a handler.
    public init(label: String) {
        self.label = label
    }

    /// Reads and sets metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes a line.
    public func log(event: LogEvent) {
        var line: [String: String] = [:]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }) { line[key] = "\(value)" }
        line["time"] = Date().formatted(.iso8601.time(includingFractionalSeconds: true))
        line["level"] = event.level.rawValue
        line["logger"] = label
        line["message"] = "\(event.message)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard var data = try? encoder.encode(line) else { return }
        data.append(UInt8(ascii: "\n"))
        FileHandle.standardError.write(data)
    }
}
