import ArgumentParser
import KafkaClient
import KafkaProtocol

/// Where `consumer-groups --reset-offsets` moves a group.
struct OffsetResetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The topic, or topic:0,1 for some partitions; may be repeated.", valueName: "topic"))
    var topic: [String] = []

    @Flag(help: "All topics that the group has a position in.")
    var allTopics = false

    @Flag(help: "To the first message there is.")
    var toEarliest = false

    @Flag(help: "Behind the last message.")
    var toLatest = false

    @Flag(help: "To where the group is; commits a position in range again.")
    var toCurrent = false

    @Option(help: ArgumentHelp("To this offset.", valueName: "offset"))
    var toOffset: Int64?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Forward by so many messages, or back if negative.", valueName: "count"))
    var shiftBy: Int64?

    @Option(
        help: ArgumentHelp(
            "To the first message at or after this time, such as 2026-11-22T14:30:00.000 (UTC unless a zone follows).",
            valueName: "time"))
    var toDatetime: String?

    @Option(
        help: ArgumentHelp(
            "To the first message of the last so many days, hours, …: P1DT2H3M4S.", valueName: "duration"))
    var byDuration: String?

    @Option(help: ArgumentHelp("To what a file says in lines topic,partition,offset.", valueName: "path"))
    var fromFile: String?

    @Flag(help: "Print lines topic,partition,offset, as --from-file reads them.")
    var export = false

    @Flag(help: "Only show where the group would be; the default.")
    var dryRun = false

    @Flag(help: "Do it.")
    var execute = false

    /// Checks what only `--reset-offsets` needs.
    func validateForReset() throws {
        if topic.isEmpty, !allTopics, fromFile == nil {
            throw ValidationError("--reset-offsets needs --topic, --all-topics or --from-file")
        }
        let targets = [
            toEarliest, toLatest, toCurrent, toOffset != nil, shiftBy != nil, toDatetime != nil, byDuration != nil,
            fromFile != nil,
        ].filter { $0 }.count
        guard targets == 1 else {
            throw ValidationError(
                "--reset-offsets needs one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, "
                    + "--to-datetime, --by-duration, --from-file")
        }
        if let toDatetime, ResetTime.datetime(toDatetime) == nil {
            throw ValidationError("--to-datetime \(toDatetime): write a time such as 2026-11-22T14:30:00.000")
        }
        if let byDuration, Duration(iso8601: byDuration) == nil {
            throw ValidationError("--by-duration \(byDuration): write a duration such as P1DT2H30M")
        }
        if dryRun, execute { throw ValidationError("--dry-run and --execute contradict each other") }
        for text in topic where Self.selection(text) == nil {
            throw ValidationError("--topic \(text): write a topic, or topic:0,1")
        }
    }

    /// Reads `topic` or `topic:0,1`.
    static func selection(_ text: String) -> (topic: String, partitions: [Int32]?)? {
        guard let colon = text.firstIndex(of: ":") else { return text.isEmpty ? nil : (text, nil) }
        let parts = text[text.index(after: colon)...].split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int32($0) }.filter { $0 >= 0 }
        guard colon > text.startIndex, numbers.count == parts.count else { return nil }
        return (String(text[..<colon]), numbers)
    }

    /// Computes the new positions of a group, and with `--execute` commits them.
    func perform(on group: String, _ admin: KafkaAdminClient) async throws -> [(TopicPartition, Int64)] {
        let description = try await admin.describeConsumerGroups([group])[group]
        if case .success(let group)? = description, !group.members.isEmpty {
            throw CommandFailure(
                "group '\(group.groupID)' has \(group.members.count) active member(s): stop them before moving offsets")
        }
        let committed = try await admin.listConsumerGroupOffsets(group).mapValues(\.offset)
        let given = try fromFile.map { try Self.offsets(in: try TextFile.contents(path: $0), of: $0) }
        var partitions = Set((given ?? [:]).keys)
        if given == nil { partitions = try await self.partitions(committed: committed, admin) }
        let chosen = partitions
        func ends(_ spec: OffsetSpec) async throws -> [TopicPartition: Int64] {
            let specs = Dictionary(chosen.map { ($0, spec) }) { first, _ in first }
            return try await admin.listOffsets(specs).mapValues { try $0.get().offset }
        }
        let first = try await ends(.earliest), last = try await ends(.latest)
        let time =
            toDatetime.flatMap(ResetTime.datetime)
            ?? byDuration.flatMap { Duration(iso8601: $0) }.map { WallClock.now() - Int64($0 / .milliseconds(1)) }
        var timed: [TopicPartition: Int64] = [:]
        if let time { timed = try await ends(.timestamp(time)) }
        var result: [(TopicPartition, Int64)] = []
        for partition in partitions.sorted() {
            guard let low = first[partition], let high = last[partition] else { continue }
            let found = timed[partition].map { $0 < 0 ? high : $0 }
            let wanted = given?[partition] ?? found ?? target(low: low, high: high, current: committed[partition])
            result.append((partition, min(max(wanted, low), high)))
        }
        if execute, !result.isEmpty {
            let offsets = Dictionary(result.map { ($0.0, OffsetAndMetadata(offset: $0.1)) }) { first, _ in first }
            try await admin.alterConsumerGroupOffsets(group, offsets: offsets)
        }
        return result
    }

    /// Reads lines topic,partition,offset.
    static func offsets(in text: String, of path: String) throws(CommandFailure) -> [TopicPartition: Int64] {
        var offsets: [TopicPartition: Int64] = [:]
        for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[0].isEmpty, let partition = Int32(fields[1]), partition >= 0,
                let offset = Int64(fields[2]), offset >= 0
            else { throw CommandFailure("\(path), line \(index + 1): expected topic,partition,offset") }
            offsets[TopicPartition(topic: String(fields[0]), partition: partition)] = offset
        }
        return offsets
    }

    /// Where to go in one partition, before it is brought into the partition's range.
    func target(low: Int64, high: Int64, current: Int64?) -> Int64 {
        if toEarliest { return low }
        if toLatest { return high }
        if let toOffset { return toOffset }
        let current = current ?? high
        let (shifted, isOverflow) = current.addingReportingOverflow(shiftBy ?? 0)
        return isOverflow ? ((shiftBy ?? 0) < 0 ? low : high) : shifted
    }

    private func partitions(
        committed: [TopicPartition: Int64], _ admin: KafkaAdminClient
    ) async throws -> Set<TopicPartition> {
        if allTopics { return Set(committed.keys) }
        let wanted = topic.compactMap(Self.selection)
        let descriptions = try await admin.describeTopics(wanted.map(\.topic))
        var result: Set<TopicPartition> = []
        for (name, numbers) in wanted {
            guard let description = try descriptions[name]?.get() else { continue }
            for number in numbers ?? description.partitions.map(\.id) {
                guard description.partitions.contains(where: { $0.id == number }) else {
                    throw CommandFailure("topic '\(name)' has no partition \(number)")
                }
                result.insert(TopicPartition(topic: name, partition: number))
            }
        }
        return result
    }
}
