import ConnectAPI

/// The types that ``Cast`` makes, and how (Kafka's `Cast.castValueToType`). Numbers are narrowed as Java's
/// `Number.intValue` and its like do: whole numbers lose their high bits, floating point ones stop at the ends of the
/// range of an int32 or int64 first.
enum CastType: String, CaseIterable, Sendable {
    case int8, int16, int32, int64, float32, float64, boolean, string

    var schemaType: SchemaType {
        switch self {
        case .int8: .int8
        case .int16: .int16
        case .int32: .int32
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .boolean: .boolean
        case .string: .string
        }
    }

    /// - Throws: a data error if a text is no such number, or if the value is of no type that can be cast.
    func cast(_ value: ConnectValue, of schema: Schema?) throws(ConnectError) -> ConnectValue {
        switch value {
        case .null: return .null
        case .array, .map, .structure:
            throw .data(
                "Cast transformation is not supported for values of type \(SchemaAndValue.kind(of: value))")
        default: break
        }
        if self == .string { return .string(Values.text(value, schema)) }
        switch value {
        case .string(let text):
            guard let parsed = parse(text) else {
                throw .data("Value (\(text)) was out of range for requested data type")
            }
            return parsed
        case .boolean(let flag): return number(Int64(flag ? 1 : 0))
        case .float32(let float): return number(Double(float))
        case .float64(let double): return number(double)
        case .bytes(let bytes):
            guard case .decimal(let scale)? = schema?.logicalType else {
                throw .data("Unexpected value in Cast transformation: bytes that are no decimal")
            }
            return decimal(bytes, scale)
        default: return number(value.integer ?? 0)
        }
    }

    private func number(_ whole: Int64) -> ConnectValue {
        switch self {
        case .int8: .int8(Int8(truncatingIfNeeded: whole))
        case .int16: .int16(Int16(truncatingIfNeeded: whole))
        case .int32: .int32(Int32(truncatingIfNeeded: whole))
        case .int64: .int64(whole)
        case .float32: .float32(Float(whole))
        case .float64: .float64(Double(whole))
        case .boolean: .boolean(whole != 0)
        case .string: .string(String(whole))
        }
    }

    private func number(_ double: Double) -> ConnectValue {
        func saturated<Whole: FixedWidthInteger>(_ type: Whole.Type) -> Whole {
            if double.isNaN { return 0 }
            return Whole(exactly: double.rounded(.towardZero)) ?? (double < 0 ? .min : .max)
        }
        switch self {
        case .int8, .int16, .int32: return number(Int64(saturated(Int32.self)))
        case .int64: return .int64(saturated(Int64.self))
        case .float32: return .float32(Float(double))
        case .float64: return .float64(double)
        case .boolean: return .boolean(saturated(Int64.self) != 0)
        case .string: return .string(JavaNumber.text(of: double))
        }
    }

    /// Java's `BigDecimal.longValue`: the fraction is cut off, then the low 64 bits are taken.
    private func decimal(_ bytes: [UInt8], _ scale: Int) -> ConnectValue {
        let text = ConnectDecimal.text(unscaled: bytes, scale: scale)
        switch self {
        case .float32: return .float32(Float(text) ?? 0)
        case .float64: return .float64(Double(text) ?? 0)
        default:
            let whole = text.prefix { $0 != "." }
            let unscaled = ConnectDecimal.unscaled(text: whole, scale: 0) ?? [0]
            var low = Int64(Int8(bitPattern: unscaled.first ?? 0))
            for byte in unscaled.dropFirst() { low = low << 8 | Int64(byte) }
            return number(low)
        }
    }

    private func parse(_ text: String) -> ConnectValue? {
        switch self {
        case .int8: Int8(text).map { .int8($0) }
        case .int16: Int16(text).map { .int16($0) }
        case .int32: Int32(text).map { .int32($0) }
        case .int64: Int64(text).map { .int64($0) }
        case .float32: Float(text.trimmed).map { .float32($0) }
        case .float64: Double(text.trimmed).map { .float64($0) }
        case .boolean: .boolean(text.lowercased() == "true")
        case .string: .string(text)
        }
    }
}
