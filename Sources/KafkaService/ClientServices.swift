public import KafkaClient
public import ServiceLifecycle

/// A producer as a part of a service group: it runs until the group shuts down, then sends what is still there.
///
/// Put it before the services that send, since groups shut down in reverse order.
extension KafkaProducer: Service {
    /// Waits for the shutdown, or for the task's cancellation; then delivers what was handed over and closes the
    /// producer.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}

/// A consumer as a part of a service group: it runs until the group shuts down, then commits and leaves its consumer group.
///
/// Put it before the service that reads from it, since groups shut down in reverse order, and let that one read within
/// ``readUntilShutdown(_:)``.
extension KafkaConsumer: Service {
    /// Waits for the shutdown, or for the task's cancellation.
    ///
    /// After a graceful shutdown nothing more is handed out; what was handed out may be worked on for up to 30 s. Then
    /// its offsets are committed (with auto-commit) and the group is left, so that its partitions move at once.
    public func run() async throws {
        do {
            try await gracefulShutdown()
            await finishReading()
        } catch {
            // Cancelled: leave at once.
        }
        await close()
    }

    /// Runs `body`, in which the sequences ``KafkaConsumer/records`` and ``KafkaConsumer/batches`` end when the service
    /// that reads them is to shut down: behind what the last poll brought (`max.poll.records` at most), so that nothing
    /// is taken that is not worked on.
    ///
    /// `cancelOnGracefulShutdown()` would read one element ahead, which is then committed although nobody has seen it.
    public func readUntilShutdown<Result>(_ body: () async throws -> Result) async rethrows -> Result {
        try await withGracefulShutdownHandler(operation: body) { self.endReading() }
    }
}
