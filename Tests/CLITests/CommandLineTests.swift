import ArgumentParser
import KafkaClient
import Testing

@testable import SluiceCLI

/// What the tutorial's reader types is understood, and what contradicts itself is refused before anything is done.
@Suite struct CommandLineTests {
    private func parse<Command>(_ line: String, as type: Command.Type) throws -> Command {
        try #require(try Sluice.parseAsRoot(line.split(separator: " ").map(String.init)) as? Command)
    }

    @Test func tutorialTopics() throws {
        let line = "topics --create --topic quickstart-events --bootstrap-server localhost:9092 --partitions 1"
        let create = try parse(line, as: TopicsCommand.self)
        #expect(create.action == .create)
        #expect(create.topic == "quickstart-events")
        #expect(create.partitions == 1)
        #expect(try create.client.adminConfiguration().bootstrapServers == ["localhost:9092"])
        #expect(try parse("topics --list", as: TopicsCommand.self).action == .list)
    }

    @Test func tutorialConsole() throws {
        let old = "console-producer --broker-list localhost:9093 --topic quickstart-events"
        let producer = try parse(old, as: ConsoleProducerCommand.self)
        #expect(try producer.client.properties()["bootstrap.servers"] == "localhost:9093")
        let misspelt = "console-consumer --bootstrap-server localhost:9092 --topic t --from-begining"
        #expect(try parse(misspelt, as: ConsoleConsumerCommand.self).fromBegining)
    }

    @Test func newNamesOfKafka4() throws {
        let consumer = "console-consumer --topic t --formatter-property print.key=true --command-property a=b"
        #expect(try parse(consumer, as: ConsoleConsumerCommand.self).property == ["print.key=true"])
        let producer = "console-producer --topic t --reader-property parse.key=true --batch-size 1000"
        #expect(try parse(producer, as: ConsoleProducerCommand.self).tuning.properties == ["batch.size": "1000"])
    }

    @Test func performanceTests() throws {
        let line =
            "producer-perf-test --topic t --num-records 10 --record-size 100 --throughput -1 "
            + "--producer-props acks=1 linger.ms=5 --bootstrap-server a:1"
        let producer = try parse(line, as: ProducerPerformanceCommand.self)
        #expect(producer.producerProps == ["acks=1", "linger.ms=5"])
        #expect(producer.throughput == -1)
        let consumer = try parse("consumer-perf-test --topic t --messages 5", as: ConsumerPerformanceCommand.self)
        #expect(consumer.messages == 5)
        #expect(1234.5678.fixed(2) == "1234.57")
        #expect(0.004.fixed(2) == "0.00")
        #expect((-0.05).fixed(1) == "-0.1")
    }

    @Test(arguments: [
        "topics", "topics --create", "topics --create --list --topic t", "topics --alter --topic t",
        "topics --create --topic t --partitions 0", "topics --create --topic t --config cleanup.policy",
        "topics --list --zookeeper localhost:2181", "topics --list --bootstrap-server a:1 --broker-list b:1",
        "console-consumer", "console-consumer --topic t --include u", "console-consumer --topic t --offset 3",
        "console-consumer --topic t --partition 0 --offset -3", "console-consumer --topic t --partition 0 --group g",
        "console-consumer --topic t --max-messages 0", "console-producer",
        "consumer-groups --describe", "consumer-groups --reset-offsets --group g --topic t",
        "consumer-groups --reset-offsets --group g --to-earliest",
        "consumer-groups --reset-offsets --group g --topic t --to-earliest --to-latest",
        "consumer-groups --reset-offsets --group g --topic t:x --to-earliest",
    ])
    func contradictions(line: String) {
        #expect(throws: (any Error).self) { try Sluice.parseAsRoot(line.split(separator: " ").map(String.init)) }
    }

    @Test(
        arguments: [
            ("--to-earliest", 5), ("--to-latest", 20), ("--to-offset 7", 7), ("--shift-by -3", 7), ("--shift-by 4", 14),
            ("--to-current", 10), ("--shift-by 9223372036854775807", 20),
        ] as [(String, Int64)])
    func resetTargets(flags: String, target: Int64) throws {
        let options = try OffsetResetOptions.parse("--topic t \(flags)".split(separator: " ").map(String.init))
        #expect(options.target(low: 5, high: 20, current: 10) == target)
    }

    /// Expected values from `date -u -d … +%s%3N`.
    @Test(
        arguments: [
            ("1970-01-01T00:00:00.000", 0), ("2026-11-22T14:30:15.250", 1_795_357_815_250),
            ("2026-11-22T14:30", 1_795_357_800_000), ("2024-02-29T23:59:59.5Z", 1_709_251_199_500),
            ("2026-11-22T14:30:00+01:00", 1_795_354_200_000), ("2026-11-22T14:30:00-0530", 1_795_377_600_000),
            ("2026-02-29T00:00:00", nil), ("2026-11-22", nil), ("2026-11-22T24:00", nil), ("2026-11-22T14:30:00x", nil),
        ] as [(String, Int64?)])
    func resetTimes(text: String, expected: Int64?) {
        #expect(ResetTime.datetime(text) == expected)
    }

    @Test(
        arguments: [
            ("P1D", 86_400_000), ("PT2H30M", 9_000_000), ("P1DT1S", 86_401_000), ("PT0S", 0), ("P", nil), ("PT", nil),
            ("1D", nil), ("P1H", nil), ("PT1M2H", nil), ("PT5", nil),
        ] as [(String, Int64?)])
    func resetDurations(text: String, expected: Int64?) {
        #expect(Duration(iso8601: text) == expected.map { .milliseconds($0) })
    }

    @Test func resetFiles() throws {
        let offsets = try OffsetResetOptions.offsets(in: "a,0,5\nb,1,7\n", of: "f")
        #expect(offsets.count == 2 && offsets.values.sorted() == [5, 7])
        for wrong in ["a,0", "a,x,1", "a,0,-1", ",0,1"] {
            #expect(throws: CommandFailure.self) { try OffsetResetOptions.offsets(in: wrong, of: "f") }
        }
    }

    @Test func resetTopics() {
        #expect(OffsetResetOptions.selection("t")?.partitions == nil)
        #expect(OffsetResetOptions.selection("t:0,2")?.partitions == [0, 2])
        #expect(OffsetResetOptions.selection("t:") == nil)
        #expect(OffsetResetOptions.selection(":1") == nil)
    }

    @Test func namePatterns() throws {
        let pattern = try TopicPattern(option: "my_.*,orders")
        #expect(pattern.matches("my_topic"))
        #expect(pattern.matches("orders"))
        #expect(!pattern.matches("orders-2"))
        #expect(throws: CommandFailure.self) { try TopicPattern(option: "a[") }
    }
}
