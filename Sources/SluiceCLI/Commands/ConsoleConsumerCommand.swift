import ArgumentParser
import KafkaClient
import Logging

/// `sluice console-consumer`
struct ConsoleConsumerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console-consumer",
        abstract: "Print the messages of a topic.",
        discussion: """
            Prints what comes until Ctrl-C, --max-messages or --timeout-ms end it.

            Examples:
              sluice console-consumer --topic quickstart-events --from-beginning
              sluice console-consumer --topic t --group readers
              sluice console-consumer --topic t --partition 0 --offset 42 \\
                  --max-messages 1 --property print.key=true
            """
    )

    @Option(help: ArgumentHelp("Topic to read.", valueName: "name"))
    var topic: String?

    @Option(
        name: [.customLong("include"), .customLong("whitelist")],
        help: ArgumentHelp("Read all topics whose names match.", valueName: "regex"))
    var include: String?

    @OptionGroup var client: ClientOptions

    @Flag(help: "Begin with the first message instead of the next one, where the group has no position.")
    var fromBeginning = false

    @Flag(name: .customLong("from-begining"), help: .hidden)
    var fromBegining = false

    @Option(help: ArgumentHelp("Read as a member of this group, and commit.", valueName: "name"))
    var group: String?

    @Option(help: ArgumentHelp("Read one partition only.", valueName: "number"))
    var partition: Int32?

    @Option(help: ArgumentHelp("Begin at: earliest, latest or a number; with --partition.", valueName: "offset"))
    var offset: String?

    @Option(help: ArgumentHelp("End after so many messages.", valueName: "count"))
    var maxMessages: Int?

    @Option(help: ArgumentHelp("End when no message has come for so long.", valueName: "ms"))
    var timeoutMs: Int?

    @Option(
        name: [.customLong("property"), .customLong("formatter-property")],
        help: ArgumentHelp(
            "How messages are printed: print.key, print.timestamp, print.offset, … (see docs/cli.md).",
            valueName: "name=value"))
    var property: [String] = []

    @Option(
        name: [.customLong("consumer-property"), .customLong("command-property")],
        help: ArgumentHelp("A property of the consumer, such as fetch.max.bytes.", valueName: "name=value"))
    var consumerProperty: [String] = []

    @Option(name: .customLong("consumer.config"), help: .hidden)
    var consumerConfig: String?

    @Option(help: ArgumentHelp("read_committed or read_uncommitted.", valueName: "level"))
    var isolationLevel: String?

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (topic == nil) != (include == nil) else {
            throw ValidationError("give either --topic or --include")
        }
        if partition != nil, topic == nil { throw ValidationError("--partition needs --topic") }
        if partition != nil, group != nil {
            throw ValidationError("--partition reads outside of groups: leave --group")
        }
        if offset != nil, partition == nil { throw ValidationError("--offset needs --partition") }
        if offset != nil, fromBeginning || fromBegining {
            throw ValidationError("--from-beginning and --offset contradict each other")
        }
        if let offset, StartOffset(offset) == nil {
            throw ValidationError("--offset \(offset): use earliest, latest or a number from 0")
        }
        if let maxMessages, maxMessages < 1 { throw ValidationError("--max-messages must be at least 1") }
    }

    func run() async throws {
        let formatter = try RecordFormatter(properties: ClientOptions.pairs(property))
        let logger = log.logger("consumer", default: .warning)
        let configuration = try configuration()
        for name in configuration.unknownProperties.sorted() {
            logger.warning("Property is not known and has no effect", metadata: ["property": "\(name)"])
        }
        let printer = RecordPrinter(formatter: formatter, limit: maxMessages ?? .max)
        let consumer = try KafkaConsumer(configuration: configuration, logger: logger)
        let stop = StopSignal()
        let result = await stop.run {
            try await begin(consumer, configuration)
            try await read(consumer, printer)
        }
        await consumer.close()
        if !printer.isPipeBroken { Terminal.printError("Processed a total of \(printer.count) messages") }
        if printer.isPipeBroken { throw CommandFailure(nil, status: .brokenPipe) }
        try result.get()
    }

    private func configuration() throws -> ConsumerConfiguration {
        var configuration = try ConsumerConfiguration(properties: properties())
        configuration.client.bootstrapPatience = .zero
        return configuration
    }

    private func properties() throws -> [String: String] {
        var defaults = ["auto.offset.reset": fromBeginning || fromBegining ? "earliest" : "latest"]
        if let isolationLevel { defaults["isolation.level"] = isolationLevel }
        var properties = try client.properties(defaults: defaults, files: [consumerConfig], pairs: consumerProperty)
        if let group { properties["group.id"] = group }
        if partition == nil, properties["group.id"] == nil {
            // A group of its own, whose position nobody will ask for, as in Kafka's tool.
            properties["group.id"] = "console-consumer-\(UInt32.random(in: 10_000...99_999))"
            properties["enable.auto.commit"] = properties["enable.auto.commit"] ?? "false"
        }
        return properties
    }

    private func begin(_ consumer: KafkaConsumer, _ configuration: ConsumerConfiguration) async throws {
        if let partition, let topic {
            let one = TopicPartition(topic: topic, partition: partition)
            try await consumer.assign([one])
            switch offset.flatMap(StartOffset.init) {
            case .earliest: try consumer.seekToBeginning([one])
            case .latest: try consumer.seekToEnd([one])
            case .number(let number): try consumer.seek(one, to: number)
            case nil: break
            }
        } else if let include {
            let pattern = try TopicPattern(option: include)
            let admin = try KafkaAdminClient(
                configuration: configuration.client, logger: log.logger("admin", default: .warning))
            let matching = try await admin.listTopics().map(\.name).filter(pattern.matches)
            await admin.close()
            guard !matching.isEmpty else { throw CommandFailure("no topic matches '\(include)'") }
            try await consumer.subscribe(matching)
        } else if let topic {
            try await consumer.subscribe([topic])
        }
    }

    private func read(_ consumer: KafkaConsumer, _ printer: RecordPrinter) async throws {
        let patience = timeoutMs.map { Duration.milliseconds($0) }
        while !printer.isDone {
            let batches = try await consumer.poll(timeout: patience ?? .seconds(3600))
            if batches.isEmpty && patience != nil { return }
            for (partition, next) in printer.print(batches) {
                // Not printed, so not read: the group's position must not pass it.
                try consumer.seek(partition, to: next)
            }
        }
    }
}

/// `--offset`
enum StartOffset: Equatable {
    case earliest, latest
    case number(Int64)

    init?(_ text: String) {
        switch text.lowercased() {
        case "earliest": self = .earliest
        case "latest": self = .latest
        default:
            guard let number = Int64(text), number >= 0 else { return nil }
            self = .number(number)
        }
    }
}
