import ArgumentParser
import KafkaBroker
import KafkaProtocol
import Logging

/// `sluice storage`
struct StorageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage",
        abstract: "Make a data folder, with users, before the first start; show what is in one.",
        subcommands: [Format.self, Info.self])

    /// `sluice storage format`
    struct Format: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "format",
            abstract: "Make the data folder if it is absent, and set users' passwords.",
            discussion: """
                Example:
                  sluice storage format --config server.properties \\
                    --add-scram 'SCRAM-SHA-512=[name=alice,password=alice-secret]'
                """)

        @Option(help: "Kafka's server.properties.")
        var config: String?

        @Option(
            name: [.customLong("add-scram"), .customShort("S")],
            help: ArgumentHelp("A user: SCRAM-SHA-512=[name=…,password=…]; may be repeated.", valueName: "user"))
        var addScram: [String] = []

        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("Accepted for Kafka's scripts; the folder has an id of its own.", visibility: .hidden))
        var clusterId: String?

        @Flag(
            name: [.customLong("standalone"), .customLong("ignore-formatted"), .customShort("g")],
            help: ArgumentHelp("Accepted for Kafka's scripts.", visibility: .hidden))
        var accepted = false

        @OptionGroup var server: ServerOptions
        @OptionGroup var log: LogOptions

        func run() async throws {
            let properties =
                try config.map { path throws(CommandFailure) in try PropertiesFile.dictionary(path: path) } ?? [:]
            let configuration = try server.configuration(file: properties, defaultDataDirectory: "sluice-data")
            let users = try addScram.map { text throws(BrokerError) in try ScramUser(parsing: text) }
            let folder = try BrokerStorage.format(
                configuration, users: users, logger: log.logger("storage", default: .warning))
            Terminal.print(
                "\(configuration.dataDirectory) is the data folder of node \(folder.nodeID) in cluster "
                    + "\(folder.clusterID).")
            for user in users { Terminal.print("\(user.name) has a password for \(user.mechanism.name).") }
        }
    }
}
