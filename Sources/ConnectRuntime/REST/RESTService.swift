import ConnectAPI
import Logging
import NIOCore
import NIOHTTP1
import OrderedCollections

/// Answers requests: what Kafka Connect's REST resources do, without any IO of its own.
struct RESTService: Sendable {
    let herder: any Herder
    /// `http://host:port`, for `Location` when a request has no `Host`.
    let baseURL: String
    let logger: Logger
    /// What holds for every answer.
    var policy = RESTPolicy()
    /// The way to other workers.
    var workers = WorkerRESTClient()
    /// `http` or `https`.
    var scheme: String { baseURL.hasPrefix("https:") ? "https" : "http" }

    /// Never throws: what goes wrong is an answer too.
    func respond(to request: RESTRequest) async -> RESTResponse {
        var response: RESTResponse
        if let preflight = policy.preflight(request) {
            response = preflight
        } else {
            response = await route(request)
        }
        policy.complete(&response, to: request)
        return response
    }

    private func route(_ request: RESTRequest) async -> RESTResponse {
        do throws(HerderError) {
            guard policy.isServed(request.path) else { throw HerderError(status: 404, message: "HTTP 404 Not Found") }
            switch RESTRouter.match(method: request.method, path: request.path) {
            case .notFound:
                throw HerderError(status: 404, message: "HTTP 404 Not Found")
            case .options(let allowed):
                return RESTResponse(.ok, headers: ["Allow": allowed.joined(separator: ",")])
            case .methodNotAllowed(let allowed):
                var response = RESTResponse.error(HerderError(status: 405, message: "HTTP 405 Method Not Allowed"))
                response.headers.add(name: "Allow", value: allowed.joined(separator: ","))
                return response
            case .route(let route):
                try policy.access?.check(request, route)
                try checkMediaTypes(request, route)
                return try await forwarding(request) { () async throws(HerderError) in
                    try await answer(route, request)
                }
            }
        } catch {
            if error.status >= 500 {
                logger.error(
                    "A REST request failed", metadata: ["status": "\(error.status)", "error": "\(error.message)"])
            }
            var response = RESTResponse.error(
                HerderError(status: error.status, message: URLSecrets.masked(error.message)))
            if error.status == 401 {
                response.headers.add(name: "WWW-Authenticate", value: "Basic realm=\"connect\"")
            }
            return response
        }
    }

    private func checkMediaTypes(_ request: RESTRequest, _ route: RESTRoute) throws(HerderError) {
        // Prometheus takes nothing but text, in many versions.
        if route == .metrics { return }
        let accepted = request.headers[canonicalForm: "Accept"].map { mediaType($0) }
        if !accepted.isEmpty, !accepted.contains(where: { ["application/json", "application/*", "*/*"].contains($0) }) {
            throw HerderError(status: 406, message: "HTTP 406 Not Acceptable")
        }
        guard route.readsBody else { return }
        let given = request.headers.first(name: "Content-Type").map { mediaType($0) }
        // Nothing is of no type: that there is no body is said where it is read.
        if given == nil, request.body.readableBytes == 0 { return }
        let isPatch = given == "application/merge-patch+json" && route.takesMergePatch
        if given != "application/json", !isPatch {
            throw HerderError(status: 415, message: "HTTP 415 Unsupported Media Type")
        }
    }

    private func mediaType(_ text: some StringProtocol) -> String {
        String(text.prefix { $0 != ";" }).trimmed.lowercased()
    }

    private func answer(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        switch route {
        case .root: return .json(try await herder.serverInfo().json)
        case .health: return health()
        case .openAPI: return .json(OpenAPI.document)
        case .metrics:
            return RESTResponse(
                .ok, headers: ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"],
                body: Array(await herder.metrics().utf8))
        case .listConnectors, .createConnector, .connector, .deleteConnector, .config, .putConfig, .patchConfig:
            return try await connectors(route, request)
        case .status, .tasks, .taskStatus, .restartTask, .pause, .resume, .stop, .restart:
            return try await lifeCycle(route, request)
        case .topics, .resetTopics, .offsets, .alterOffsets, .resetOffsets:
            return try await topicsAndOffsets(route, request)
        case .putTasks, .fence: return try await internalRequest(route, request)
        case .plugins, .pluginConfig, .validate: return try await plugins(route, request)
        case .loggers, .logger, .setLogger: return try await loggers(route, request)
        }
    }

    private func health() -> RESTResponse {
        let (status, word, message): (HTTPResponseStatus, String, String) =
            switch herder.health {
            case .healthy:
                (.ok, "healthy", "Worker has completed startup and is ready to handle requests.")
            case .starting:
                (.serviceUnavailable, "starting", "Worker is still starting up.")
            case .unhealthy(let reason):
                (.internalServerError, "unhealthy", reason)
            }
        return .json(.object(["status": .string(word), "message": .string(message)]), status: status)
    }

    private func topicsAndOffsets(
        _ route: RESTRoute, _ request: RESTRequest
    ) async throws(HerderError) -> RESTResponse {
        switch route {
        case .topics(let name):
            let topics = try await herder.activeTopics(of: name)
            return .json(.object([name: .object(["topics": .array(topics.map { .string($0) })])]))
        case .resetTopics(let name):
            try await herder.resetActiveTopics(of: name)
            return RESTResponse(.accepted)
        case .offsets(let name):
            return .json(.object(["offsets": .array(try await herder.offsets(of: name).map(\.json))]))
        case .alterOffsets(let name):
            let offsets = try RESTDecoding.offsets(request.body)
            return .json(.object(["message": .string(try await herder.alterOffsets(of: name, offsets))]))
        case .resetOffsets(let name):
            return .json(.object(["message": .string(try await herder.resetOffsets(of: name))]))
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
    }

    private func loggers(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        switch route {
        case .loggers:
            let all = herder.loggers().map { ($0.name, $0.json) }
            return .json(.object(OrderedDictionary(all, uniquingKeysWith: { first, _ in first })))
        case .logger(let name):
            guard let level = herder.logger(name) else {
                throw HerderError(status: 404, message: "Logger \(name) not found.")
            }
            return .json(level.json)
        case .setLogger(let name):
            let level = try RESTDecoding.level(request.body)
            let isCluster = request.values(of: "scope").first?.lowercased() == "cluster"
            let changed = try await herder.setLoggerLevel(
                namespace: name, level: level, scope: isCluster ? .cluster : .worker)
            return isCluster ? RESTResponse(.noContent) : .json(.array(changed.map { .string($0) }))
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
    }
}
