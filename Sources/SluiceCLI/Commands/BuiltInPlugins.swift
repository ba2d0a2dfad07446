import ConnectFiles
import ConnectRuntime
import ConnectSQL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The connectors that are in the program.
enum BuiltInPlugins {
    /// Makes a registry that holds them.
    static func registry() -> PluginRegistry {
        let registry = PluginRegistry()
        registry.register(source: SQLSourceConnector.self)
        registry.register(sink: SQLSinkConnector.self)
        registry.register(source: FileStreamSourceConnector.self)
        registry.register(sink: FileStreamSinkConnector.self)
        // Kafka's own tools for tests; a user has no need of them.
        if getenv("SLUICE_VERIFIABLE_CONNECTORS") != nil {
            registry.register(source: VerifiableSourceConnector.self)
            registry.register(sink: VerifiableSinkConnector.self)
        }
        return registry
    }
}
