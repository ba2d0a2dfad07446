public import ConnectAPI
import Logging
import OrderedCollections

/// What every connector must hold, whatever it connects to; for the tests of a connector's author. Each function
/// answers with what is wrong, in words; an empty list is what is wanted.
///
/// ```swift
/// let problems = try await ConnectorConformance.problems(
///     of: MySource.self, config: ["topic": "t", "file": path], expecting: 3)
/// #expect(problems == [])
/// ```
public enum ConnectorConformance {
    /// Checks a source that finds at least `count` records with this configuration: its definition, its plan of tasks,
    /// the records and offsets of its first task, and that a task which starts at a stored offset repeats nothing and
    /// leaves nothing out.
    ///
    /// - Parameter timeout: how long the records may take to come.
    public static func problems(
        of type: any SourceConnector.Type, config: [String: String], expecting count: Int,
        timeout: Duration = .seconds(10)
    ) async throws -> [String] {
        var problems = definitionProblems(type)
        let connector = type.init()
        problems += await validationProblems(connector, config)
        try await connector.start(config, context: Context())
        defer { Task { await connector.stop() } }
        let plan = try await planProblems(connector)
        problems += plan.problems
        guard let taskConfig = plan.configs.first else { return problems + ["taskConfigs(maxTasks: 1) is empty"] }
        let all = try await batches(connector, taskConfig, from: [:], count, timeout)
        problems += all.flatMap(offsetProblems)
        let values = all.flatMap(\.records)
        guard values.count >= count else {
            return problems + ["\(values.count) records came within \(timeout), \(count) were expected"]
        }
        // Another task that goes on after the first batch that has an offset.
        guard let first = all.firstIndex(where: { $0.sourceOffset != nil && !$0.records.isEmpty }),
            let partition = all[first].sourcePartition, let offset = all[first].sourceOffset
        else { return problems }
        let done = all[...first].reduce(0) { $0 + $1.records.count }
        let rest = try await batches(
            connector, taskConfig, from: [partition: offset], values.count - done, timeout)
        let expected = values.dropFirst(done).map(\.value)
        if rest.flatMap(\.records).map(\.value).prefix(expected.count) != expected[...] {
            problems.append("a task that starts at the offset \(offset) does not go on with the record after it")
        }
        return problems
    }

    /// Checks a sink with records of one partition that it must be able to write.
    public static func problems(
        of type: any SinkConnector.Type, config: [String: String], records: [SinkRecord]
    ) async throws -> [String] {
        var problems = definitionProblems(type)
        let connector = type.init()
        problems += await validationProblems(connector, config)
        try await connector.start(config, context: Context())
        defer { Task { await connector.stop() } }
        let plan = try await planProblems(connector)
        problems += plan.problems
        guard let taskConfig = plan.configs.first, let first = records.first, let last = records.last else {
            return problems + ["there is no task, or there are no records"]
        }
        let partition = TopicPartitionName(topic: first.topic, partition: first.partition)
        let task = connector.makeTask()
        try await task.start(taskConfig, context: Context())
        try await task.open([partition])
        try await task.put([])
        try await task.put(records)
        let safe = try await task.preCommit([partition: last.offset + 1])
        for (name, offset) in safe where name != partition || offset > last.offset + 1 {
            problems.append("preCommit allows \(name) up to \(offset), which was not handed over")
        }
        await task.close([partition])
        await task.stop()
        return problems
    }

    // MARK: Parts

    private static func definitionProblems(_ type: any Connector.Type) -> [String] {
        var problems: [String] = []
        if type.className.isEmpty || type.taskClassName.isEmpty { problems.append("a class name is empty") }
        if type.version.isEmpty { problems.append("the version is empty") }
        for key in type.configDefinition.keys.values {
            if key.doc.isEmpty { problems.append("option \(key.name) has no documentation") }
            if case .value(let text) = key.defaultValue {
                let errors = type.configDefinition.validate([key.name: text]).first { $0.name == key.name }?.errors
                if errors?.isEmpty == false { problems.append("the default of \(key.name), \(text), is not valid") }
            }
        }
        return problems
    }

    private static func validationProblems(_ connector: any Connector, _ config: [String: String]) async -> [String] {
        let names = Array(type(of: connector).configDefinition.keys.keys)
        var problems: [String] = []
        // Nothing at all must be answered too.
        for config in [[:], config] where await connector.validate(config).map(\.name) != names {
            problems.append("validate does not answer with one value for each option")
        }
        for value in await connector.validate(config) where !value.errors.isEmpty {
            problems.append("\(value.name) is said to be wrong: \(value.errors.joined(separator: "; "))")
        }
        return problems
    }

    private static func planProblems(
        _ connector: any Connector
    ) async throws -> (problems: [String], configs: [[String: String]]) {
        var problems: [String] = []
        for maximum in [1, 3] {
            let configs = try await connector.taskConfigs(maxTasks: maximum)
            if configs.count > maximum {
                problems.append("taskConfigs(maxTasks: \(maximum)) makes \(configs.count) tasks")
            }
            // Else the runtime would replace the tasks at every start.
            if try await connector.taskConfigs(maxTasks: maximum) != configs {
                problems.append("taskConfigs(maxTasks: \(maximum)) is another one each time")
            }
        }
        let configs = try await connector.taskConfigs(maxTasks: 1)
        return (problems, configs.map { Dictionary(uniqueKeysWithValues: $0.map { ($0.key, $0.value) }) })
    }

    private static func batches(
        _ connector: any SourceConnector, _ config: [String: String], from stored: [OffsetMap: OffsetMap],
        _ count: Int, _ timeout: Duration
    ) async throws -> [SourceBatch] {
        let task = connector.makeTask()
        var result: [SourceBatch] = []
        let deadline = ContinuousClock.now + timeout
        do {
            try await task.start(config, context: Context(stored: stored))
            while result.reduce(0, { $0 + $1.records.count }) < count, ContinuousClock.now < deadline {
                result += try await task.poll()
            }
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
        return result
    }

    private static func offsetProblems(_ batch: SourceBatch) -> [String] {
        let values = [batch.sourcePartition, batch.sourceOffset].compactMap { $0 }.flatMap { $0 }
        return values.compactMap { name, value in
            switch value {
            case .bytes, .array, .map, .structure:
                "\(name) in a partition or offset is neither text, number nor boolean"
            default: nil
            }
        }
    }

    /// The runtime, as far as a connector sees it.
    private struct Context: ConnectorContext, SourceTaskContext, SinkTaskContext {
        var stored: [OffsetMap: OffsetMap] = [:]
        let connectorName = "conformance"
        let taskID = 0
        let logger = Logger(label: "conformance") { _ in SwiftLogNoOpLogHandler() }
        var offsetReader: (any OffsetReader)? { self }
        var errantRecordReporter: (any ErrantRecordReporter)? { nil }

        func requestTaskReconfiguration() {}
        func raiseError(_ error: ConnectError) {}
        func requestRetry(after delay: Duration) {}
        func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] {
            stored.filter { partitions.contains($0.key) }
        }
    }
}
