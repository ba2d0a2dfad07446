import ArgumentParser
import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

/// `sluice consumer-perf-test`
struct ConsumerPerformanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumer-perf-test",
        abstract: "Read records as fast as they come, and tell how fast that is.",
        discussion: """
            Example:
              sluice consumer-perf-test --topic perf --messages 1000000
            """
    )

    @Option(help: ArgumentHelp("Topic to read.", valueName: "name"))
    var topic: String

    @Option(
        name: [.customLong("messages"), .customLong("num-records")],
        help: ArgumentHelp("How many records to read.", valueName: "count"))
    var messages: Int

    @Option(help: ArgumentHelp("Group to read as; by default one that nobody else has.", valueName: "name"))
    var group: String?

    @Option(help: ArgumentHelp("max.partition.fetch.bytes (default: 1048576).", valueName: "bytes"))
    var fetchSize: Int?

    @Option(help: ArgumentHelp("Give up when nothing has come for so long (default: 10000).", valueName: "ms"))
    var timeout = 10_000

    @Flag(help: "Begin at the end of the topic, when the group has no position.")
    var fromLatest = false

    @Flag(help: "Leave out the line with the names of the columns.")
    var hideHeader = false

    @Option(name: .customLong("command-property"), help: ArgumentHelp("A consumer property.", valueName: "name=value"))
    var commandProperty: [String] = []

    @Option(name: .customLong("consumer.config"), help: .hidden)
    var consumerConfig: String?

    @OptionGroup var client: ClientOptions
    @OptionGroup var log: LogOptions

    func validate() throws {
        guard messages > 0 else { throw ValidationError("--messages must be at least 1") }
        guard timeout > 0 else { throw ValidationError("--timeout must be at least 1") }
    }

    func run() async throws {
        var defaults = [
            "auto.offset.reset": fromLatest ? "latest" : "earliest", "max.poll.records": "100000",
            "group.id": group ?? "perf-consumer-\(UInt32.random(in: 0...UInt32.max))",
        ]
        if let fetchSize { defaults["max.partition.fetch.bytes"] = "\(fetchSize)" }
        var configuration = try ConsumerConfiguration(
            properties: client.properties(defaults: defaults, files: [consumerConfig], pairs: commandProperty))
        configuration.client.bootstrapPatience = .zero
        let consumer = try KafkaConsumer(
            configuration: configuration, logger: log.logger("consumer", default: .warning))
        let stop = StopSignal()
        let result = await stop.run { try await self.read(consumer) }
        await consumer.close()
        try result.get()
        if stop.isRaised { throw CommandFailure(nil, status: .interrupted) }
    }

    private func read(_ consumer: KafkaConsumer) async throws {
        let start = ContinuousClock.now
        let joined = NIOLockedValueBox<ContinuousClock.Instant?>(nil)
        try await consumer.subscribe([topic]) { event in
            if case .assigned = event { joined.withLockedValue { $0 = $0 ?? .now } }
        }
        var count = 0
        var bytes = 0
        var lastNews = ContinuousClock.now
        while count < messages {
            let batches = try await consumer.pollBatches(timeout: .milliseconds(100))
            for batch in batches {
                try batch.forEach { record in
                    count += 1
                    bytes += (record.key?.count ?? 0) + (record.value?.count ?? 0)
                }
            }
            let now = ContinuousClock.now
            if !batches.isEmpty {
                lastNews = now
            } else if lastNews.duration(to: now) >= .milliseconds(timeout) {
                Terminal.complain("only \(count) of \(messages) records came: the others did not within --timeout")
                break
            }
        }
        let end = ContinuousClock.now
        report(count: count, bytes: bytes, start: start, joined: joined.withLockedValue { $0 } ?? start, end: end)
    }

    private func report(
        count: Int, bytes: Int, start: ContinuousClock.Instant, joined: ContinuousClock.Instant,
        end: ContinuousClock.Instant
    ) {
        if !hideHeader {
            Terminal.print(
                "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
                    + "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec")
        }
        let seconds = max(start.duration(to: end) / .milliseconds(1), 1) / 1000
        let fetching = max(joined.duration(to: end) / .milliseconds(1), 1) / 1000
        let megabytes = Double(bytes) / 1_048_576
        let now = WallClock.now()
        let fields = [
            LocalTime.text(now - Int64(seconds * 1000)), LocalTime.text(now), megabytes.fixed(4),
            (megabytes / seconds).fixed(4), "\(count)", (Double(count) / seconds).fixed(4),
            "\(Int(start.duration(to: joined) / .milliseconds(1)))", "\(Int(fetching * 1000))",
            (megabytes / fetching).fixed(4), (Double(count) / fetching).fixed(4),
        ]
        Terminal.print(fields.joined(separator: ", "))
    }
}
