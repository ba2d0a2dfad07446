import ConnectAPI

/// Puts the record's timestamp into the name of its topic (Kafka's `TimestampRouter`). Patterns: see ``DateFormat``.
final class TimestampRouter: Transformation {
    static let className = Transformations.package + "TimestampRouter"
    static let configDefinition = ConfigDefinition([
        Transformations.option(
            "topic.format", .string, .value("${topic}-${timestamp}"), .high,
            "The new topic, with ${topic} and ${timestamp} for the old one and the timestamp."),
        Transformations.option(
            "timestamp.format", .string, .value("yyyyMMdd"), .high, "A pattern of Java's SimpleDateFormat, in UTC."),
    ])

    private var topicFormat = ""
    private var timestampFormat: DateFormat?

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        topicFormat = parsed.string("topic.format")
        timestampFormat = try DateFormat(parsed.string("timestamp.format"))
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        guard let timestamp = record.timestamp else { throw .data("Timestamp missing on record") }
        guard let timestampFormat else { return true }
        record.topic = topicFormat.replacingAll("${topic}", with: record.topic)
            .replacingAll("${timestamp}", with: timestampFormat.text(millis: timestamp))
        return true
    }
}
