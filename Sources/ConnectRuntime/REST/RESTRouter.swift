import NIOHTTP1

/// What a path and a method mean.
enum RESTRoute: Sendable, Hashable {
    case root, health, openAPI, metrics
    case listConnectors, createConnector
    case connector(String), deleteConnector(String)
    case config(String), putConfig(String), patchConfig(String)
    case status(String)
    case pause(String), resume(String), stop(String), restart(String)
    case tasks(String), taskStatus(TaskID), restartTask(TaskID)
    case topics(String), resetTopics(String)
    case offsets(String), alterOffsets(String), resetOffsets(String)
    case putTasks(String), fence(String)
    case plugins, pluginConfig(String), validate(String)
    case loggers, logger(String), setLogger(String)

    /// Whether the route reads a body, which then must be JSON.
    var readsBody: Bool {
        switch self {
        case .createConnector, .putConfig, .patchConfig, .alterOffsets, .validate, .setLogger: true
        default: false
        }
    }

    /// Whether a JSON merge patch is what the route takes (RFC 7396).
    var takesMergePatch: Bool {
        if case .patchConfig = self { true } else { false }
    }
}

/// Finds routes. Pure: the table of what there is.
enum RESTRouter {
    enum Match: Sendable, Hashable {
        case route(RESTRoute)
        /// The path is known, the method is not. The methods that are, for `Allow`.
        case methodNotAllowed([String])
        /// `OPTIONS` of a known path.
        case options([String])
        case notFound
    }

    static func match(method: HTTPMethod, path: [String]) -> Match {
        let routes = routes(for: path)
        guard !routes.isEmpty else { return .notFound }
        // HEAD is GET without the body.
        let wanted = method == .HEAD ? .GET : method
        if let route = routes.first(where: { $0.method == wanted })?.route { return .route(route) }
        var allowed = routes.map { $0.method.rawValue }
        if allowed.contains("GET") { allowed.append("HEAD") }
        allowed.append("OPTIONS")
        return method == .OPTIONS ? .options(allowed) : .methodNotAllowed(allowed)
    }

    private typealias Entry = (method: HTTPMethod, route: RESTRoute)

    private static func routes(for path: [String]) -> [Entry] {
        guard let first = path.first else { return [(.GET, .root)] }
        let rest = Array(path.dropFirst())
        switch first {
        case "health" where rest.isEmpty: return [(.GET, .health)]
        case "openapi.json" where rest.isEmpty: return [(.GET, .openAPI)]
        case "metrics" where rest.isEmpty: return [(.GET, .metrics)]
        case "connectors": return connectorRoutes(rest)
        case "connector-plugins": return pluginRoutes(rest)
        case "admin" where rest.first == "loggers":
            if rest.count == 1 { return [(.GET, .loggers)] }
            if rest.count == 2 { return [(.GET, .logger(rest[1])), (.PUT, .setLogger(rest[1]))] }
            return []
        default: return []
        }
    }

    private static func pluginRoutes(_ rest: [String]) -> [Entry] {
        switch rest.count {
        case 0: [(.GET, .plugins)]
        case 2 where rest[1] == "config": [(.GET, .pluginConfig(rest[0]))]
        case 3 where rest[1] == "config" && rest[2] == "validate": [(.PUT, .validate(rest[0]))]
        default: []
        }
    }

    private static func connectorRoutes(_ rest: [String]) -> [Entry] {
        guard let name = rest.first else { return [(.GET, .listConnectors), (.POST, .createConnector)] }
        switch rest.count {
        case 1: return [(.GET, .connector(name)), (.DELETE, .deleteConnector(name))]
        case 2: return connectorRoutes(name, rest[1])
        case 3 where rest[1] == "topics" && rest[2] == "reset": return [(.PUT, .resetTopics(name))]
        case 4 where rest[1] == "tasks":
            guard let number = Int(rest[2]), number >= 0 else { return [] }
            let id = TaskID(connector: name, task: number)
            if rest[3] == "status" { return [(.GET, .taskStatus(id))] }
            if rest[3] == "restart" { return [(.POST, .restartTask(id))] }
            return []
        default: return []
        }
    }

    private static func connectorRoutes(_ name: String, _ part: String) -> [Entry] {
        switch part {
        case "config": [(.GET, .config(name)), (.PUT, .putConfig(name)), (.PATCH, .patchConfig(name))]
        case "status": [(.GET, .status(name))]
        case "tasks": [(.GET, .tasks(name)), (.POST, .putTasks(name))]
        case "topics": [(.GET, .topics(name))]
        case "offsets": [(.GET, .offsets(name)), (.PATCH, .alterOffsets(name)), (.DELETE, .resetOffsets(name))]
        case "pause": [(.PUT, .pause(name))]
        case "resume": [(.PUT, .resume(name))]
        case "stop": [(.PUT, .stop(name))]
        case "restart": [(.POST, .restart(name))]
        case "fence": [(.PUT, .fence(name))]
        default: []
        }
    }
}
