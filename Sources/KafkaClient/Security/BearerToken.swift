import KafkaProtocol
internal import TransportSecurity

/// Tokens that need no issuer: from a file, or unsigned for tests.
enum BearerToken {
    /// The text of a file without the blanks around it.
    static func read(_ path: String) throws(KafkaError) -> String {
        do throws(TLSError) {
            let text = try TextFileReader.text(path, setting: "sasl.oauthbearer.token.endpoint.url")
            let token = text.split { $0 == "\n" || $0 == "\r" || $0 == " " }.first.map { String($0) }
            guard let token else {
                throw TLSError(.configuration, "sasl.oauthbearer.token.endpoint.url=\(path): the file is empty")
            }
            return token
        } catch {
            throw KafkaError(.invalidConfiguration, error.message, isRetriable: false, cause: error)
        }
    }

    /// A JWT without a signature (`alg` none) that ends in an hour, as Kafka's own login module makes it.
    static func unsecured(subject: String) -> String {
        let now = WallClock.now() / 1000
        let claims = "{\"sub\":\"\(escaped(subject))\",\"iat\":\(now),\"exp\":\(now + 3600)}"
        return [#"{"alg":"none"}"#, claims, ""].map(encoded).joined(separator: ".")
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// Base64 as tokens have it (RFC 7515).
    private static func encoded(_ text: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for index in 0...group.count { result.append(alphabet[bits >> (18 - 6 * index) & 63]) }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
