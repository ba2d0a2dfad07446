import ConnectAPI
import KafkaProtocol
import NIOCore

/// Headers as text, as Connect's default `SimpleHeaderConverter` writes them. Reading does not guess types: a header
/// arrives as a string.
enum HeaderText {
    static func recordHeader(_ header: ConnectHeader) -> RecordHeader {
        RecordHeader(key: header.key, value: text(header.value).map { ByteBuffer(string: $0) })
    }

    static func connectHeader(_ header: RecordHeader) -> ConnectHeader {
        guard let value = header.value else { return ConnectHeader(key: header.key, value: .null) }
        return ConnectHeader(key: header.key, schema: .string, value: .string(String(buffer: value)))
    }

    private static func text(_ value: ConnectValue) -> String? {
        if value.isNull { return nil }
        if let number = value.integer { return String(number) }
        switch value {
        case .string(let text): return text
        case .boolean(let flag): return flag ? "true" : "false"
        case .float32(let number): return JSONValue.double(Double(number)).text
        case .float64(let number): return JSONValue.double(number).text
        default: return "\(value)"
        }
    }
}
