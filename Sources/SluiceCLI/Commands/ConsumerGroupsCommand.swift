import ArgumentParser
import KafkaClient
import KafkaProtocol
import Logging

/// `sluice consumer-groups`
struct ConsumerGroupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumer-groups",
        abstract: "List, describe and delete consumer groups, and move their offsets.",
        discussion: """
            Examples:
              sluice consumer-groups --list
              sluice consumer-groups --describe --group readers
              sluice consumer-groups --reset-offsets --group readers --topic t \\
                  --to-earliest --execute
              sluice consumer-groups --delete-offsets --group readers --topic t
              sluice consumer-groups --delete --group readers
            """
    )

    /// What is to be done.
    enum Action: String, EnumerableFlag {
        case list, describe, delete, resetOffsets, deleteOffsets

        static func help(for value: Action) -> ArgumentHelp? {
            switch value {
            case .list: "Print the names of groups."
            case .describe: "Print positions, lag and members."
            case .delete: "Delete groups that have no members."
            case .resetOffsets: "Move the position of a group that has no members."
            case .deleteOffsets: "Forget the position in topics that no member reads."
            }
        }
    }

    @Flag(exclusivity: .exclusive)
    var action: Action

    @OptionGroup var client: ClientOptions

    @Option(help: ArgumentHelp("The group; may be repeated.", valueName: "name"))
    var group: [String] = []

    @Flag(help: "All groups there are.")
    var allGroups = false

    @Flag(help: "With --describe: print members instead of positions.")
    var members = false

    @Flag(help: "With --describe or --list: print the state.")
    var state = false

    @OptionGroup(title: "Options of --reset-offsets") var reset: OffsetResetOptions
    @OptionGroup var log: LogOptions

    func validate() throws {
        if action != .list, group.isEmpty, !allGroups {
            let names: [Action: String] = [.resetOffsets: "reset-offsets", .deleteOffsets: "delete-offsets"]
            throw ValidationError("--\(names[action] ?? action.rawValue) needs --group or --all-groups")
        }
        if action == .deleteOffsets, reset.topic.isEmpty { throw ValidationError("--delete-offsets needs --topic") }
        if action == .resetOffsets { try reset.validateForReset() }
        if members, state { throw ValidationError("--members and --state are two different tables: choose one") }
    }

    func run() async throws {
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            try await perform(admin)
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }

    private func perform(_ admin: KafkaAdminClient) async throws {
        switch action {
        case .list:
            try await list(admin)
        case .describe:
            for name in try await names(admin) { try await describe(name, admin) }
        case .delete:
            try await delete(admin)
        case .resetOffsets:
            try await resetOffsets(admin)
        case .deleteOffsets:
            for name in try await names(admin) { try await deleteOffsets(name, admin) }
        }
    }

    private func resetOffsets(_ admin: KafkaAdminClient) async throws {
        var table = TextTable([
            .init(title: "GROUP", minimumWidth: 30), .init(title: "TOPIC", minimumWidth: 30),
            .init(title: "PARTITION", minimumWidth: 10), .init(title: "NEW-OFFSET", minimumWidth: 15),
        ])
        for name in try await names(admin) {
            for (partition, offset) in try await reset.perform(on: name, admin) {
                if reset.export { Terminal.print("\(partition.topic),\(partition.partition),\(offset)") }
                table.add([name, partition.topic, String(partition.partition), String(offset)])
            }
        }
        if reset.export { return }
        Terminal.print("")
        for line in table.lines { Terminal.print(line) }
    }

    /// Forgets the group's position in the topics named, or in some of their partitions.
    private func deleteOffsets(_ name: String, _ admin: KafkaAdminClient) async throws {
        var partitions: [TopicPartition] = []
        for text in reset.topic {
            guard let (topic, chosen) = OffsetResetOptions.selection(text) else { continue }
            if let chosen {
                partitions += chosen.map { TopicPartition(topic: topic, partition: $0) }
            } else {
                let committed = try await admin.listConsumerGroupOffsets(name).keys.filter { $0.topic == topic }
                guard !committed.isEmpty else {
                    throw CommandFailure("group '\(name)' has no position in topic '\(topic)'")
                }
                partitions += committed
            }
        }
        let results = try await admin.deleteConsumerGroupOffsets(name, partitions: partitions)
        var table = TextTable([
            .init(title: "TOPIC", minimumWidth: 30), .init(title: "PARTITION", minimumWidth: 15),
            .init(title: "STATUS", minimumWidth: 0),
        ])
        var failed = 0
        for (partition, result) in results.sorted(by: { $0.key < $1.key }) {
            var status = "Successful"
            if case .failure(let error) = result {
                status = "Error: \(error)"
                failed += 1
            }
            table.add([partition.topic, String(partition.partition), status])
        }
        for line in table.lines { Terminal.print(line) }
        if failed > 0 { throw CommandFailure("\(failed) positions could not be deleted") }
    }

    private func names(_ admin: KafkaAdminClient) async throws -> [String] {
        allGroups ? try await admin.listConsumerGroups().map(\.groupID) : group
    }

    private func list(_ admin: KafkaAdminClient) async throws {
        let groups = try await admin.listConsumerGroups()
        guard state else {
            for group in groups { Terminal.print(group.groupID) }
            return
        }
        var table = TextTable([.init(title: "GROUP", minimumWidth: 25), .init(title: "STATE", minimumWidth: 15)])
        for group in groups { table.add([group.groupID, group.state]) }
        for line in table.lines { Terminal.print(line) }
    }

    private func delete(_ admin: KafkaAdminClient) async throws {
        let names = try await names(admin)
        let results = try await admin.deleteConsumerGroups(names)
        for name in names { try results[name]?.get() }
        let quoted = names.map { "'\($0)'" }.joined(separator: ", ")
        Terminal.print("Deletion of requested consumer groups (\(quoted)) was successful.")
    }

    private func describe(_ name: String, _ admin: KafkaAdminClient) async throws {
        let answer = try await admin.describeConsumerGroups([name])[name]
        if case .failure(let error)? = answer, error.errorCode != .groupIdNotFound { throw error }
        guard case .success(let group)? = answer, group.state != "Dead" else {
            throw CommandFailure(
                "consumer group '\(name)' does not exist; 'sluice consumer-groups --list' shows those that do")
        }
        if group.members.isEmpty { Terminal.printError("\nConsumer group '\(name)' has no active members.") }
        let report = GroupReport(group: group)
        let table: TextTable
        if state {
            table = report.stateTable
        } else if members {
            table = report.memberTable
        } else {
            let committed = try await admin.listConsumerGroupOffsets(name)
            let partitions = Set(committed.keys).union(group.members.flatMap(\.assignment))
            let ends = try await admin.listOffsets(
                Dictionary(partitions.map { ($0, OffsetSpec.latest) }) { first, _ in first })
            table = report.offsetTable(
                committed: committed.mapValues(\.offset), ends: ends.compactMapValues { try? $0.get().offset })
        }
        Terminal.print("")
        for line in table.lines { Terminal.print(line) }
    }
}

