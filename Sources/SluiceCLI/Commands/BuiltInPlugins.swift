import ConnectFiles
import ConnectRuntime
import ConnectSQL

/// The connectors that are in the program.
enum BuiltInPlugins {
    /// Makes a registry that holds them.
    static func registry() -> PluginRegistry {
        let registry = PluginRegistry()
        registry.register(source: SQLSourceConnector.self)
        registry.register(sink: SQLSinkConnector.self)
        registry.register(source: FileStreamSourceConnector.self)
        registry.register(sink: FileStreamSinkConnector.self)
        return registry
    }
}
