import ConnectAPI
import OrderedCollections

/// The JSON of what a herder answers. Configurations are shown as they are given: whoever has secrets masks first.
extension ConnectorInfo {
    var json: JSONValue {
        .object([
            "name": .string(name),
            "config": .strings(config),
            "tasks": .array(tasks.map(\.json)),
            "type": .string(type.rawValue),
        ])
    }
}

extension TaskID {
    var json: JSONValue {
        .object(["connector": .string(connector), "task": .integer(Int64(task))])
    }
}

extension TaskInfo {
    var json: JSONValue {
        .object(["id": id.json, "config": .strings(config)])
    }
}

extension ConnectorStatus {
    var json: JSONValue {
        .object([
            "name": .string(name),
            "connector": .object(
                stateMembers(connector.state, connector.workerID, connector.trace, connector.version)),
            "tasks": .array(tasks.map(\.json)),
            "type": .string(type.rawValue),
        ])
    }
}

extension TaskStatus {
    var json: JSONValue {
        var members: OrderedDictionary<String, JSONValue> = ["id": .integer(Int64(id))]
        members.merge(stateMembers(state, workerID, trace, version)) { first, _ in first }
        return .object(members)
    }
}

private func stateMembers(
    _ state: RunState, _ workerID: String, _ trace: String?, _ version: String?
) -> OrderedDictionary<String, JSONValue> {
    var members: OrderedDictionary<String, JSONValue> = [
        "state": .string(state.rawValue), "worker_id": .string(workerID),
    ]
    if let trace { members["trace"] = .string(trace) }
    if let version { members["version"] = .string(version) }
    return members
}

extension ConnectorOffset {
    var json: JSONValue {
        .object(["partition": .offsets(partition), "offset": .offsets(offset)])
    }
}

extension PluginInfo {
    var json: JSONValue {
        .object(["class": .string(className), "type": .string(type), "version": .string(version)])
    }
}

extension ConfigKeyInfo {
    var json: JSONValue {
        .object([
            "name": .string(name),
            "type": .string(type),
            "required": .bool(isRequired),
            "default_value": .text(defaultValue),
            "importance": .string(importance),
            "documentation": .string(documentation),
            "group": .text(group),
            "order_in_group": .integer(Int64(orderInGroup)),
            "width": .string(width),
            "display_name": .string(displayName),
            "dependents": .array(dependents.map { .string($0) }),
        ])
    }
}

extension ConfigValueInfo {
    var json: JSONValue {
        .object([
            "name": .string(name),
            "value": .text(value),
            "recommended_values": .array(recommendedValues.map { .string($0) }),
            "errors": .array(errors.map { .string($0) }),
            "visible": .bool(isVisible),
        ])
    }
}

extension ConfigInfos {
    var json: JSONValue {
        .object([
            "name": .string(name),
            "error_count": .integer(Int64(errorCount)),
            "groups": .array(groups.map { .string($0) }),
            "configs": .array(
                configs.map { .object(["definition": $0.definition?.json ?? .null, "value": $0.value.json]) }),
        ])
    }
}

extension LoggerLevel {
    var json: JSONValue {
        .object(["level": .string(level), "last_modified": lastModified.map { .integer($0) } ?? .null])
    }
}

extension ServerInfo {
    var json: JSONValue {
        .object([
            "version": .string(version), "commit": .string(commit), "kafka_cluster_id": .text(kafkaClusterID),
        ])
    }
}

extension JSONValue {
    fileprivate static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    fileprivate static func strings(_ pairs: OrderedDictionary<String, String>) -> JSONValue {
        .object(pairs.mapValues { .string($0) })
    }

    fileprivate static func offsets(_ pairs: OrderedDictionary<String, OffsetValue>?) -> JSONValue {
        guard let pairs else { return .null }
        return .object(
            pairs.mapValues { value in
                switch value {
                case .null: .null
                case .boolean(let flag): .bool(flag)
                case .integer(let number): .integer(number)
                case .double(let number): .double(number)
                case .string(let text): .string(text)
                }
            })
    }
}
