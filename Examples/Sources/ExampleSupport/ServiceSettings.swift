public import Foundation
public import KafkaService
public import KafkaServiceSQL
public import Logging

/// What a service reads from its environment, under the names that `docs/services.md` lists.
public struct ServiceSettings: Sendable {
    /// What is wrong with a variable.
    public struct Failure: Error, CustomStringConvertible {
        /// Variable, value and remedy.
        public var description: String
    }

    private let environment: [String: String]

    /// Reads this process's environment.
    public init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.environment = environment
    }

    /// A text; empty counts as absent. `NAME_FILE` names a file that holds it, as container secrets do.
    public func text(_ name: String) throws -> String? {
        if let path = environment[name + "_FILE"], !path.isEmpty {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw Failure(description: "\(name)_FILE=\(path): the file can't be read")
            }
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A text, or a default.
    public func text(_ name: String, default fallback: String) throws -> String { try text(name) ?? fallback }

    /// A whole number within bounds.
    public func number(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = try text(name) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw Failure(
                description: "\(name)=\(text): give a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `true` or `false`.
    public func flag(_ name: String) throws -> Bool {
        switch try text(name, default: "false").lowercased() {
        case "true": return true
        case "false": return false
        case let text: throw Failure(description: "\(name)=\(text): give true or false")
        }
    }

    /// One of some words.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, default fallback: Choice
    ) throws -> Choice where Choice.RawValue == String {
        guard let text = try text(name) else { return fallback }
        guard let choice = Choice(rawValue: text.lowercased()) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: " or ")
            throw Failure(description: "\(name)=\(text): give \(words)")
        }
        return choice
    }

    /// The service's logger: one JSON object per line on standard error.
    public func logger(_ label: String) throws -> Logger {
        let text = try text("LOG_LEVEL", default: "info")
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw Failure(description: "LOG_LEVEL=\(text): give trace, debug, info, notice, warning, error or critical")
        }
        var logger = Logger(label: label) { JSONLogHandler(label: $0) }
        logger.logLevel = level
        return logger
    }

    /// The database that `PREFIX_URL`, `PREFIX_USER` and `PREFIX_PASSWORD` name.
    public func database(_ prefix: String, default url: String) throws -> SQLServiceDatabase {
        try SQLServiceDatabase(
            url: text(prefix + "_URL", default: url), user: text(prefix + "_USER"),
            password: text(prefix + "_PASSWORD"))
    }

    /// The brokers that `KAFKA_BOOTSTRAP_SERVERS` names.
    public func kafka(_ name: String, logger: Logger) throws -> KafkaApplication {
        let servers = try text("KAFKA_BOOTSTRAP_SERVERS", default: "localhost:9092")
        return try KafkaApplication(
            bootstrapServers: servers.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) },
            name: name, logger: logger)
    }

    /// Topics must exist, so that a wrong name shows at the start; `KAFKA_CREATE_TOPICS=true` makes them.
    public func topicCreation() throws -> TopicCreation {
        try flag("KAFKA_CREATE_TOPICS") ? .create(partitions: 3) : .mustExist
    }
}
