import ConnectAPI

/// Takes headers away by name (Kafka's `DropHeaders`).
final class DropHeaders: Transformation {
    static let className = Transformations.package + "DropHeaders"
    static let configDefinition = ConfigDefinition([
        Transformations.option(
            "headers", .list, .required, .high, "The names of the headers to take away.", .nonEmptyList)
    ])

    private var names: Set<String> = []

    func configure(_ config: [String: String]) throws(ConnectError) {
        names = Set(try Self.configDefinition.parse(config).list("headers"))
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        if !record.headers.isEmpty { record.headers.removeAll { names.contains($0.key) } }
        return true
    }
}
