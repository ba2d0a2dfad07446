import ArgumentParser

/// The root command.
struct Sluice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "Keeps the data of services in step through a Kafka log.",
        discussion: """
            Start here:
              sluice up                             Kafka on port 9092, Connect on 8083
              sluice topics --create --topic news   (in another terminal)
              sluice console-producer --topic news
              sluice console-consumer --topic news --from-beginning

            The flags are those of Kafka's own tools. A symbolic link to this program
            with the name of one of them (kafka-topics.sh, connect-distributed, …)
            acts as that tool.

            Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
            """,
        version: "sluice \(Version.current)",
        groupedSubcommands: [
            CommandGroup(
                name: "Servers",
                subcommands: [
                    UpCommand.self, BrokerCommand.self, ConnectDistributedCommand.self, ConnectStandaloneCommand.self,
                ]),
            CommandGroup(
                name: "Tools",
                subcommands: [
                    TopicsCommand.self, ConsoleProducerCommand.self, ConsoleConsumerCommand.self,
                    ConsumerGroupsCommand.self, TransactionsCommand.self, ConfigsCommand.self, AclsCommand.self,
                    ConnectorsCommand.self, VerifyCommand.self, GetOffsetsCommand.self, DeleteRecordsCommand.self,
                    StorageCommand.self, DumpLogCommand.self, ProducerPerformanceCommand.self,
                    ConsumerPerformanceCommand.self,
                ]),
        ]
    )
}

/// The version of the program and its libraries.
enum Version {
    static let current = "0.1.0"
}
