import ConnectAPI
import OrderedCollections

/// The shapes of bodies.
extension OpenAPI {
    static let schemas: OrderedDictionary<String, JSONValue> = [
        "Anything": .object([:]),
        "Text": type("string"),
        "Error": object(["error_code": type("integer"), "message": type("string")]),
        "Message": object(["message": type("string")]),
        "Names": list(of: type("string")),
        "ConnectorList": .object(["oneOf": .array([named("Names"), type("object")])]),
        "Config": map(of: type("string")),
        "ConfigPatch": map(of: .object(["type": .array([.string("string"), .string("null")])])),
        "CreateConnector": object(
            [
                "name": type("string"), "config": named("Config"),
                "initial_state": oneOf(["RUNNING", "PAUSED", "STOPPED"]),
            ], required: ["config"]),
        "TaskID": object(["connector": type("string"), "task": type("integer")]),
        "Connector": object([
            "name": type("string"), "config": named("Config"), "tasks": list(of: named("TaskID")),
            "type": oneOf(["source", "sink", "unknown"]),
        ]),
        "Tasks": list(of: object(["id": named("TaskID"), "config": named("Config")])),
        "TaskConfigs": list(of: named("Config")),
        "State": object(
            [
                "state": oneOf(RunState.allCases.map(\.rawValue)), "worker_id": type("string"),
                "trace": type("string"), "version": type("string"),
            ], required: ["state", "worker_id"]),
        "TaskStatus": object(
            [
                "id": type("integer"), "state": oneOf(RunState.allCases.map(\.rawValue)),
                "worker_id": type("string"), "trace": type("string"), "version": type("string"),
            ], required: ["id", "state", "worker_id"]),
        "ConnectorStatus": object([
            "name": type("string"), "connector": named("State"), "tasks": list(of: named("TaskStatus")),
            "type": oneOf(["source", "sink", "unknown"]),
        ]),
        "Offsets": object([
            "offsets": list(
                of: object([
                    "partition": .object(["type": .array([.string("object"), .string("null")])]),
                    "offset": .object(["type": .array([.string("object"), .string("null")])]),
                ]))
        ]),
        "Plugins": list(
            of: object(["class": type("string"), "type": type("string"), "version": type("string")])),
        "LoggerLevel": object(
            ["level": type("string"), "last_modified": type("integer")], required: ["level"]),
        "ServerInfo": object([
            "version": type("string"), "commit": type("string"), "kafka_cluster_id": type("string"),
        ]),
        "Health": object(["status": oneOf(["healthy", "starting", "unhealthy"]), "message": type("string")]),
    ]

    private static func type(_ name: String) -> JSONValue { .object(["type": .string(name)]) }

    private static func named(_ name: String) -> JSONValue {
        .object(["$ref": .string("#/components/schemas/" + name)])
    }

    private static func list(of element: JSONValue) -> JSONValue {
        .object(["type": .string("array"), "items": element])
    }

    private static func map(of value: JSONValue) -> JSONValue {
        .object(["type": .string("object"), "additionalProperties": value])
    }

    private static func oneOf(_ values: [String]) -> JSONValue {
        .object(["type": .string("string"), "enum": .array(values.map { .string($0) })])
    }

    private static func object(
        _ members: OrderedDictionary<String, JSONValue>, required: [String]? = nil
    ) -> JSONValue {
        .object([
            "type": .string("object"), "properties": .object(members),
            "required": .array((required ?? Array(members.keys)).map { .string($0) }),
        ])
    }
}
