import ArgumentParser
import KafkaClient
import Logging
import NIOCore

/// `sluice console-producer`
struct ConsoleProducerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console-producer",
        abstract: "Send lines from standard input to a topic.",
        discussion: """
            Every line is a message; the command ends with the input, when all
            messages are stored.

            Examples:
              sluice console-producer --topic quickstart-events
              sluice console-producer --topic t --property parse.key=true \\
                  --property key.separator=: < lines.txt
            """
    )

    @Option(help: ArgumentHelp("Topic to send to.", valueName: "name"))
    var topic: String

    @OptionGroup var client: ClientOptions

    @Option(
        name: [.customLong("property"), .customLong("reader-property")],
        help: ArgumentHelp(
            "How lines are read: parse.key, key.separator, parse.headers, null.marker, … (see docs/cli.md).",
            valueName: "name=value"))
    var property: [String] = []

    @Option(
        name: [.customLong("producer-property"), .customLong("command-property")],
        help: ArgumentHelp("A property of the producer, such as acks=1.", valueName: "name=value"))
    var producerProperty: [String] = []

    @Option(name: .customLong("producer.config"), help: .hidden)
    var producerConfig: String?

    @Option(help: ArgumentHelp("none, gzip, snappy, lz4 or zstd.", valueName: "codec"))
    var compressionCodec: String?

    @Flag(help: "Wait for each message before the next one is read.")
    var sync = false

    @OptionGroup(title: "Producer settings, as in Kafka's tool") var tuning: ProducerTuning
    @OptionGroup var log: LogOptions

    func run() async throws {
        let parser = try LineParser(properties: ClientOptions.pairs(property))
        var configuration = try ProducerConfiguration(properties: properties())
        configuration.client.bootstrapPatience = .zero
        let logger = log.logger("producer", default: .warning)
        for name in configuration.unknownProperties.sorted() {
            logger.warning("Property is not known and has no effect", metadata: ["property": "\(name)"])
        }
        let producer = try KafkaProducer(configuration: configuration, logger: logger)
        let stop = StopSignal()
        let input = StandardInput()
        let result = await stop.run(onSignal: { input.stop() }) {
            try await send(from: input, to: producer, parser: parser)
        }
        await producer.close()
        try result.get()
        if stop.isRaised { throw CommandFailure(nil, status: .interrupted) }
    }

    private func properties() throws -> [String: String] {
        var defaults = tuning.properties
        if let compressionCodec { defaults["compression.type"] = compressionCodec }
        return try client.properties(defaults: defaults, files: [producerConfig], pairs: producerProperty)
    }

    private func send(from input: StandardInput, to producer: KafkaProducer, parser: LineParser) async throws {
        let isInteractive = Descriptor.standardInput.isTerminal && Descriptor.standardOutput.isTerminal
        var splitter = LineSplitter()
        var number = 0
        var isAtEnd = false
        while !isAtEnd {
            if isInteractive { _ = Descriptor.standardOutput.writeAll(">") }
            var lines: [ByteBuffer]
            if let chunk = await input.next() {
                lines = splitter.lines(adding: chunk)
            } else {
                lines = splitter.finish().map { [$0] } ?? []
                isAtEnd = true
            }
            let records = try lines.map { line in
                number += 1
                let parsed = try parser.parse(line, number: number)
                return ProducerRecord(topic: topic, key: parsed.key, value: parsed.value, headers: parsed.headers)
            }
            if sync {
                for record in records { _ = try await producer.send(record) }
            } else if !records.isEmpty {
                _ = try await producer.send(contentsOf: records)
            }
        }
    }
}

/// Flags of Kafka's tool that stand for producer properties.
struct ProducerTuning: ParsableArguments {
    @Option(help: ArgumentHelp("acks: 0, 1 or all.", valueName: "acks"))
    var requestRequiredAcks: String?

    @Option(help: ArgumentHelp("request.timeout.ms.", valueName: "ms"))
    var requestTimeoutMs: String?

    @Option(help: ArgumentHelp("linger.ms.", valueName: "ms"))
    var timeout: String?

    @Option(help: ArgumentHelp("max.block.ms.", valueName: "ms"))
    var maxBlockMs: String?

    @Option(
        name: [.customLong("batch-size"), .customLong("max-partition-memory-bytes")],
        help: ArgumentHelp("batch.size.", valueName: "bytes"))
    var batchSize: String?

    @Option(help: ArgumentHelp("buffer.memory.", valueName: "bytes"))
    var maxMemoryBytes: String?

    @Option(help: ArgumentHelp("retries.", valueName: "count"))
    var messageSendMaxRetries: String?

    @Option(help: ArgumentHelp("retry.backoff.ms.", valueName: "ms"))
    var retryBackoffMs: String?

    /// Under the producer's own names.
    var properties: [String: String] {
        [
            "acks": requestRequiredAcks, "request.timeout.ms": requestTimeoutMs, "linger.ms": timeout,
            "max.block.ms": maxBlockMs, "batch.size": batchSize, "buffer.memory": maxMemoryBytes,
            "retries": messageSendMaxRetries, "retry.backoff.ms": retryBackoffMs,
        ].compactMapValues { $0 }
    }
}
