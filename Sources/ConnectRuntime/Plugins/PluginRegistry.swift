public import ConnectAPI
import NIOConcurrencyHelpers
import OrderedCollections

/// The plugins of a worker: connectors, converters, header converters, transformations and predicates, found by full class name, simple
/// class name, simple name less `Connector`, or an alias that the plugin gives (Confluent's and Apache's names).
public final class PluginRegistry: Sendable {
    /// A registered connector.
    enum ConnectorPlugin: Sendable {
        case source(any SourceConnector.Type)
        case sink(any SinkConnector.Type)

        var type: any Connector.Type {
            switch self {
            case .source(let type): type
            case .sink(let type): type
            }
        }

        var connectorType: ConnectorType {
            switch self {
            case .source: .source
            case .sink: .sink
            }
        }
    }

    private struct State {
        var connectors: OrderedDictionary<String, ConnectorPlugin> = [:]
        var converters: OrderedDictionary<String, any Converter.Type> = [:]
        var connectorNames: [String: String] = [:]
        var converterNames: [String: String] = [:]
        var headerConverters: OrderedDictionary<String, any HeaderConverter.Type> = [:]
        var headerConverterNames: [String: String] = [:]
        var transformations: [String: any Transformation.Type] = [:]
        var predicates: [String: any Predicate.Type] = [:]
    }

    private let state = NIOLockedValueBox(State())

    /// A registry with the converters, transformations and predicates that Connect has built in, and no connectors.
    public init() {
        registerBoth(JSONConverter.self)
        registerBoth(StringConverter.self)
        registerBoth(ByteArrayConverter.self)
        registerBoth(BooleanConverter.self)
        registerBoth(DoubleConverter.self)
        registerBoth(FloatConverter.self)
        registerBoth(IntegerConverter.self)
        registerBoth(LongConverter.self)
        registerBoth(ShortConverter.self)
        register(headerConverter: SimpleHeaderConverter.self)
        registerBuiltInTransformations()
    }

    /// Adds a source connector.
    public func register<T: SourceConnector>(source type: T.Type) {
        register(.source(type))
    }

    /// Adds a sink connector.
    public func register<T: SinkConnector>(sink type: T.Type) {
        register(.sink(type))
    }

    /// Adds a converter.
    public func register<T: Converter>(converter type: T.Type) {
        state.withLockedValue { state in
            state.converters[type.className] = type
            for name in Self.names(of: type.className, type.aliases, suffix: "Converter") {
                state.converterNames[name] = type.className
            }
        }
    }

    /// Adds a converter of headers.
    public func register<T: HeaderConverter>(headerConverter type: T.Type) {
        state.withLockedValue { state in
            state.headerConverters[type.className] = type
            for name in Self.names(of: type.className, type.aliases, suffix: "HeaderConverter") {
                state.headerConverterNames[name] = type.className
            }
        }
    }

    private func registerBoth<T: Converter & HeaderConverter>(_ type: T.Type) {
        register(converter: type)
        register(headerConverter: type)
    }

    /// Adds a transformation.
    public func register<T: Transformation>(transformation type: T.Type) {
        state.withLockedValue { $0.transformations[type.className] = type }
    }

    /// Adds a predicate.
    public func register<T: Predicate>(predicate type: T.Type) {
        state.withLockedValue { $0.predicates[type.className] = type }
    }

    private func register(_ plugin: ConnectorPlugin) {
        let type = plugin.type
        state.withLockedValue { state in
            state.connectors[type.className] = plugin
            for name in Self.names(of: type.className, type.aliases, suffix: "Connector") {
                state.connectorNames[name] = type.className
            }
        }
    }

    private static func names(of className: String, _ aliases: [String], suffix: String) -> [String] {
        let simple = className.split(separator: ".").last.map(String.init) ?? className
        var names = [className, simple] + aliases
        if simple.hasSuffix(suffix), simple.count > suffix.count { names.append(String(simple.dropLast(suffix.count))) }
        return names
    }

    /// The connector plugin of a name; nil if there is none.
    func connector(_ name: String) -> ConnectorPlugin? {
        state.withLockedValue { state in
            state.connectorNames[name.trimmed].flatMap { state.connectors[$0] }
        }
    }

    /// The converter plugin of a name; nil if there is none.
    func converter(_ name: String) -> (any Converter.Type)? {
        state.withLockedValue { state in
            state.converterNames[name.trimmed].flatMap { state.converters[$0] }
        }
    }

    /// The header converter of a name; nil if there is none.
    func headerConverter(_ name: String) -> (any HeaderConverter.Type)? {
        state.withLockedValue { state in
            state.headerConverterNames[name.trimmed].flatMap { state.headerConverters[$0] }
        }
    }

    /// The transformation of a class name, with its package or without; nil if there is none.
    func transformation(_ name: String) -> (any Transformation.Type)? {
        state.withLockedValue {
            $0.transformations[name.trimmed] ?? $0.transformations[Transformations.package + name.trimmed]
        }
    }

    /// The predicate of a class name, with its package or without; nil if there is none.
    func predicate(_ name: String) -> (any Predicate.Type)? {
        state.withLockedValue {
            $0.predicates[name.trimmed] ?? $0.predicates[Transformations.package + "predicates." + name.trimmed]
        }
    }

    /// What `GET /connector-plugins` lists: connectors by class name within sink and source, then transformations,
    /// predicates, converters and header converters.
    func infos(connectorsOnly: Bool) -> [PluginInfo] {
        let state = state.withLockedValue { $0 }
        var infos = state.connectors.values.map { plugin in
            PluginInfo(
                className: plugin.type.className, type: plugin.connectorType.rawValue, version: plugin.type.version)
        }.sorted { ($0.type, $0.className) < ($1.type, $1.className) }
        if !connectorsOnly {
            infos += state.transformations.values.map {
                PluginInfo(className: $0.className, type: "transformation", version: $0.version)
            }.sorted { $0.className < $1.className }
            infos += state.predicates.values.map {
                PluginInfo(className: $0.className, type: "predicate", version: $0.version)
            }.sorted { $0.className < $1.className }
            infos += state.converters.values.map {
                PluginInfo(className: $0.className, type: "converter", version: Self.converterVersion)
            }.sorted { $0.className < $1.className }
            infos += state.headerConverters.values.map {
                PluginInfo(className: $0.className, type: "header_converter", version: Self.converterVersion)
            }.sorted { $0.className < $1.className }
        }
        return infos
    }

    /// The connector classes there are, for error messages.
    var connectorClassNames: [String] { state.withLockedValue { $0.connectors.keys.sorted() } }

    /// The converter classes there are.
    var converterClassNames: [String] { state.withLockedValue { $0.converters.keys.sorted() } }

    /// The header converter classes there are.
    var headerConverterClassNames: [String] { state.withLockedValue { $0.headerConverters.keys.sorted() } }

    /// The transformation classes there are.
    var transformationClassNames: [String] { state.withLockedValue { $0.transformations.keys.sorted() } }

    /// The predicate classes there are.
    var predicateClassNames: [String] { state.withLockedValue { $0.predicates.keys.sorted() } }

    /// The version of Connect whose behaviour the built-in converters have.
    static let converterVersion = "4.3.0"
}
