import ConnectAPI

/// Values as text and back, as Kafka's class `Values` has them for headers, `Cast` to string and `InsertHeader`.
///
/// Times keep the form of their type; Java writes a timestamp at midnight as a date, and one before 1970 without its
/// day.
enum Values {
    static let date = try? DateFormat("yyyy-MM-dd")
    static let time = try? DateFormat("HH:mm:ss.SSS'Z'")
    static let timestamp = try? DateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")

    /// Bytes are in base 64, arrays, maps and structs look like JSON.
    static func text(_ value: ConnectValue, _ schema: Schema?) -> String {
        var text = ""
        append(value, schema, isEmbedded: false, to: &text)
        return text
    }

    private static func append(_ value: ConnectValue, _ schema: Schema?, isEmbedded: Bool, to text: inout String) {
        switch (value, schema?.logicalType) {
        case (.int32(let days), .date?): text += moment(Int64(days) * 86_400_000, date)
        case (.int32(let millis), .time?): text += moment(Int64(millis), time)
        case (.int64(let millis), .timestamp?): text += moment(millis, timestamp)
        case (.bytes(let bytes), .decimal(let scale)?): text += ConnectDecimal.javaText(unscaled: bytes, scale: scale)
        case (.string(let string), _): text += isEmbedded ? quoted(string) : string
        case (.boolean(let flag), _): text += flag ? "true" : "false"
        case (.float32(let float), _): text += JavaNumber.text(of: float)
        case (.float64(let double), _): text += JavaNumber.text(of: double)
        case (.bytes(let bytes), _):
            let string = Base64.text(bytes)
            text += isEmbedded ? quoted(string) : string
        case (.array(let elements), _):
            join(elements, "[", "]", &text) { append($0, schema?.valueSchema, isEmbedded: true, to: &$1) }
        case (.map(let map), _):
            join(map.entries, "{", "}", &text) { entry, text in
                append(entry.key, schema?.keySchema, isEmbedded: true, to: &text)
                text += ":"
                append(entry.value, schema?.valueSchema, isEmbedded: true, to: &text)
            }
        case (.structure(let structure), _):
            join(zip(structure.schema.fields, structure.values), "{", "}", &text) { member, text in
                let (field, value) = member
                text += quoted(field.name) + ":"
                let shown = value.isNull ? field.schema.defaultValue ?? value : value
                append(shown, field.schema, isEmbedded: true, to: &text)
            }
        default: text += value.integer.map { String($0) } ?? "null"
        }
    }

    private static func join<Elements: Sequence>(
        _ elements: Elements, _ begin: String, _ end: String, _ text: inout String,
        append: (Elements.Element, inout String) -> Void
    ) {
        text += begin
        var isFirst = true
        for element in elements {
            if !isFirst { text += "," }
            isFirst = false
            append(element, &text)
        }
        text += end
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result + "\""
    }

    private static func moment(_ millis: Int64, _ format: DateFormat?) -> String {
        format?.text(millis: millis) ?? String(millis)
    }
}
