/// The tables of the outbox and the inbox.
enum MessagingSchema {
    static let outbox = SchemaMigration("sluice-outbox") { flavor in
        let (identity, bytes) = types(flavor)
        return [
            table(
                "sluice_outbox",
                """
                id \(identity), message_id VARCHAR(255) NOT NULL, topic VARCHAR(249) NOT NULL,
                message_key \(bytes), payload \(bytes), headers \(bytes) NOT NULL,
                created_at BIGINT NOT NULL, sent_at BIGINT
                """, index: "sluice_outbox_sent", on: "(sent_at, id)", flavor) + [
                    """
                    CREATE TABLE IF NOT EXISTS sluice_outbox_lease (
                        name VARCHAR(100) NOT NULL PRIMARY KEY, owner VARCHAR(100) NOT NULL,
                        expires_at BIGINT NOT NULL)
                    """
                ]
        ]
    }

    static let inbox = SchemaMigration("sluice-inbox") { flavor in
        [
            table(
                "sluice_inbox",
                """
                consumer VARCHAR(100) NOT NULL, message_id VARCHAR(255) NOT NULL, handled_at BIGINT NOT NULL,
                PRIMARY KEY (consumer, message_id)
                """, index: "sluice_inbox_handled", on: "(handled_at)", flavor)
        ]
    }

    private static func types(_ flavor: SQLFlavor) -> (identity: String, bytes: String) {
        switch flavor {
        // AUTOINCREMENT never gives a number twice, also after the highest row is pruned.
        case .sqlite: ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB")
        case .mariaDB: ("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "LONGBLOB")
        case .postgreSQL: ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA")
        }
    }

    /// A table with one index. MySQL knows no `CREATE INDEX IF NOT EXISTS`, the others no index within the table.
    /// Ids are compared byte by byte: MariaDB's usual collations hold `a` and `A` for the same.
    private static func table(
        _ name: String, _ columns: String, index: String, on indexed: String, _ flavor: SQLFlavor
    ) -> [String] {
        let head = "CREATE TABLE IF NOT EXISTS \(name) (\(columns)"
        guard flavor == .mariaDB else {
            return [head + ")", "CREATE INDEX IF NOT EXISTS \(index) ON \(name) \(indexed)"]
        }
        return [head + ", INDEX \(index) \(indexed)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]
    }
}
