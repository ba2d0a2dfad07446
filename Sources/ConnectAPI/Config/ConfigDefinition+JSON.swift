import OrderedCollections

extension ConfigDefinition.Key {
    /// The option as Kafka's REST API describes it.
    public var json: JSONValue {
        let (isRequired, shown): (Bool, JSONValue) =
            switch defaultValue {
            case .required: (true, .null)
            case .null: (false, .null)
            case .value(let text): (false, .string(type == .password ? Secret.hidden : text))
            }
        return .object([
            "name": .string(name),
            "type": .string(type.rawValue),
            "required": .bool(isRequired),
            "default_value": shown,
            "importance": .string(importance.rawValue),
            "documentation": .string(doc),
            "group": group.map { .string($0) } ?? .null,
            "order_in_group": .integer(Int64(order)),
            "width": .string(width.rawValue),
            "display_name": .string(displayName),
            "dependents": .array(dependents.map { .string($0) }),
        ])
    }
}

extension ConfigValue {
    /// The result as Kafka's REST API shows it.
    public var json: JSONValue {
        .object([
            "name": .string(name),
            "value": value.map { .string($0) } ?? .null,
            "recommended_values": .array(recommendedValues.map { .string($0) }),
            "errors": .array(errors.map { .string($0) }),
            "visible": .bool(isVisible),
        ])
    }
}
