internal import COpenSSL

/// Distinguished names as Java's `X500Principal.getName()` writes them: RFC 2253, the last part first, other attributes
/// than those of the RFC as their numbers.
enum DistinguishedName {
    private static let keywords = [
        "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O",
        "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
    ]

    static func text(_ name: OpaquePointer?, _ openSSL: OpenSSL) -> String {
        let functions = openSSL.functions
        var parts: [(set: Int32, text: String)] = []
        for index in 0..<max(0, functions.pointee.X509_NAME_entry_count(name)) {
            guard let entry = functions.pointee.X509_NAME_get_entry(name, index) else { continue }
            let set = functions.pointee.X509_NAME_ENTRY_set(entry)
            let text = attribute(entry, openSSL)
            if let last = parts.indices.last, parts[last].set == set {
                parts[last].text += "+" + text
            } else {
                parts.append((set, text))
            }
        }
        return parts.reversed().map(\.text).joined(separator: ",")
    }

    private static func attribute(_ entry: OpaquePointer, _ openSSL: OpenSSL) -> String {
        let functions = openSSL.functions
        var number = [CChar](repeating: 0, count: 128)
        _ = functions.pointee.OBJ_obj2txt(&number, 128, functions.pointee.X509_NAME_ENTRY_get_object(entry), 1)
        let oid = String(decoding: number.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let data = functions.pointee.X509_NAME_ENTRY_get_data(entry) else { return "" }
        guard let keyword = keywords[oid], let value = value(data, openSSL) else {
            return "\(oid)=#\(encoded(data, openSSL))"
        }
        return "\(keyword)=\(escaped(value))"
    }

    private static func value(_ data: UnsafeMutablePointer<ASN1_STRING>, _ openSSL: OpenSSL) -> String? {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = openSSL.functions.pointee.ASN1_STRING_to_UTF8(&bytes, data)
        guard count >= 0, let bytes else { return nil }
        defer { openSSL.functions.pointee.CRYPTO_free(bytes, nil, 0) }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }

    /// The value as it is in the certificate (DER), in hexadecimal digits.
    private static func encoded(_ data: UnsafeMutablePointer<ASN1_STRING>, _ openSSL: OpenSSL) -> String {
        let functions = openSSL.functions
        let count = Int(functions.pointee.ASN1_STRING_length(data))
        let content = UnsafeBufferPointer(start: functions.pointee.ASN1_STRING_get0_data(data), count: max(0, count))
        let bytes = DER.element(UInt8(truncatingIfNeeded: functions.pointee.ASN1_STRING_type(data)), Array(content))
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    static func escaped(_ value: String) -> String {
        var result = ""
        let characters = Array(value)
        for (index, character) in characters.enumerated() {
            let isAtEdge = character == " " && (index == 0 || index == characters.count - 1)
            if character == "\0" {
                result += "\\00"
                continue
            }
            if isAtEdge || ",=+<>#;\"\\".contains(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }
}

/// The little of ASN.1's encoding (X.690) that is written here.
enum DER {
    /// A type, a length and the content.
    static func element(_ type: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        repeat {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        } while rest > 0
        if content.count >= 128 { length.insert(0x80 | UInt8(truncatingIfNeeded: length.count), at: 0) }
        return [type] + length + content
    }
}
