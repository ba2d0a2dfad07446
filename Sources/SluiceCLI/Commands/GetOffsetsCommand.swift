import ArgumentParser
import KafkaClient
import Logging

/// `sluice get-offsets`
struct GetOffsetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get-offsets",
        abstract: "Print the offsets at the ends of partitions, or at a time.",
        discussion: """
            Prints topic:partition:offset, one line for each partition.

            Examples:
              sluice get-offsets --topic news
              sluice get-offsets --topic 'news|orders' --time earliest
            """)

    @OptionGroup var client: ClientOptions

    @Option(help: ArgumentHelp("Topics, as a regular expression (default: all).", valueName: "name"))
    var topic: String?

    @Option(help: ArgumentHelp("Partitions (default: all).", valueName: "0,1,…"))
    var partitions: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "latest (-1), earliest (-2), max-timestamp (-3), or a time in ms since 1970.", valueName: "time"))
    var time = "latest"

    @Flag(help: "Leave out topics such as __consumer_offsets.")
    var excludeInternalTopics = false

    @OptionGroup var log: LogOptions

    /// What `--time` asks for.
    func spec() throws(CommandFailure) -> OffsetSpec {
        switch time {
        case "latest", "-1": return .latest
        case "earliest", "-2": return .earliest
        case "max-timestamp", "-3": return .maxTimestamp
        default:
            guard let milliseconds = Int64(time), milliseconds >= 0 else {
                throw CommandFailure(
                    "--time \(time) is not latest, earliest, max-timestamp or milliseconds since 1970", status: .usage)
            }
            return .timestamp(milliseconds)
        }
    }

    private func wantedPartitions() throws(CommandFailure) -> Set<Int32>? {
        guard let partitions else { return nil }
        var wanted: Set<Int32> = []
        for text in partitions.split(separator: ",") {
            guard let partition = Int32(text), partition >= 0 else {
                throw CommandFailure("--partitions: \(text) is not the number of a partition", status: .usage)
            }
            wanted.insert(partition)
        }
        return wanted
    }

    func run() async throws {
        let spec = try spec()
        let wanted = try wantedPartitions()
        let pattern = try topic.map { text throws(CommandFailure) in try TopicPattern(option: text) }
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            let names = try await admin.listTopics(includeInternal: !excludeInternalTopics).map(\.name)
                .filter { name in pattern?.matches(name) ?? true }
            guard !names.isEmpty else {
                throw CommandFailure("no topic matches \(topic ?? "anything"); sluice topics --list shows all")
            }
            var specs: [TopicPartition: OffsetSpec] = [:]
            for (name, description) in try await admin.describeTopics(names) {
                for partition in try description.get().partitions where wanted?.contains(partition.id) ?? true {
                    specs[TopicPartition(topic: name, partition: partition.id)] = spec
                }
            }
            let found = try await admin.listOffsets(specs)
            for (partition, result) in found.sorted(by: {
                ($0.key.topic, $0.key.partition) < ($1.key.topic, $1.key.partition)
            }) {
                let offset = try result.get().offset
                // Kafka prints nothing behind the colon when no record is that young.
                Terminal.print("\(partition.topic):\(partition.partition):\(offset < 0 ? "" : "\(offset)")")
            }
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }
}
