import KafkaClient
import Logging
import NIOConcurrencyHelpers

/// The group leader's producer for the config topic (KIP-618): transactional, with one id for all workers of the group,
/// so that each new leader shuts the former one out, whatever that one still has on its way.
final class LeaderProducer: Sendable {
    private let clients: WorkerClients
    private let id: String
    private let mayLead: NIOLockedValueBox<@Sendable () -> Bool>
    private let producer = NIOLockedValueBox<KafkaProducer?>(nil)
    private let gate = SerialGate()

    /// - Parameter groupID: `group.id` of the workers.
    init(groupID: String, clients: WorkerClients) {
        self.clients = clients
        id = "connect-cluster-\(groupID)"
        mayLead = NIOLockedValueBox { true }
    }

    /// Whether this worker leads, as far as it knows: asked after each claim, for a worker that stood still may have
    /// claimed what is another's.
    func setPermission(_ mayLead: @escaping @Sendable () -> Bool) { self.mayLead.withLockedValue { $0 = mayLead } }

    /// Shuts former leaders out; does nothing if that has been done and nobody has come since.
    func claim() async throws {
        try await gate.run { if producer.withLockedValue({ $0 }) == nil { try await claimNow() } }
    }

    /// Writes all records or none.
    /// - Throws: a 409 if another leader has come.
    func append(_ entries: [LogEntry], to topic: String) async throws -> [LogPosition] {
        let records = entries.map { ProducerRecord(topic: topic, key: $0.key, value: $0.value) }
        return try await gate.run {
            do {
                return try await write(records)
            } catch let error as KafkaError where error.isFatal {
                // Another leader came and went, or the coordinator gave the id up: whoever leads now may go on.
                clients.logger.info("the lead of the config topic was lost", metadata: ["error": "\(error)"])
                await release()
                return try await write(records)
            }
        }
    }

    /// The producer, claimed if need be.
    private func write(_ records: [ProducerRecord]) async throws -> [LogPosition] {
        if producer.withLockedValue({ $0 }) == nil { try await claimNow() }
        guard let producer = producer.withLockedValue({ $0 }) else { return [] }
        return try await producer.withTransaction { try await $0.send(contentsOf: records) }
            .map { LogPosition(partition: $0.partition, offset: $0.offset) }
    }

    private func claimNow() async throws {
        let new = try clients.transactionalProducer(id)
        do {
            try await new.initTransactions(timeout: .seconds(30))
        } catch {
            await new.close(timeout: .zero)
            throw error
        }
        guard mayLead.withLockedValue({ $0 })() else {
            await new.close(timeout: .zero)
            throw HerderError.overtaken()
        }
        producer.withLockedValue { $0 = new }
    }

    private func release() async {
        let old = producer.withLockedValue { producer in
            defer { producer = nil }
            return producer
        }
        await old?.close(timeout: .zero)
    }

    func close() async { await release() }
}
