import ArgumentParser
import KafkaBroker

extension StorageCommand {
    /// `sluice storage info`
    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "info",
            abstract: "Show whose data folder it is, whether it is in use, and what its topics take.",
            discussion: """
                Example:
                  sluice storage info --data-dir sluice-data
                """)

        @Option(help: "Kafka's server.properties.")
        var config: String?

        @OptionGroup var server: ServerOptions

        func run() throws {
            let properties =
                try config.map { path throws(CommandFailure) in try PropertiesFile.dictionary(path: path) } ?? [:]
            let configuration = try server.configuration(file: properties, defaultDataDirectory: "sluice-data")
            for line in try DataFolder(path: configuration.dataDirectory).report { Terminal.print(line) }
        }
    }
}
