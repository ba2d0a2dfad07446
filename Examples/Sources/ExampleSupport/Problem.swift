import Foundation
public import Hummingbird
import KafkaService

/// An error as `application/problem+json` (RFC 9457).
public struct Problem: Error, Codable, Sendable {
    /// What is wrong with one field.
    public struct FieldError: Codable, Sendable {
        /// The field's name.
        public var field: String
        /// What it should be.
        public var message: String

        /// Names a field's fault.
        public init(_ field: String, _ message: String) {
            self.field = field
            self.message = message
        }
    }

    /// The HTTP status.
    public var status: Int
    /// The kind of problem; the same for all of its kind.
    public var title: String
    /// What is wrong this time.
    public var detail: String?
    /// The fields that are wrong.
    public var errors: [FieldError]?

    /// Describes a problem.
    public init(_ status: HTTPResponse.Status, detail: String? = nil, errors: [FieldError]? = nil) {
        self.status = status.code
        title = status.reasonPhrase
        self.detail = detail
        self.errors = errors
    }

    /// The response.
    public var response: Response {
        JSONResponse.make(
            self, status: HTTPResponse.Status(code: status, reasonPhrase: title), type: "application/problem+json")
    }
}

/// Responses with a JSON body: dates in ISO 8601, keys in order.
public enum JSONResponse {
    /// Makes a response.
    public static func make(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json",
        headers: HTTPFields = [:]
    ) -> Response {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return Response(status: .internalServerError) }
        return text(String(decoding: data, as: UTF8.self), status: status, type: type, headers: headers)
    }

    /// Makes a response of JSON text.
    public static func text(
        _ json: String, status: HTTPResponse.Status = .ok, type: String = "application/json", headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: json)))
    }

    /// Reads a request's JSON body; what is wrong with it becomes a problem that names the field.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from request: Request, limit: Int = 65_536
    ) async throws -> Value {
        guard let body = try? await request.body.collect(upTo: limit) else {
            throw Problem(.contentTooLarge, detail: "the body is longer than \(limit) bytes")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
        } catch DecodingError.keyNotFound(let key, _) {
            throw Problem(.unprocessableContent, errors: [.init(key.stringValue, "is missing")])
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            let field = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw Problem(.unprocessableContent, errors: [.init(field, context.debugDescription)])
        } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
            let field = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw Problem(.unprocessableContent, errors: [.init(field, context.debugDescription)])
        } catch {
            let fields = fractions(in: Data(body.readableBytesView))
            guard fields.isEmpty else {
                throw Problem(.unprocessableContent, errors: fields.map { .init($0, "must be a whole number") })
            }
            throw Problem(.badRequest, detail: "the body is not JSON")
        }
    }

    /// The fields whose numbers are not whole, which `JSONDecoder` reports without a name.
    private static func fractions(in data: Data) -> [String] {
        guard let values = try? JSONDecoder().decode([String: Scalar].self, from: data) else { return [] }
        return values.filter { $0.value.isFraction }.keys.sorted()
    }

    private struct Scalar: Decodable {
        var isFraction: Bool

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            guard let number = try? container.decode(Double.self) else {
                isFraction = false
                return
            }
            isFraction = Int64(exactly: number) == nil
        }
    }
}
