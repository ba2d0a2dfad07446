import ConnectAPI

/// What the options of source and sink have in common.
enum SQLOptions {
    static let credentialsProvider = "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider"
    static let dialectNames = [
        "", "Db2DatabaseDialect", "MySqlDatabaseDialect", "SybaseDatabaseDialect", "GenericDatabaseDialect",
        "OracleDatabaseDialect", "SqlServerDatabaseDialect", "PostgreSqlDatabaseDialect", "SqliteDatabaseDialect",
        "DerbyDatabaseDialect", "SapHanaDatabaseDialect", "VerticaDatabaseDialect",
    ]
    static let modes = ["", "bulk", "timestamp", "incrementing", "timestamp+incrementing"]
    static let insertModes = ["insert", "upsert", "update"]
    static let keyModes = ["none", "kafka", "record_key", "record_value"]
    static let numericMappings = ["none", "precision_only", "best_fit", "best_fit_eager_double"]
    static let quotings = ["always", "never"]
    static let recordKeys = ["none", "primary_key"]
    static let guarantees = ["at_least_once", "exactly_once"]
    static let ddlModes = ["execute", "fail", "skip"]
    static let calendars = ["legacy", "proleptic_gregorian"]
    static let dateZones = ["db_timezone", "utc"]
    static let precisions = ["microseconds", "nanoseconds"]
    static let isolations = [
        "default", "read_uncommitted", "read_committed", "repeatable_read", "serializable", "sql_server_snapshot",
    ]
    static let granularities = [
        "connect_logical", "micros_long", "micros_string", "micros_iso_datetime_string", "nanos_long", "nanos_string",
        "nanos_iso_datetime_string",
    ]

    /// A number of at least `minimum`. What is no number at all has been reported already.
    static func atLeast(_ minimum: Int64) -> ConfigValidator {
        ConfigValidator { value in
            guard case .integer(let number) = value, number < minimum else { return nil }
            return "Value must be at least \(minimum)"
        }
    }

    /// A prefix that makes a legal topic name.
    static let topicPrefix = ConfigValidator { value in
        guard case .string(let text) = value else { return nil }
        if text.utf8.count > 249 { return "A topic's name has at most 249 characters" }
        let isLegal = text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0)
        }
        return isLegal ? nil : "A topic's name may hold only letters, digits, '.', '_' and '-'"
    }

    /// The option whose value this version does not carry out. It is refused, never ignored.
    static func notBuilt(_ config: ParsedConfig) -> (name: String, message: String)? {
        let name = "jdbc.credentials.provider.class"
        guard let value = config.values[name]?.text, value != credentialsProvider else { return nil }
        return (name, "\(name)=\(value) is not supported by this version")
    }
}

extension ConfigValidator {
    /// One of an enumeration, in upper or lower case.
    static func oneOfEnumerator(_ choices: [String], allowsNull: Bool = false) -> ConfigValidator {
        ConfigValidator { value in
            switch value {
            case .string(let text): choices.contains(text.lowercased()) ? nil : "Invalid enumerator"
            case .null: allowsNull ? nil : "Invalid enumerator"
            default: "Invalid enumerator"
            }
        }
    }
}

extension ConfigRecommender {
    /// An option that no form shows.
    static let hidden = ConfigRecommender(
        values: { (_: String, _: ParsedConfig) throws(ConnectError) -> [String] in [] },
        isVisible: { (_: String, _: ParsedConfig) throws(ConnectError) -> Bool in false })

    /// Options that only some modes look at.
    static let byMode = ConfigRecommender(
        values: { (_: String, config: ParsedConfig) throws(ConnectError) -> [String] in
            let mode = config.string("mode")
            if mode.isEmpty { throw .config("Query mode must be specified") }
            if !SQLOptions.modes.contains(mode) { throw .config("Invalid mode: \(mode)") }
            return []
        },
        isVisible: { (name: String, config: ParsedConfig) throws(ConnectError) -> Bool in
            let incrementing = ["incrementing.column.name", "incrementing.column.mapping"]
            let timestamp = ["timestamp.column.name", "timestamp.columns.mapping"]
            switch config.string("mode") {
            case "bulk": return false
            case "incrementing": return (incrementing + ["validate.non.null"]).contains(name)
            case "timestamp": return (timestamp + ["validate.non.null"]).contains(name)
            case "timestamp+incrementing": return (incrementing + timestamp + ["validate.non.null"]).contains(name)
            default: return true
            }
        })

    /// Deletes need the record's key.
    static let deletes = ConfigRecommender(
        values: { (_: String, config: ParsedConfig) throws(ConnectError) -> [String] in
            config.string("pk.mode").lowercased() == "record_key" ? ["true", "false"] : ["false"]
        },
        isVisible: { (_: String, config: ParsedConfig) throws(ConnectError) -> Bool in
            config.string("pk.mode").lowercased() == "record_key"
        })

    /// Where a key may come from.
    static let keyModes = ConfigRecommender(
        values: { (_: String, config: ParsedConfig) throws(ConnectError) -> [String] in
            config.bool("delete.enabled") ? ["record_key"] : SQLOptions.keyModes
        })
}
