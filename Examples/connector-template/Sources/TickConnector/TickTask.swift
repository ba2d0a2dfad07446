import ConnectAPI
import OrderedCollections

/// Has a thread of its own, and is called by one function: no locks are needed.
final class TickTask: SourceTask {
    private let clock: OffsetMap = ["clock": .string("main")]
    private var topic = ""
    private var interval = Duration.seconds(1)
    private var next: Int64 = 0

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        let options = try TickSource.configDefinition.parse(config)
        topic = options.string("topic")
        interval = .milliseconds(options.int("interval.ms"))
        let stored = try await context.offsets(for: [clock])[clock]
        next = stored?["tick"]?.integer.map { $0 + 1 } ?? 0
    }

    func poll() async throws -> [SourceBatch] {
        // Cancelled when the task is paused or stopped.
        try await Task.sleep(for: interval)
        defer { next += 1 }
        let record = SourceRecord(topic: topic, valueSchema: .int64, value: .int64(next))
        return [SourceBatch(records: [record], sourcePartition: clock, sourceOffset: ["tick": .int64(next)])]
    }

    func stop() async {}
}
