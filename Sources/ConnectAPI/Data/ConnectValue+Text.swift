extension ConnectValue {
    /// The value as Java's `toString` shows it, which is what `StringConverter` and the file sink write: decimals by
    /// their scale, `[1, 2]`, `{k=v}`, `Struct{a=1}` without fields that are null. Bytes are in base 64, for Java shows
    /// the address of the object; dates and times are the numbers that carry them.
    /// - Parameter schema: the value's schema, which tells decimals from bytes; that of a struct is its own.
    public func javaText(_ schema: Schema?) -> String {
        switch self {
        case .null: return "null"
        case .int8, .int16, .int32, .int64: return integer.map { String($0) } ?? ""
        case .float32(let number): return JavaNumber.text(of: number)
        case .float64(let number): return JavaNumber.text(of: number)
        case .boolean(let flag): return flag ? "true" : "false"
        case .string(let text): return text
        case .bytes(let bytes):
            if case .decimal(let scale)? = schema?.logicalType {
                return ConnectDecimal.javaText(unscaled: bytes, scale: scale)
            }
            return Base64.text(bytes)
        case .array(let elements):
            return "[" + elements.map { $0.javaText(schema?.valueSchema) }.joined(separator: ", ") + "]"
        case .map(let map):
            let entries = map.entries.map {
                "\($0.key.javaText(schema?.keySchema))=\($0.value.javaText(schema?.valueSchema))"
            }
            return "{" + entries.joined(separator: ", ") + "}"
        case .structure(let structure):
            let fields = zip(structure.schema.fields, structure.values).filter { !$1.isNull }
                .map { "\($0.name)=\($1.javaText($0.schema))" }
            return "Struct{" + fields.joined(separator: ",") + "}"
        }
    }
}
