import ConnectAPI
import NIOCore
import NIOHTTP1
import OrderedCollections

/// One HTTP request, read completely.
struct RESTRequest: Sendable {
    /// What clients may send. HEAD is answered as GET.
    let method: HTTPMethod
    /// The path's segments, percent-decoded one by one, so that an encoded slash stays inside its segment. Empty
    /// segments (a slash at the end, two in a row) are dropped.
    let path: [String]
    /// The query's parameters in order.
    let query: [(name: String, value: String)]
    let headers: HTTPHeaders
    let body: ByteBuffer
    /// The path as it was sent, without the query.
    let encodedPath: String

    /// - Throws: 400 if the target is not percent-encoded UTF-8.
    init(method: HTTPMethod, target: String, headers: HTTPHeaders, body: ByteBuffer) throws(HerderError) {
        self.method = method
        self.headers = headers
        self.body = body
        // A proxy sends the whole URL.
        var target = target[...]
        if let scheme = target.firstRange(of: "://"), !target.hasPrefix("/") {
            target = target[scheme.upperBound...].drop { $0 != "/" && $0 != "?" }
        }
        let pathText = target.prefix { $0 != "?" && $0 != "#" }
        let queryText = target.dropFirst(pathText.count).drop { $0 == "?" }.prefix { $0 != "#" }
        encodedPath = String(pathText)
        var path: [String] = []
        for segment in pathText.split(separator: "/") { path.append(try PercentCoding.decode(segment)) }
        var query: [(name: String, value: String)] = []
        for pair in queryText.split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            let value = pair.dropFirst(name.count + 1)
            query.append(
                (
                    try PercentCoding.decode(name, plusIsBlank: true),
                    try PercentCoding.decode(value, plusIsBlank: true)
                ))
        }
        self.path = path
        self.query = query
    }

    /// All values of a query parameter.
    func values(of name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    /// Java's `Boolean.valueOf`: true in any case is true, all else is false.
    func flag(_ name: String, default defaultValue: Bool = false) -> Bool {
        values(of: name).first.map { $0.lowercased() == "true" } ?? defaultValue
    }
}

/// One answer.
struct RESTResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    /// The body; nil for none.
    var body: [UInt8]?

    init(_ status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: [UInt8]? = nil) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer with a JSON body.
    static func json(_ value: JSONValue, status: HTTPResponseStatus = .ok) -> RESTResponse {
        RESTResponse(status, headers: ["Content-Type": "application/json"], body: value.bytes)
    }

    /// Connect's error body.
    static func error(_ error: HerderError) -> RESTResponse {
        .json(
            .object(["error_code": .integer(Int64(error.status)), "message": .string(error.message)]),
            status: HTTPResponseStatus(statusCode: error.status))
    }
}

/// Percent-encoding of URLs (RFC 3986).
enum PercentCoding {
    static func decode(_ text: Substring, plusIsBlank: Bool = false) throws(HerderError) -> String {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexValue), let low = iterator.next().flatMap(hexValue) else {
                    throw HerderError(status: 400, message: "Bad percent-encoding in the URL")
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw HerderError(status: 400, message: "The URL is not UTF-8")
        }
        return decoded
    }

    /// Encodes a text as one path segment, slashes too.
    static func encodeSegment(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isUnreserved =
                scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            if isUnreserved || "-._~".unicodeScalars.contains(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
