import ConnectAPI

/// The options that the worker itself reads from a connector's configuration (Kafka's `ConnectorConfig`,
/// `SourceConnectorConfig`, `SinkConnectorConfig`). Converters and versions are filled in by ``ConnectorValidator``.
enum ConnectorOptions {
    /// Options of every connector.
    static let common = ConfigDefinition([
        .init(
            "name", .string, default: .required, importance: .high,
            doc: "The name of the connector, unique in the cluster.",
            group: "Common", order: 1, width: .medium, displayName: "Connector name",
            validator: .nonEmptyWithoutControlCharacters),
        .init(
            "connector.class", .string, default: .required, importance: .high,
            doc: "The connector class: its full name, its simple name, or the simple name without Connector.",
            group: "Common", order: 2, width: .long, displayName: "Connector class"),
        .init(
            "connector.plugin.version", .string, default: .null, importance: .medium,
            doc: "The version of the connector. This worker has exactly one.",
            group: "Common", order: 3, width: .medium, displayName: "Connector version"),
        .init(
            "tasks.max", .int, default: .value("1"), importance: .high,
            doc: "The most tasks that the connector may have.",
            group: "Common", order: 4, width: .short, displayName: "Tasks max", validator: .atLeast(1)),
        .init(
            "tasks.max.enforce", .boolean, default: .value("true"), importance: .low,
            doc: "Fail the connector if it makes more tasks than tasks.max.",
            group: "Common", order: 5, width: .short, displayName: "Enforce tasks max"),
        .init(
            "key.converter", .className, default: .null, importance: .low,
            doc: "The converter of keys; options with the prefix key.converter. go to it. Default: the worker's.",
            group: "Common", order: 6, width: .short, displayName: "Key converter class"),
        .init(
            "key.converter.plugin.version", .string, default: .null, importance: .low,
            doc: "The version of the key converter.",
            group: "Common", order: 7, width: .short, displayName: "Key converter version"),
        .init(
            "value.converter", .className, default: .null, importance: .low,
            doc: "The converter of values; options with the prefix value.converter. go to it. Default: the worker's.",
            group: "Common", order: 8, width: .short, displayName: "Value converter class"),
        .init(
            "value.converter.plugin.version", .string, default: .null, importance: .low,
            doc: "The version of the value converter.",
            group: "Common", order: 9, width: .short, displayName: "Value converter version"),
        .init(
            "header.converter", .className, default: .null, importance: .low,
            doc: "The converter of headers. Default: the worker's.",
            group: "Common", order: 10, width: .short, displayName: "Header converter class"),
        .init(
            "header.converter.plugin.version", .string, default: .null, importance: .low,
            doc: "The version of the header converter.",
            group: "Common", order: 11, width: .short, displayName: "Header converter version"),
        .init(
            "transforms", .list, default: .value(""), importance: .low,
            doc: "Names of the transformations that every record passes, in order.",
            group: "Transforms", order: 12, width: .long, displayName: "Transforms"),
        .init(
            "predicates", .list, default: .value(""), importance: .low,
            doc: "Names of the predicates that transformations refer to.",
            group: "Predicates", order: 13, width: .long, displayName: "Predicates"),
        .init(
            "config.action.reload", .string, default: .value("restart"), importance: .low,
            doc: "What to do when a value that a config provider supplied has changed: none or restart.",
            group: "Common", order: 14, width: .medium, displayName: "Reload Action",
            validator: .oneOf(["none", "restart"])),
        .init(
            "errors.retry.timeout", .long, default: .value("0"), importance: .medium,
            doc: "How long, in milliseconds, a failed operation is tried again; 0 is never, -1 for ever.",
            group: "Error Handling", order: 1, width: .medium, displayName: "Retry Timeout for Errors"),
        .init(
            "errors.retry.delay.max.ms", .long, default: .value("60000"), importance: .medium,
            doc: "The longest pause between two tries, in milliseconds.",
            group: "Error Handling", order: 2, width: .medium, displayName: "Maximum Delay Between Retries for Errors"),
        .init(
            "errors.tolerance", .string, default: .value("none"), importance: .medium,
            doc: "none: the first bad record fails the task; all: bad records are skipped.",
            group: "Error Handling", order: 3, width: .short, displayName: "Error Tolerance",
            validator: .oneOf(["none", "all"])),
        .init(
            "errors.log.enable", .boolean, default: .value("false"), importance: .medium,
            doc: "Log every error with the operation that failed.",
            group: "Error Handling", order: 4, width: .short, displayName: "Log Errors"),
        .init(
            "errors.log.include.messages", .boolean, default: .value("false"), importance: .medium,
            doc: "Put the record into the log line too. May show private data.",
            group: "Error Handling", order: 5, width: .short, displayName: "Log Error Details"),
    ])

    /// Options of sources only.
    static let source = ConfigDefinition([
        .init(
            "topic.creation.groups", .list, default: .value(""), importance: .low,
            doc: "Names of groups of settings for topics that the source creates.",
            group: "Topic Creation", order: 1, width: .long, displayName: "Topic Creation Groups"),
        .init(
            "exactly.once.support", .string, default: .value("requested"), importance: .medium,
            doc: "required: refuse to run without exactly-once delivery; requested: do not check.",
            group: "Exactly Once Support", order: 2, width: .short, displayName: "Exactly once support",
            validator: .oneOfIgnoringCase(["requested", "required"])),
        .init(
            "transaction.boundary", .string, default: .value("poll"), importance: .medium,
            doc: "When a transaction ends: poll, interval or connector.",
            group: "Exactly Once Support", order: 3, width: .short, displayName: "Transaction Boundary",
            validator: .oneOfIgnoringCase(["poll", "interval", "connector"])),
        .init(
            "transaction.boundary.interval.ms", .long, default: .null, importance: .low,
            doc: "How long a transaction lasts with transaction.boundary=interval, in milliseconds.",
            group: "Exactly Once Support", order: 4, width: .short, displayName: "Transaction boundary interval",
            validator: .atLeast(1)),
        .init(
            "offsets.storage.topic", .string, default: .null, importance: .low,
            doc: "A topic of its own for the offsets of this connector.",
            group: "offsets.topic", order: 1, width: .long, displayName: "Offsets topic"),
    ])

    /// Options of sinks only.
    static let sink = ConfigDefinition([
        .init(
            "topics", .list, default: .value(""), importance: .high,
            doc: "The topics to read, separated by commas.",
            group: "Common", order: 4, width: .long, displayName: "Topics"),
        .init(
            "topics.regex", .string, default: .value(""), importance: .high,
            doc: "A regular expression of the topics to read.",
            group: "Common", order: 4, width: .long, displayName: "Topics regex"),
        .init(
            "errors.deadletterqueue.topic.name", .string, default: .value(""), importance: .medium,
            doc: "The topic that bad records go to; empty for none.",
            group: "Error Handling", order: 6, width: .medium, displayName: "Dead Letter Queue Topic Name"),
        .init(
            "errors.deadletterqueue.topic.replication.factor", .short, default: .value("3"), importance: .medium,
            doc: "The replication factor with which the dead letter topic is created.",
            group: "Error Handling", order: 7, width: .medium, displayName: "Dead Letter Queue Topic Replication Factor"
        ),
        .init(
            "errors.deadletterqueue.context.headers.enable", .boolean, default: .value("false"), importance: .medium,
            doc: "Add headers to dead letters that say what went wrong.",
            group: "Error Handling", order: 8, width: .medium, displayName: "Enable Error Context Headers"),
    ])
}
