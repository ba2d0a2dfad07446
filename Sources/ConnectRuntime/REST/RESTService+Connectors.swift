import ConnectAPI
import Logging
import NIOHTTP1
import OrderedCollections

/// What REST does with connectors, and how it keeps their secrets (``ConfigMasking``).
extension RESTService {
    func connectors(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        switch route {
        case .listConnectors: return try await listConnectors(request)
        case .createConnector: return try await createConnector(request)
        case .connector(let name):
            return .json(try await masked(herder.connectorInfo(name)).json)
        case .deleteConnector(let name):
            try await herder.deleteConnector(name)
            return RESTResponse(.noContent)
        case .config(let name):
            let config = try await herder.connectorConfig(name)
            return .json(.object(await masking(for: config).masked(config).mapValues { .string($0) }))
        case .putConfig(let name): return try await putConfig(name, request)
        case .patchConfig(let name): return try await patchConfig(name, request)
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
    }

    private func listConnectors(_ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        let names = try await herder.connectors()
        let wanted = request.values(of: "expand")
        if wanted.isEmpty { return .json(.array(names.map { .string($0) })) }
        var result: OrderedDictionary<String, JSONValue> = [:]
        for name in names {
            var members: OrderedDictionary<String, JSONValue> = [:]
            do throws(HerderError) {
                for part in wanted {
                    switch part {
                    case "status": members["status"] = try await status(of: name).json
                    case "info": members["info"] = try await masked(herder.connectorInfo(name)).json
                    default: break
                    }
                }
            } catch {
                // Deleted between the two looks, or no status yet.
                if error.status != 404 { throw error }
            }
            result[name] = .object(members)
        }
        return .json(.object(result))
    }

    private func createConnector(_ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        let body = try RESTDecoding.createConnector(request.body)
        let config = try await restored(body.config, from: [:])
        let info = try await hidingSecrets(of: config) { () async throws(HerderError) in
            try await herder.createConnector(name: body.name, config: config, initialState: body.initialState)
        }
        return created(await masked(info), request)
    }

    private func putConfig(_ name: String, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        let given = try RESTDecoding.named(
            try RESTDecoding.config(try RESTDecoding.object(request.body)), name.trimmed)
        let config = try await restored(given, from: await stored(name))
        let result = try await hidingSecrets(of: config) { () async throws(HerderError) in
            try await herder.putConnectorConfig(name.trimmed, config: config)
        }
        let info = await masked(result.info)
        return result.isCreated ? created(info, request) : .json(info.json)
    }

    private func patchConfig(_ name: String, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        var patch = try RESTDecoding.patch(try RESTDecoding.object(request.body), name: name)
        let stored = try await herder.connectorConfig(name)
        let given = patch.compactMapValues { $0 }
        let merged = stored.merging(given) { _, new in new }
        let names = Set(given.keys)
        let restored = await masking(for: merged).restored(given, from: stored)
        try refuse(missing: restored.missing)
        for key in names { patch.updateValue(restored.config[key], forKey: key) }
        let info = try await hidingSecrets(of: merged) { [patch] () async throws(HerderError) in
            try await herder.patchConnectorConfig(name, patch: patch)
        }
        return .json(await masked(info).json)
    }

    private func created(_ info: ConnectorInfo, _ request: RESTRequest) -> RESTResponse {
        var response = RESTResponse.json(info.json, status: .created)
        let base = request.headers.first(name: "Host").map { "\(scheme)://\($0)" } ?? baseURL
        response.headers.add(name: "Location", value: "\(base)/connectors/\(PercentCoding.encodeSegment(info.name))")
        return response
    }

    // MARK: Life cycle

    func lifeCycle(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        switch route {
        case .status(let name): return .json(try await status(of: name).json)
        case .tasks(let name): return .json(.array(try await tasks(of: name).map(\.json)))
        case .taskStatus(let id):
            var status = try await herder.taskStatus(id)
            if let trace = status.trace { status.trace = await hidingSecrets(in: trace, of: stored(id.connector)) }
            return .json(status.json)
        case .restartTask(let id):
            try await herder.restartTask(id)
            return RESTResponse(.noContent)
        case .pause(let name):
            try await herder.pauseConnector(name)
            return RESTResponse(.accepted)
        case .resume(let name):
            try await herder.resumeConnector(name)
            return RESTResponse(.accepted)
        case .stop(let name):
            try await herder.stopConnector(name)
            return RESTResponse(.noContent)
        case .restart(let name):
            let restart = RestartRequest(
                connector: name, includeTasks: request.flag("includeTasks"), onlyFailed: request.flag("onlyFailed"))
            let status = try await herder.restartConnector(restart)
            // KIP-745: without the parameters the answer is the one from before there were any.
            guard restart.includeTasks || restart.onlyFailed else { return RESTResponse(.noContent) }
            return .json(await masked(status).json, status: .accepted)
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
    }

    private func status(of name: String) async throws(HerderError) -> ConnectorStatus {
        await masked(try await herder.connectorStatus(name))
    }

    private func tasks(of name: String) async throws(HerderError) -> [TaskInfo] {
        var tasks = try await herder.tasks(of: name)
        for index in tasks.indices {
            // A task's configuration need not name the connector's class.
            let whole = await stored(name).merging(tasks[index].config) { _, task in task }
            tasks[index].config = await masking(for: whole).masked(tasks[index].config)
        }
        return tasks
    }

    // MARK: Plugins

    func plugins(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        switch route {
        case .plugins:
            let connectorsOnly = request.flag("connectorsOnly", default: true)
            return .json(.array(herder.plugins(connectorsOnly: connectorsOnly).map(\.json)))
        case .pluginConfig(let name):
            return .json(.array(try await herder.pluginConfig(name).map(\.json)))
        case .validate(let name):
            let given = try RESTDecoding.config(try RESTDecoding.object(request.body))
            let known: OrderedDictionary<String, String> =
                if let connector = given["name"] { await stored(connector) } else { [:] }
            let config = try await restored(given, from: known)
            let infos = try await hidingSecrets(of: config) { () async throws(HerderError) in
                try await herder.validate(pluginName: name, config: config)
            }
            return .json(infos.json)
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
    }

    // MARK: Secrets

    private func masking(for config: OrderedDictionary<String, String>) async -> ConfigMasking {
        var options: [ConfigKeyInfo] = []
        if let plugin = config["connector.class"] {
            do throws(HerderError) {
                options = try await herder.pluginConfig(plugin)
            } catch {
                // An unknown plugin: names that look secret are masked all the same.
                logger.debug("No options to mask by", metadata: ["plugin": "\(plugin)"])
            }
        }
        return ConfigMasking(passwordNames: options.lazy.filter { $0.type == "PASSWORD" }.map(\.name))
    }

    private func masked(_ info: ConnectorInfo) async -> ConnectorInfo {
        var info = info
        info.config = await masking(for: info.config).masked(info.config)
        return info
    }

    private func masked(_ status: ConnectorStatus) async -> ConnectorStatus {
        guard status.connector.trace != nil || status.tasks.contains(where: { $0.trace != nil }) else { return status }
        var status = status
        let config = await stored(status.name)
        if let trace = status.connector.trace {
            status.connector.trace = await hidingSecrets(in: trace, of: config)
        }
        for index in status.tasks.indices {
            guard let trace = status.tasks[index].trace else { continue }
            status.tasks[index].trace = await hidingSecrets(in: trace, of: config)
        }
        return status
    }

    private func hidingSecrets(in text: String, of config: OrderedDictionary<String, String>) async -> String {
        await masking(for: config).masked(text: text, secretsOf: config)
    }

    /// Runs an operation whose error may quote the configuration.
    private func hidingSecrets<Result: Sendable>(
        of config: OrderedDictionary<String, String>,
        _ operation: () async throws(HerderError) -> Result
    ) async throws(HerderError) -> Result {
        do throws(HerderError) {
            return try await operation()
        } catch {
            var hidden = error
            hidden.message = await hidingSecrets(in: error.message, of: config)
            throw hidden
        }
    }

    /// What is stored under a name; empty if there is nothing or it cannot be told.
    private func stored(_ name: String) async -> OrderedDictionary<String, String> {
        do throws(HerderError) {
            return try await herder.connectorConfig(name)
        } catch {
            return [:]
        }
    }

    private func restored(
        _ config: OrderedDictionary<String, String>, from stored: OrderedDictionary<String, String>
    ) async throws(HerderError) -> OrderedDictionary<String, String> {
        let result = await masking(for: config).restored(config, from: stored)
        try refuse(missing: result.missing)
        return result.config
    }

    private func refuse(missing: [String]) throws(HerderError) {
        guard !missing.isEmpty else { return }
        throw HerderError(
            status: 400,
            message: "\(Secret.hidden) stands for a stored secret, but none is stored for "
                + "\(missing.joined(separator: ", ")): give the value itself")
    }
}
