#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Where schema and payload are in a document.
struct JSONEnvelope {
    static let shape =
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional "
        + "fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter "
        + "configuration."

    let schema: Range<Int>
    let payload: Range<Int>

    init(reading reader: inout JSONReader) throws(JSONError) {
        var schema: Range<Int>?
        var payload: Range<Int>?
        guard reader.peek() == UInt8(ascii: "{") else {
            // Tells broken JSON from JSON that is no envelope.
            _ = try reader.skipValue()
            try reader.expectEnd()
            throw reader.fault(Self.shape)
        }
        try reader.expect("{")
        if !reader.skip("}") {
            repeat {
                let name = try reader.readString()
                try reader.expect(":")
                let value = try reader.skipValue()
                switch name {
                case "schema": schema = value
                case "payload": payload = value
                default: throw reader.fault(Self.shape)
                }
            } while reader.skip(",")
            try reader.expect("}")
        }
        try reader.expectEnd()
        guard let schema, let payload else { throw reader.fault(Self.shape) }
        self.schema = schema
        self.payload = payload
    }
}

/// Known envelopes: by the bytes before the payload, and schemas by their bytes.
struct JSONEnvelopeCache {
    private struct Opening {
        let bytes: [UInt8]
        let plan: JSONPlan
    }

    /// Most recently used first. Few: it is searched in order.
    private var openings: [Opening] = []
    private var plans: [[UInt8]: JSONPlan] = [:]
    private let limit: Int
    private static let openingLimit = 16

    init(limit: Int = 1000) { self.limit = limit }

    /// The plan of a document that starts with known bytes, and where its payload starts.
    mutating func recognise(_ memory: UnsafeBufferPointer<UInt8>) -> (plan: JSONPlan, payload: Int)? {
        for index in openings.indices where openings[index].bytes.isPrefix(of: memory) {
            if index > 0 { openings.swapAt(0, index) }
            return (openings[0].plan, openings[0].bytes.count)
        }
        return nil
    }

    /// The plan of an envelope's schema; nil if the schema is null.
    mutating func plan(
        for envelope: JSONEnvelope, in memory: UnsafeBufferPointer<UInt8>, options: JSONConverter.Options
    ) throws(JSONError) -> JSONPlan? {
        let text = Array(memory[envelope.schema])
        let plan: JSONPlan
        if let known = plans[text] {
            plan = known
        } else {
            guard let schema = try Schema(json: try JSONValue(parsing: text), options: options) else { return nil }
            plan = JSONPlan(schema)
            if plans.count >= limit { plans.removeAll() }
            plans[text] = plan
        }
        if envelope.schema.upperBound < envelope.payload.lowerBound {
            if openings.count >= Self.openingLimit { openings.removeLast() }
            openings.insert(
                Opening(bytes: Array(memory[..<envelope.payload.lowerBound]), plan: plan), at: 0)
        }
        return plan
    }
}

extension [UInt8] {
    /// Whether memory starts with these bytes.
    func isPrefix(of memory: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count <= memory.count else { return false }
        return withUnsafeBytes { own in
            guard let own = own.baseAddress, let other = memory.baseAddress else { return true }
            return memcmp(own, other, count) == 0
        }
    }
}
