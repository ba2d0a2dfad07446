public import ConnectAPI

/// The connectors of this library, for a worker's plugin registry.
public enum SQLConnectors {
    /// The sources.
    public static var sources: [any SourceConnector.Type] { [SQLSourceConnector.self] }
    /// The sinks.
    public static var sinks: [any SinkConnector.Type] { [SQLSinkConnector.self] }
}