/// What `--describe` prints, as Kafka's tool does.
struct GroupReport {
    var group: GroupDescription

    /// Positions and lag of each partition.
    func offsetTable(committed: [TopicPartition: Int64], ends: [TopicPartition: Int64]) -> TextTable {
        var table = TextTable([
            .init(title: "GROUP", minimumWidth: 15), .init(title: "TOPIC", minimumWidth: 15),
            .init(title: "PARTITION", minimumWidth: 10), .init(title: "CURRENT-OFFSET", minimumWidth: 15),
            .init(title: "LOG-END-OFFSET", minimumWidth: 15), .init(title: "LAG", minimumWidth: 15),
            .init(title: "CONSUMER-ID", minimumWidth: 15), .init(title: "HOST", minimumWidth: 15),
            .init(title: "CLIENT-ID", minimumWidth: 0),
        ])
        var owners: [TopicPartition: GroupDescription.Member] = [:]
        for member in group.members {
            for partition in member.assignment { owners[partition] = member }
        }
        for partition in Set(committed.keys).union(owners.keys).sorted() {
            let position = committed[partition], end = ends[partition], owner = owners[partition]
            let lag = position.flatMap { position in end.map { max(0, $0 - position) } }
            table.add([
                group.groupID, partition.topic, String(partition.partition), position.map { String($0) },
                end.map { String($0) }, lag.map { String($0) }, owner?.memberID, owner?.clientHost, owner?.clientID,
            ])
        }
        return table
    }

    /// The members and how many partitions they have.
    var memberTable: TextTable {
        var table = TextTable([
            .init(title: "GROUP", minimumWidth: 15), .init(title: "CONSUMER-ID", minimumWidth: 15),
            .init(title: "HOST", minimumWidth: 15), .init(title: "CLIENT-ID", minimumWidth: 15),
            .init(title: "#PARTITIONS", minimumWidth: 0),
        ])
        for member in group.members.sorted(by: { $0.memberID < $1.memberID }) {
            table.add([
                group.groupID, member.memberID, member.clientHost, member.clientID, String(member.assignment.count),
            ])
        }
        return table
    }

    /// The group as a whole.
    var stateTable: TextTable {
        var table = TextTable([
            .init(title: "GROUP", minimumWidth: 15), .init(title: "COORDINATOR (ID)", minimumWidth: 25),
            .init(title: "ASSIGNMENT-STRATEGY", minimumWidth: 20), .init(title: "STATE", minimumWidth: 15),
            .init(title: "#MEMBERS", minimumWidth: 0),
        ])
        let coordinator = group.coordinator.map { "\($0.address) (\($0.id))" }
        table.add([group.groupID, coordinator, group.protocolName, group.state, String(group.members.count)])
        return table
    }
}
