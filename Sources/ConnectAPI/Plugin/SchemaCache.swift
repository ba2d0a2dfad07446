/// Remembers what has been worked out for a schema object, so that it is done once per schema and not per record.
/// Records of a table share one object, hence the last one is looked at first, and found by identity.
public struct SchemaCache<Value> {
    private var last: (schema: Schema, value: Value)?
    private var others: [ObjectIdentifier: (schema: Schema, value: Value)] = [:]
    private let limit: Int

    /// An empty cache.
    /// - Parameter limit: how many schemas are remembered; when there are more it starts anew.
    public init(limit: Int = 64) {
        self.limit = limit
    }

    /// The value of a schema, made if it is not known.
    public mutating func value(
        for schema: Schema, make: (Schema) throws(ConnectError) -> Value
    ) throws(ConnectError) -> Value {
        if let last, last.schema === schema { return last.value }
        let identifier = ObjectIdentifier(schema)
        // The entry holds the schema, so the address cannot have been given to another one.
        if let known = others[identifier] {
            last = known
            return known.value
        }
        let made = (schema: schema, value: try make(schema))
        if others.count >= limit { others.removeAll(keepingCapacity: true) }
        others[identifier] = made
        last = made
        return made.value
    }
}
