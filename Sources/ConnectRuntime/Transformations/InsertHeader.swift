import ConnectAPI

/// Adds a header with a fixed value (Kafka's `InsertHeader`). The type of the value is found from its text: see
/// ``Values``.
final class InsertHeader: Transformation {
    static let className = Transformations.package + "InsertHeader"
    static let configDefinition = ConfigDefinition([
        Transformations.option("header", .string, .required, .high, "The header's name."),
        Transformations.option(
            "value.literal", .string, .required, .high, "The header's value; its type is found from the text."),
    ])

    private var header: ConnectHeader?

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        let literal = Values.parse(parsed.string("value.literal"))
        header = ConnectHeader(key: parsed.string("header"), schema: literal.schema, value: literal.value)
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        if let header { record.headers.append(header) }
        return true
    }
}
