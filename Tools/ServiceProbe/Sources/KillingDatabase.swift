import KafkaService

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Where this process ends itself with SIGKILL: `role:step:number`, such as `relay:begin:3`.
struct KillPoint: Sendable {
    enum Step: String, Sendable {
        /// Before the transaction: for the relay's marks this is after sending, before marking.
        case begin
        /// When all statements are done, before the commit.
        case body
        /// After the commit.
        case commit
    }

    var role: String
    var step: Step
    var number: Int

    init?(_ text: String) {
        let parts = text.split(separator: ":").map(String.init)
        guard parts.count == 3, let step = Step(rawValue: parts[1]), let number = Int(parts[2]) else { return nil }
        (role, self.step, self.number) = (parts[0], step, number)
    }
}

/// A database for one role of the service, which may be its last transaction.
actor TransactionCounter {
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}

/// Kills this process at a step of one of its transactions.
struct KillingDatabase: ServiceDatabase {
    let base: any ServiceDatabase
    let role: String
    let point: KillPoint?
    private let counter = TransactionCounter()

    init(_ base: any ServiceDatabase, role: String, point: KillPoint?) {
        self.base = base
        self.role = role
        self.point = point
    }

    var flavor: SQLFlavor { base.flavor }

    func isUniqueViolation(_ error: any Error) -> Bool { base.isUniqueViolation(error) }

    func withTransaction<Result: Sendable>(
        _ body: (any SQLTransaction) async throws -> Result
    ) async throws -> Result {
        let number = await counter.next()
        reached(.begin, number)
        let result = try await base.withTransaction { transaction in
            let result = try await body(transaction)
            reached(.body, number)
            return result
        }
        reached(.commit, number)
        return result
    }

    private func reached(_ step: KillPoint.Step, _ number: Int) {
        guard let point, point.role == role, point.step == step, point.number == number else { return }
        kill(getpid(), SIGKILL)
    }
}
