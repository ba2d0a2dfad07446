import ArgumentParser
import KafkaClient

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

    @Flag(help: "Only show where the group would be; the default.")
    var dryRun = false

    @Flag(help: "Do it.")
    var execute = false

    /// Checks what only `--reset-offsets` needs.
    func validateForReset() throws {
        if topic.isEmpty, !allTopics { throw ValidationError("--reset-offsets needs --topic or --all-topics") }
        let targets = [toEarliest, toLatest, toCurrent, toOffset != nil, shiftBy != nil].filter { $0 }.count
        guard targets == 1 else {
            throw ValidationError(
                "--reset-offsets needs one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by")
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
        let partitions = try await partitions(committed: committed, admin)
        func ends(_ spec: OffsetSpec) async throws -> [TopicPartition: Int64] {
            let specs = Dictionary(partitions.map { ($0, spec) }) { first, _ in first }
            return try await admin.listOffsets(specs).mapValues { try $0.get().offset }
        }
        let first = try await ends(.earliest), last = try await ends(.latest)
        var result: [(TopicPartition, Int64)] = []
        for partition in partitions.sorted() {
            guard let low = first[partition], let high = last[partition] else { continue }
            let wanted = target(low: low, high: high, current: committed[partition])
            result.append((partition, min(max(wanted, low), high)))
        }
        if execute, !result.isEmpty {
            let offsets = Dictionary(result.map { ($0.0, OffsetAndMetadata(offset: $0.1)) }) { first, _ in first }
            try await admin.alterConsumerGroupOffsets(group, offsets: offsets)
        }
        return result
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
