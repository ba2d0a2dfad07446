import ArgumentParser
import KafkaBroker
import Logging

/// Where a broker listens and keeps its data: shared by `up` and `broker`.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Folder for topics and offsets; made if absent. (default: sluice-data)", valueName: "folder")
    )
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "Address to listen on; 0.0.0.0 lets other machines in. (default: 127.0.0.1)", valueName: "host"))
    var bind: String?

    @Option(help: ArgumentHelp("Port of the broker; 0 takes a free one. (default: 9092)", valueName: "port"))
    var port: Int?

    @Option(
        help: ArgumentHelp(
            "Set a property of the broker, as in server.properties; may be repeated.", valueName: "name=value"))
    var override: [String] = []

    @Option(
        help: ArgumentHelp("Write a JSON file with addresses and ports once everything answers.", valueName: "path"))
    var readyFile: String?

    func validate() throws {
        if let port, !(0...65_535).contains(port) { throw ValidationError("--port \(port) is not between 0 and 65535") }
        for text in override where PropertiesFile.pair(text) == nil {
            throw ValidationError("--override \(text) is not of the form name=value")
        }
    }

    /// The configuration: the file's, then `--override`, then the other options.
    func configuration(file: [String: String], defaultDataDirectory: String) throws -> BrokerConfiguration {
        var properties = file
        for (key, value) in override.compactMap(PropertiesFile.pair) { properties[key] = value }
        var configuration = try BrokerConfiguration(properties: properties)
        if let dataDir {
            configuration.dataDirectory = dataDir
        } else if properties["log.dirs"] == nil, properties["log.dir"] == nil {
            configuration.dataDirectory = defaultDataDirectory
        }
        if let bind { configuration.host = bind }
        if let port { configuration.port = port }
        return configuration
    }
}

/// What `--ready-file` holds.
struct ReadyFile {
    var bootstrapServers: String
    var port: Int
    var rest: (url: String, port: Int)?

    /// One line of JSON; nothing in it needs escaping.
    var json: String {
        var text = "{\"pid\":\(ProcessClock.processID),\"bootstrapServers\":\"\(bootstrapServers)\",\"port\":\(port)"
        if let rest { text += ",\"rest\":\"\(rest.url)\",\"restPort\":\(rest.port)" }
        return text + "}\n"
    }

    func write(to path: String?) throws(CommandFailure) {
        if let path { try TextFile.replace(path: path, with: json) }
    }
}
