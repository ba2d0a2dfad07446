import CoreMetrics
import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore
public import ServiceLifecycle

/// How an ``OutboxRelay`` works.
public struct OutboxRelayConfiguration: Sendable {
    /// How many rows are sent at a time.
    public var batchSize = 500
    /// How often the table is looked at when nobody in this process has published.
    public var pollInterval: Duration = .milliseconds(250)
    /// How long rows stay after they were sent; `.zero` deletes them at once.
    public var retention: Duration = .seconds(86_400)
    /// How long a relay that died keeps others from taking over.
    public var leaseDuration: Duration = .seconds(5)
    /// The lease's name: relays of one table must share it.
    public var leaseName = "relay"

    /// Defaults.
    public init() {}
}

/// Sends the outbox's rows to their topics: in the order of their ids, each at least once.
///
/// Of several instances that share a database one relays at a time; the lease in `sluice_outbox_lease` says which. If
/// that one stalls longer than its lease, rows may be sent twice and out of order by the other; an ``Inbox`` takes
/// care of the first. Rows stay in the table while the brokers are away.
public final class OutboxRelay: Service {
    private let outbox: Outbox
    private let application: KafkaApplication
    private let configuration: OutboxRelayConfiguration
    private let owner = KafkaUUID.random().description
    private let stopping = NIOLockedValueBox(false)
    private let sent = Counter(label: "kafka_outbox_sent")
    private let failures = Counter(label: "kafka_outbox_failures")

    /// Makes a relay.
    public init(
        _ outbox: Outbox, application: KafkaApplication,
        configuration: OutboxRelayConfiguration = OutboxRelayConfiguration()
    ) {
        self.outbox = outbox
        self.application = application
        self.configuration = configuration
    }

    /// Relays until the service group shuts down or the task is cancelled. What was written by then and not sent is
    /// sent by the next relay.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await loop()
        } onGracefulShutdown: {
            self.shutdown()
        }
    }

    /// Ends ``run()`` where there is no service group.
    public func shutdown() {
        stopping.withLockedValue { $0 = true }
        outbox.wake.notify()
    }

    /// How many rows wait to be sent.
    public func backlog() async throws -> Int {
        let rows = try await outbox.database.withTransaction { transaction in
            try await transaction.query("SELECT COUNT(*) FROM sluice_outbox WHERE sent_at IS NULL")
        }
        return Int(clamping: rows.first?.first?.integer ?? 0)
    }

    private func loop() async throws {
        var problems = 0
        var nextPruning = ContinuousClock.now
        var leasedUntil = ContinuousClock.now
        while !stopping.withLockedValue({ $0 }) {
            try Task.checkCancellation()
            do {
                var count = 0
                // Renewed when a third of it is over: an idle relay must not write to the disk all the time.
                if ContinuousClock.now >= leasedUntil, try await takeLease() {
                    leasedUntil = .now + configuration.leaseDuration / 3
                }
                if ContinuousClock.now < leasedUntil {
                    count = try await relayBatch()
                    if ContinuousClock.now >= nextPruning {
                        try await prune()
                        nextPruning = .now + .seconds(60)
                    }
                }
                problems = 0
                if count < configuration.batchSize { await outbox.wake.wait(configuration.pollInterval) }
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                problems += 1
                failures.increment()
                application.logger.log(
                    level: problems == 1 ? .warning : .debug, "the outbox can't be relayed; trying again",
                    metadata: ["error": "\(error)"])
                await outbox.wake.wait(.milliseconds(100 * min(problems, 50)))
            }
        }
        try? await releaseLease()
    }

    /// Sends the next rows and marks them. Returns how many there were.
    func relayBatch() async throws -> Int {
        let limit = Int64(configuration.batchSize)
        let rows = try await outbox.database.withTransaction { transaction in
            try await transaction.query(
                """
                SELECT id, message_id, topic, message_key, payload, headers, created_at FROM sluice_outbox
                WHERE sent_at IS NULL ORDER BY id LIMIT \(limit)
                """)
        }
        guard !rows.isEmpty else { return 0 }
        let entries = try rows.map(Self.entry)
        _ = try await application.producer.send(contentsOf: entries.map(\.record))
        try await mark(entries.map(\.id))
        sent.increment(by: Int64(rows.count))
        return rows.count
    }

    private static func entry(_ row: [SQLValue]) throws -> (id: Int64, record: ProducerRecord) {
        guard row.count == 7, let id = row[0].integer, let messageID = row[1].text, let topic = row[2].text,
            let headers = row[5].bytes, let time = row[6].integer
        else { throw KafkaServiceError(.database, "a row of sluice_outbox has other columns than this version knows") }
        let identity = RecordHeader(key: MessageHeaders.messageID, value: ByteBuffer(string: messageID))
        return (
            id,
            ProducerRecord(
                topic: topic, key: row[3].bytes.map { ByteBuffer(bytes: $0) },
                value: row[4].bytes.map { ByteBuffer(bytes: $0) },
                headers: try HeaderBytes.decode(headers) + [identity],
                timestamp: time)
        )
    }

    /// Not by a range: between two of the ids a transaction that took longer may have put its row meanwhile.
    private func mark(_ ids: [Int64]) async throws {
        let list = ids.map(String.init).joined(separator: ",")
        let isKept = configuration.retention > .zero
        try await outbox.database.withTransaction { transaction in
            try await transaction.execute(
                isKept
                    ? "UPDATE sluice_outbox SET sent_at = \(WallClock.now()) WHERE id IN (\(list))"
                    : "DELETE FROM sluice_outbox WHERE id IN (\(list))")
        }
    }

    private func prune() async throws {
        let limit = WallClock.now() - configuration.retention.wholeMilliseconds
        try await outbox.database.withTransaction { transaction in
            try await transaction.execute(
                "DELETE FROM sluice_outbox WHERE sent_at IS NOT NULL AND sent_at < ?", [.integer(limit)])
        }
    }

    // MARK: - Lease

    /// Takes or renews the lease. Returns whether this relay has it.
    private func takeLease() async throws -> Bool {
        let (now, name, owner) = (WallClock.now(), configuration.leaseName, owner)
        let expiry = now + configuration.leaseDuration.wholeMilliseconds
        do {
            return try await outbox.database.withTransaction { transaction in
                // The update locks the row before anyone reads who has it.
                try await transaction.execute(
                    """
                    UPDATE sluice_outbox_lease SET owner = ?, expires_at = ?
                    WHERE name = ? AND (owner = ? OR expires_at < ?)
                    """, [.text(owner), .integer(expiry), .text(name), .text(owner), .integer(now)])
                let rows = try await transaction.query(
                    "SELECT owner FROM sluice_outbox_lease WHERE name = ?", [.text(name)])
                if let holder = rows.first?.first?.text { return holder == owner }
                try await transaction.execute(
                    "INSERT INTO sluice_outbox_lease (name, owner, expires_at) VALUES (?, ?, ?)",
                    [.text(name), .text(owner), .integer(expiry)])
                return true
            }
        } catch  where outbox.database.isUniqueViolation(error) {
            return false
        }
    }

    private func releaseLease() async throws {
        let (name, owner) = (configuration.leaseName, owner)
        try await outbox.database.withTransaction { transaction in
            try await transaction.execute(
                "DELETE FROM sluice_outbox_lease WHERE name = ? AND owner = ?", [.text(name), .text(owner)])
        }
    }
}
