import KafkaProtocol
public import Logging
public import ServiceLifecycle

/// Remembers which messages were handled, in the same transaction as their effects: each takes effect exactly once,
/// however often it is delivered.
public struct Inbox: Sendable {
    /// The database with the table `sluice_inbox`, which is also that of the effects.
    public let database: any ServiceDatabase
    /// Who handles: the same message may be handled once by each of several consumers. Usually the group.
    public let consumer: String
    /// How long handled messages are remembered. Longer than a topic keeps its messages is safe in any case.
    public let retention: Duration

    /// Makes an inbox. Call ``migrate()`` at the start.
    public init(database: any ServiceDatabase, consumer: String, retention: Duration = .seconds(14 * 86_400)) {
        self.database = database
        self.consumer = consumer
        self.retention = retention
    }

    /// Makes the table or brings it up to date.
    public func migrate() async throws {
        try await MessagingSchema.inbox.run(on: database)
    }

    /// Runs a message's effects, unless it was handled before.
    ///
    /// - Returns: Whether `body` ran and its effects are now permanent.
    @discardableResult
    public func once<Value: Sendable>(
        _ message: Message<Value>, _ body: (any SQLTransaction) async throws -> Void
    ) async throws -> Bool {
        try await once(id: message.id, body)
    }

    /// Runs the effects of the message with this id, unless it was handled before.
    @discardableResult
    public func once(id: String, _ body: (any SQLTransaction) async throws -> Void) async throws -> Bool {
        var isOurs = false
        do {
            return try await database.withTransaction { transaction in
                let known = try await transaction.query(
                    "SELECT 1 FROM sluice_inbox WHERE consumer = ? AND message_id = ?", [.text(consumer), .text(id)])
                guard known.isEmpty else { return false }
                // First, so that a second delivery that is handled at the same time waits for this one's end.
                try await transaction.execute(
                    "INSERT INTO sluice_inbox (consumer, message_id, handled_at) VALUES (?, ?, ?)",
                    [.text(consumer), .text(id), .integer(WallClock.now())])
                isOurs = true
                try await body(transaction)
                return true
            }
        } catch  where !isOurs && database.isUniqueViolation(error) {
            return false
        }
    }

    /// Forgets messages that were handled longer ago than the retention.
    public func prune() async throws {
        let limit = WallClock.now() - retention.wholeMilliseconds
        try await database.withTransaction { transaction in
            try await transaction.execute(
                "DELETE FROM sluice_inbox WHERE consumer = ? AND handled_at < ?", [.text(consumer), .integer(limit)])
        }
    }
}

/// Forgets old messages of an ``Inbox`` now and then, as part of a service group.
public struct InboxPruner: Service {
    private let inbox: Inbox
    private let interval: Duration
    private let logger: Logger

    /// Makes a pruner.
    public init(_ inbox: Inbox, every interval: Duration = .seconds(3_600), logger: Logger) {
        self.inbox = inbox
        self.interval = interval
        self.logger = logger
    }

    /// Prunes until the service group shuts down.
    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await inbox.prune()
                } catch {
                    logger.warning("the inbox could not be pruned", metadata: ["error": "\(error)"])
                }
                try await Task.sleep(for: interval)
            }
        }
    }
}
