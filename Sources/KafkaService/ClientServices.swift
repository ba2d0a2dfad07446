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

/// A consumer as a part of a service group: when the group shuts down, the sequences ``KafkaConsumer/records`` and
/// ``KafkaConsumer/batches`` come to their end, and the consumer leaves its group.
///
/// Put it behind the service that reads from it: groups shut down in reverse order, and the reader ends because the
/// sequence does, which is success (`successTerminationBehavior: .ignore`).
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
}
