import ConnectAPI

/// Records with a header of a name (Kafka's `HasHeaderKey`).
final class HasHeaderKey: Predicate {
    static let className = Transformations.package + "predicates.HasHeaderKey"
    static let configDefinition = ConfigDefinition([
        Transformations.option("name", .string, .required, .medium, "The header's name.", .nonEmptyString)
    ])

    private var name = ""

    func configure(_ config: [String: String]) throws(ConnectError) {
        name = try Self.configDefinition.parse(config).string("name")
    }

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool {
        record.headers.contains { $0.key == name }
    }
}

/// Records whose value is null (Kafka's `RecordIsTombstone`).
final class RecordIsTombstone: Predicate {
    static let className = Transformations.package + "predicates.RecordIsTombstone"
    static let configDefinition = ConfigDefinition()

    func configure(_ config: [String: String]) throws(ConnectError) {}

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool { record.value.value.isNull }
}

/// Records of topics whose whole name matches a regular expression (Kafka's `TopicNameMatches`). See ``JavaRegex`` for
/// where expressions differ from Java's.
final class TopicNameMatches: Predicate {
    static let className = Transformations.package + "predicates.TopicNameMatches"
    static let configDefinition = ConfigDefinition([
        Transformations.option(
            "pattern", .string, .required, .medium, "The expression that must match the whole topic.",
            .regularExpression)
    ])

    private var regex: JavaRegex?
    private var last: (topic: String, matches: Bool)?

    func configure(_ config: [String: String]) throws(ConnectError) {
        regex = try JavaRegex(try Self.configDefinition.parse(config).string("pattern"))
    }

    func test(_ record: ConnectRecord) throws(ConnectError) -> Bool {
        if let last, last.topic == record.topic { return last.matches }
        let matches = regex?.matches(record.topic) ?? false
        last = (record.topic, matches)
        return matches
    }
}
