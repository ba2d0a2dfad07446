import ConnectAPI
import KafkaProtocol
import NIOCore

/// Headers as text, as Connect's default `SimpleHeaderConverter` writes them. Reading does not guess types: a header
/// arrives as a string.
enum HeaderText {
    static func recordHeader(_ header: ConnectHeader) -> RecordHeader {
        RecordHeader(key: header.key, value: text(header).map { ByteBuffer(string: $0) })
    }

    static func connectHeader(_ header: RecordHeader) -> ConnectHeader {
        guard let value = header.value else { return ConnectHeader(key: header.key, value: .null) }
        return ConnectHeader(key: header.key, schema: .string, value: .string(String(buffer: value)))
    }

    private static func text(_ header: ConnectHeader) -> String? {
        header.value.isNull ? nil : ValueText.text(header.value, header.schema)
    }
}
