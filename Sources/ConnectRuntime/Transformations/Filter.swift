import ConnectAPI

/// Drops every record it is applied to; of use with a predicate (Kafka's `Filter`).
final class Filter: Transformation {
    static let className = Transformations.package + "Filter"
    static let configDefinition = ConfigDefinition()

    func configure(_ config: [String: String]) throws(ConnectError) {}

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool { false }
}
