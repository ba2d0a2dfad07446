/// Supplies values that configurations refer to as `${name:path:key}` or `${name:key}` (KIP-297, Kafka's
/// `ConfigProvider`). The worker's property `config.providers` gives names to providers;
/// `config.providers.<name>.class` and `config.providers.<name>.param.*` say which and how.
///
/// References are resolved when a connector or a task is started or validated; what is stored and shown is the
/// reference.
public protocol ConfigProvider: Sendable {
    /// The Java class name, such as `org.apache.kafka.common.config.provider.FileConfigProvider`.
    static var className: String { get }

    /// Makes a provider with its parameters (without the prefix `config.providers.<name>.param.`).
    /// - Throws: a config error that names the parameter.
    init(parameters: [String: String]) throws(ConnectError)

    /// The value of a key at a path; the path is empty if the reference has none.
    /// - Throws: a config error that says why there is none, and holds no value.
    func value(of key: String, at path: String) throws(ConnectError) -> String
}
