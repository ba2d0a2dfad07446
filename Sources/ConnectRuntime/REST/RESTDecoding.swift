import ConnectAPI
import NIOCore
import OrderedCollections

/// Reads request bodies. Whatever is wrong with one is a 400 that says what and where.
enum RESTDecoding {
    /// `POST /connectors`.
    struct CreateConnector {
        var name: String
        var config: OrderedDictionary<String, String>
        var initialState: TargetState?
    }

    static func object(_ body: ByteBuffer) throws(HerderError) -> OrderedDictionary<String, JSONValue> {
        guard body.readableBytesView.contains(where: { $0 > 0x20 }) else {
            throw bad("The request has no body; a JSON object is expected")
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body)
        } catch {
            throw bad("The body is no JSON: \(error)")
        }
        guard let members = value.objectValue else { throw bad("The body must be a JSON object") }
        return members
    }

    static func createConnector(_ body: ByteBuffer) throws(HerderError) -> CreateConnector {
        let members = try object(body)
        try refuseUnknown(members, known: ["name", "config", "initial_state"])
        var name = ""
        if let given = members["name"], given != .null {
            guard let text = given.stringValue else { throw bad("'name' must be a string") }
            name = text.trimmed
        }
        guard let given = members["config"], let pairs = given.objectValue else {
            throw bad("'config' is missing; it must be an object of strings")
        }
        var initialState: TargetState?
        if let given = members["initial_state"], given != .null {
            initialState = given.stringValue.flatMap { TargetState(initialState: $0) }
            if initialState == nil { throw bad("'initial_state' must be RUNNING, PAUSED or STOPPED") }
        }
        return CreateConnector(
            name: name, config: try named(try config(pairs), name), initialState: initialState)
    }

    /// A configuration: strings; numbers and booleans are taken as the text they are spelt with.
    static func config(
        _ members: OrderedDictionary<String, JSONValue>
    ) throws(HerderError) -> OrderedDictionary<String, String> {
        var result: OrderedDictionary<String, String> = [:]
        for (key, value) in members {
            guard let text = try text(value, of: key) else {
                throw bad("The value of '\(key)' is null; leave the option out to have its default")
            }
            result[key] = text
        }
        return result
    }

    /// A patch of a configuration: null removes the option.
    static func patch(
        _ members: OrderedDictionary<String, JSONValue>, name: String
    ) throws(HerderError) -> OrderedDictionary<String, String?> {
        var result: OrderedDictionary<String, String?> = [:]
        for (key, value) in members { result.updateValue(try text(value, of: key), forKey: key) }
        if let given = result["name"], given != name { throw mismatch(given ?? "null", name) }
        return result
    }

    /// The configuration with its name in it.
    static func named(
        _ config: OrderedDictionary<String, String>, _ name: String
    ) throws(HerderError) -> OrderedDictionary<String, String> {
        var config = config
        if let given = config["name"], given != name { throw mismatch(given, name) }
        config["name"] = name
        return config
    }

    /// `PATCH /connectors/{c}/offsets`.
    static func offsets(_ body: ByteBuffer) throws(HerderError) -> [ConnectorOffset] {
        let members = try object(body)
        try refuseUnknown(members, known: ["offsets"])
        guard let list = members["offsets"], list != .null, list != .array([]) else {
            throw bad("Partitions / offsets need to be provided for an alter offsets request")
        }
        guard let elements = list.arrayValue else { throw bad("'offsets' must be a list") }
        var result: [ConnectorOffset] = []
        for element in elements {
            guard let pair = element.objectValue else {
                throw bad("An element of 'offsets' must be an object with 'partition' and 'offset'")
            }
            try refuseUnknown(pair, known: ["partition", "offset"])
            result.append(
                ConnectorOffset(
                    partition: try offsetMap(pair["partition"], "partition"),
                    offset: try offsetMap(pair["offset"], "offset")))
        }
        return result
    }

    /// `POST /connectors/{c}/tasks`.
    static func taskConfigs(_ body: ByteBuffer) throws(HerderError) -> [OrderedDictionary<String, String>] {
        let list: [JSONValue]?
        do throws(JSONError) {
            list = try JSONValue(parsing: body).arrayValue
        } catch {
            throw bad("The body is no JSON: \(error)")
        }
        guard let list else { throw bad("A list of task configurations is needed") }
        var result: [OrderedDictionary<String, String>] = []
        for element in list {
            guard let members = element.objectValue else { throw bad("A task's configuration must be an object") }
            result.append(try config(members))
        }
        return result
    }

    /// `PUT /admin/loggers/{l}`.
    static func level(_ body: ByteBuffer) throws(HerderError) -> String {
        guard let level = try object(body)["level"], level != .null else {
            throw bad("Desired 'level' parameter was not specified in request.")
        }
        guard let text = level.stringValue else { throw bad("'level' must be a string") }
        return text
    }

    private static func offsetMap(
        _ value: JSONValue?, _ what: String
    ) throws(HerderError) -> OrderedDictionary<String, OffsetValue>? {
        guard let value, value != .null else { return nil }
        guard let members = value.objectValue else { throw bad("'\(what)' must be an object or null") }
        var result: OrderedDictionary<String, OffsetValue> = [:]
        for (key, member) in members {
            switch member {
            case .null: result[key] = .null
            case .bool(let flag): result[key] = .boolean(flag)
            case .integer(let number): result[key] = .integer(number)
            case .number: result[key] = .double(member.doubleValue ?? .nan)
            case .string(let text): result[key] = .string(text)
            case .array, .object:
                throw bad("'\(key)' in '\(what)' must be a string, a number, a boolean or null")
            }
        }
        return result
    }

    private static func text(_ value: JSONValue, of key: String) throws(HerderError) -> String? {
        switch value {
        case .null: nil
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .number(let text): text
        case .string(let text): text
        case .array, .object: throw bad("The value of '\(key)' must be a string")
        }
    }

    private static func refuseUnknown(
        _ members: OrderedDictionary<String, JSONValue>, known: [String]
    ) throws(HerderError) {
        for key in members.keys where !known.contains(key) {
            throw bad("Unknown field '\(key)'; known are \(known.joined(separator: ", "))")
        }
    }

    private static func mismatch(_ given: String, _ name: String) -> HerderError {
        bad("Connector name configuration (\(given)) doesn't match connector name in the URL (\(name))")
    }

    private static func bad(_ message: String) -> HerderError { HerderError(status: 400, message: message) }
}
