import ConnectAPI
import NIOHTTP1
import OrderedCollections

/// The description of this REST interface that is served at `/openapi.json` (OpenAPI 3.1). A test walks it against the
/// router, so that what is described is there and what is there is described.
enum OpenAPI {
    /// One method of one path.
    struct Operation: Sendable {
        var method: HTTPMethod
        /// With parameters in braces.
        var path: String
        var summary: String
        /// Query parameters and what they are for.
        var query: [(name: String, doc: String)] = []
        /// The name of the body's schema; nil for none.
        var body: String?
        /// Statuses with the names of the answers' schemas; nil for no body.
        var answers: [(status: Int, schema: String?)]
        /// Workers ask each other; signed.
        var isInternal = false
    }

    static let operations: [Operation] = connectors + lifeCycle + plugins + administration

    private static let connectors: [Operation] = [
        Operation(method: .GET, path: "/", summary: "Version and cluster", answers: [(200, "ServerInfo")]),
        Operation(
            method: .GET, path: "/health", summary: "Whether the worker is up",
            answers: [(200, "Health"), (500, "Health"), (503, "Health")]),
        Operation(
            method: .GET, path: "/openapi.json", summary: "This description", answers: [(200, "Anything")]),
        Operation(
            method: .GET, path: "/metrics", summary: "Metrics for Prometheus, under Kafka Connect's names",
            answers: [(200, "Text")]),
        Operation(
            method: .GET, path: "/connectors", summary: "Names of all connectors, or an object by name with expand",
            query: [("expand", "status or info; may be given twice")], answers: [(200, "ConnectorList")]),
        Operation(
            method: .POST, path: "/connectors", summary: "Create a connector", body: "CreateConnector",
            answers: [(201, "Connector"), (400, "Error"), (409, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}", summary: "Configuration and tasks",
            answers: [(200, "Connector"), (404, "Error")]),
        Operation(
            method: .DELETE, path: "/connectors/{connector}", summary: "Delete a connector; its source offsets stay",
            answers: [(204, nil), (404, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}/config", summary: "Configuration",
            answers: [(200, "Config"), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connectors/{connector}/config", summary: "Create or replace the configuration",
            body: "Config", answers: [(200, "Connector"), (201, "Connector"), (400, "Error")]),
        Operation(
            method: .PATCH, path: "/connectors/{connector}/config",
            summary: "Change options of the configuration; null removes one (RFC 7396)", body: "ConfigPatch",
            answers: [(200, "Connector"), (400, "Error"), (404, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}/tasks", summary: "Tasks and their configurations",
            answers: [(200, "Tasks"), (404, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}/topics", summary: "Topics that the connector has used",
            answers: [(200, "Anything"), (403, "Error"), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connectors/{connector}/topics/reset", summary: "Forget the topics",
            answers: [(202, nil), (403, "Error"), (404, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}/offsets", summary: "Offsets of a source or a sink",
            answers: [(200, "Offsets"), (404, "Error")]),
        Operation(
            method: .PATCH, path: "/connectors/{connector}/offsets",
            summary: "Change offsets of a stopped connector; null removes one", body: "Offsets",
            answers: [(200, "Message"), (400, "Error"), (404, "Error")]),
        Operation(
            method: .DELETE, path: "/connectors/{connector}/offsets",
            summary: "Remove all offsets of a stopped connector",
            answers: [(200, "Message"), (400, "Error"), (404, "Error")]),
    ]

    private static let lifeCycle: [Operation] = [
        Operation(
            method: .GET, path: "/connectors/{connector}/status", summary: "State of the connector and its tasks",
            answers: [(200, "ConnectorStatus"), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connectors/{connector}/pause", summary: "Let the tasks rest",
            answers: [(202, nil), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connectors/{connector}/resume", summary: "Let a paused or stopped connector run",
            answers: [(202, nil), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connectors/{connector}/stop", summary: "Shut the tasks down",
            answers: [(204, nil), (404, "Error"), (409, "Error")]),
        Operation(
            method: .POST, path: "/connectors/{connector}/restart", summary: "Restart the connector",
            query: [("includeTasks", "true: its tasks too"), ("onlyFailed", "true: only what has failed")],
            answers: [(202, "ConnectorStatus"), (204, nil), (404, "Error"), (409, "Error")]),
        Operation(
            method: .GET, path: "/connectors/{connector}/tasks/{task}/status", summary: "State of one task",
            answers: [(200, "TaskStatus"), (404, "Error")]),
        Operation(
            method: .POST, path: "/connectors/{connector}/tasks/{task}/restart", summary: "Restart one task",
            answers: [(204, nil), (404, "Error"), (409, "Error")]),
        Operation(
            method: .POST, path: "/connectors/{connector}/tasks", summary: "Task configurations of another worker",
            body: "TaskConfigs", answers: [(204, nil), (400, "Error"), (403, "Error")], isInternal: true),
        Operation(
            method: .PUT, path: "/connectors/{connector}/fence", summary: "Shut out former exactly-once tasks",
            answers: [(204, nil), (400, "Error"), (403, "Error")], isInternal: true),
    ]

    private static let plugins: [Operation] = [
        Operation(
            method: .GET, path: "/connector-plugins", summary: "Plugins of this worker",
            query: [("connectorsOnly", "false: converters, transformations and predicates too")],
            answers: [(200, "Plugins")]),
        Operation(
            method: .GET, path: "/connector-plugins/{plugin}/config", summary: "Options of a plugin",
            answers: [(200, "Anything"), (404, "Error")]),
        Operation(
            method: .PUT, path: "/connector-plugins/{plugin}/config/validate", summary: "Check a configuration",
            body: "Config", answers: [(200, "Anything"), (400, "Error"), (404, "Error")]),
    ]

    private static let administration: [Operation] = [
        Operation(method: .GET, path: "/admin/loggers", summary: "Levels of all loggers", answers: [(200, "Anything")]),
        Operation(
            method: .GET, path: "/admin/loggers/{logger}", summary: "Level of one logger",
            answers: [(200, "LoggerLevel"), (404, "Error")]),
        Operation(
            method: .PUT, path: "/admin/loggers/{logger}", summary: "Set the level of a logger and all below it",
            query: [("scope", "worker (default) or cluster")], body: "LoggerLevel",
            answers: [(200, "Names"), (204, nil), (400, "Error"), (404, "Error")]),
    ]

    // MARK: The document

    static let document: JSONValue = .object([
        "openapi": .string("3.1.0"),
        "info": .object([
            "title": .string("Kafka Connect REST interface of Sluice"), "version": .string(SluiceVersion.connect),
        ]),
        "paths": .object(paths),
        "components": .object([
            "schemas": .object(schemas),
            "securitySchemes": .object([
                "basic": .object(["type": .string("http"), "scheme": .string("basic")]),
                "bearer": .object(["type": .string("http"), "scheme": .string("bearer")]),
            ]),
        ]),
    ])

    private static var paths: OrderedDictionary<String, JSONValue> {
        var result: OrderedDictionary<String, OrderedDictionary<String, JSONValue>> = [:]
        for operation in operations {
            result[operation.path, default: [:]][operation.method.rawValue.lowercased()] = json(operation)
        }
        return result.mapValues { .object($0) }
    }

    private static func json(_ operation: Operation) -> JSONValue {
        var members: OrderedDictionary<String, JSONValue> = ["summary": .string(operation.summary)]
        if operation.isInternal { members["x-internal"] = .bool(true) }
        var parameters = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
            parameter(String($0.dropFirst().dropLast()), in: "path", doc: nil)
        }
        parameters += operation.query.map { parameter($0.name, in: "query", doc: $0.doc) }
        if !parameters.isEmpty { members["parameters"] = .array(parameters) }
        if let body = operation.body {
            members["requestBody"] = .object(["required": .bool(true), "content": content(body)])
        }
        var answers: OrderedDictionary<String, JSONValue> = [:]
        for (status, schema) in operation.answers {
            var answer: OrderedDictionary<String, JSONValue> = [
                "description": .string(HTTPResponseStatus(statusCode: status).reasonPhrase)
            ]
            if schema == "Text" {
                answer["content"] = .object(["text/plain": .object(["schema": reference("Text")])])
            } else if let schema {
                answer["content"] = content(schema)
            }
            answers[String(status)] = .object(answer)
        }
        members["responses"] = .object(answers)
        return .object(members)
    }

    private static func parameter(_ name: String, in place: String, doc: String?) -> JSONValue {
        var members: OrderedDictionary<String, JSONValue> = [
            "name": .string(name), "in": .string(place), "required": .bool(place == "path"),
            "schema": .object(["type": .string(name == "task" ? "integer" : "string")]),
        ]
        if let doc { members["description"] = .string(doc) }
        return .object(members)
    }

    private static func content(_ schema: String) -> JSONValue {
        .object(["application/json": .object(["schema": reference(schema)])])
    }

    private static func reference(_ schema: String) -> JSONValue {
        .object(["$ref": .string("#/components/schemas/" + schema)])
    }
}
