import ArgumentParser
import KafkaClient

/// Where the cluster is and how to talk to it: shared by the tools.
struct ClientOptions: ParsableArguments {
    static let defaultServer = "localhost:9092"

    @Option(help: ArgumentHelp("Brokers to ask first (default: localhost:9092).", valueName: "host:port,…"))
    var bootstrapServer: String?

    @Option(help: ArgumentHelp("Old name of --bootstrap-server.", valueName: "host:port,…", visibility: .hidden))
    var brokerList: String?

    @Option(help: .hidden)
    var zookeeper: String?

    @Option(
        help: ArgumentHelp("A file with client properties, such as request.timeout.ms.", valueName: "file"))
    var commandConfig: String?

    func validate() throws {
        if zookeeper != nil {
            throw ValidationError("--zookeeper is gone with ZooKeeper: use --bootstrap-server \(Self.defaultServer)")
        }
        if bootstrapServer != nil, brokerList != nil {
            throw ValidationError("--broker-list is the old name of --bootstrap-server: give one of them")
        }
    }

    /// Client properties: the command's defaults, `--command-config`, then what the command line says.
    ///
    /// - Parameters:
    ///   - defaults: What the command wants unless somebody says otherwise.
    ///   - files: More files, as with `--consumer.config`.
    ///   - pairs: `name=value` texts, the last word.
    func properties(
        defaults: [String: String] = [:], files: [String?] = [], pairs: [String] = []
    ) throws(CommandFailure) -> [String: String] {
        var properties = defaults
        for path in [commandConfig] + files {
            if let path { properties.merge(try PropertiesFile.dictionary(path: path)) { _, newer in newer } }
        }
        for pair in pairs {
            guard let (key, value) = PropertiesFile.pair(pair) else {
                throw CommandFailure("'\(pair)' is not of the form name=value", status: .usage)
            }
            properties[key] = value
        }
        if let server = bootstrapServer ?? brokerList ?? defaultServer(properties) {
            properties["bootstrap.servers"] = server
        }
        return properties
    }

    private func defaultServer(_ properties: [String: String]) -> String? {
        properties["bootstrap.servers"] == nil ? Self.defaultServer : nil
    }

    /// The configuration of an admin client. A person waits for the answer: an unreachable address is told at once.
    func adminConfiguration() throws -> ClientConfiguration {
        var configuration = try ClientConfiguration(properties: properties())
        configuration.bootstrapPatience = .zero
        return configuration
    }

    /// Reads `--property` values.
    static func pairs(_ texts: [String]) throws(CommandFailure) -> [String: String] {
        var result: [String: String] = [:]
        for text in texts {
            guard let (key, value) = PropertiesFile.pair(text) else {
                throw CommandFailure("--property '\(text)' is not of the form name=value", status: .usage)
            }
            result[key] = value
        }
        return result
    }
}
