import Logging

/// Brings a database's tables up to date, step by step, once each.
///
/// Which steps are done is written to the table `sluice_schema`. Steps are never changed once released; a change is a
/// further step. Instances that start together do no harm: statements must bear repetition (`IF NOT EXISTS`), because
/// MariaDB commits each DDL statement by itself.
public struct SchemaMigration: Sendable {
    /// The component's name, such as `orders`.
    public var name: String
    /// The statements of each step, for the database at hand.
    public var steps: @Sendable (SQLFlavor) -> [[String]]

    /// Describes a component's tables.
    public init(_ name: String, steps: @escaping @Sendable (SQLFlavor) -> [[String]]) {
        self.name = name
        self.steps = steps
    }

    /// Runs the steps that are missing. Returns how many there were.
    @discardableResult
    public func run(on database: any ServiceDatabase) async throws -> Int {
        try await database.withTransaction { transaction in
            try await transaction.execute(
                """
                CREATE TABLE IF NOT EXISTS sluice_schema (
                    name VARCHAR(100) NOT NULL, step INTEGER NOT NULL, PRIMARY KEY (name, step))
                """)
        }
        let steps = steps(database.flavor)
        var count = 0
        for (index, statements) in steps.enumerated() {
            let number = Int64(index + 1)
            do {
                let isDone = try await database.withTransaction { transaction in
                    let rows = try await transaction.query(
                        "SELECT step FROM sluice_schema WHERE name = ? AND step = ?",
                        [.text(name), .integer(number)])
                    guard rows.isEmpty else { return true }
                    for statement in statements { try await transaction.execute(statement) }
                    try await transaction.execute(
                        "INSERT INTO sluice_schema (name, step) VALUES (?, ?)", [.text(name), .integer(number)])
                    return false
                }
                if isDone { continue }
            } catch  where database.isUniqueViolation(error) {
                // Another instance did the same.
                continue
            }
            count += 1
        }
        return count
    }
}
