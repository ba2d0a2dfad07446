public import ConnectAPI
import NIOCore
import NIOHTTP1

/// Asks a worker's REST interface: Sluice's or Kafka Connect's.
public struct ConnectRESTClient: Sendable {
    /// The methods of the interface.
    public enum Method: String, Sendable {
        /// Asks.
        case get = "GET"
        /// Creates, or lets something happen.
        case post = "POST"
        /// Sets.
        case put = "PUT"
        /// Changes a part.
        case patch = "PATCH"
        /// Removes.
        case delete = "DELETE"
    }

    /// Why a request was not done.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// The HTTP status; nil if there was no answer.
        public var status: Int?
        /// The worker's message, or why there is no answer.
        public var message: String
        /// The message.
        public var description: String { message }
    }

    private let url: String
    private let headers: HTTPHeaders

    /// - Parameters:
    ///   - url: where the worker answers, such as `http://localhost:8083`.
    ///   - authorization: the header `Authorization`, such as `Bearer TOKEN`.
    public init(url: String, authorization: String? = nil) {
        self.url = url
        var headers = HTTPHeaders([("Accept", "application/json"), ("Content-Type", "application/json")])
        if let authorization { headers.add(name: "Authorization", value: authorization) }
        self.headers = headers
    }

    /// The value of `Authorization` for a user (HTTP Basic).
    public static func basic(user: String, password: String) -> String {
        "Basic " + Base64.text(Array("\(user):\(password)".utf8))
    }

    /// A name as a part of a path.
    public static func segment(_ name: String) -> String { PercentCoding.encodeSegment(name) }

    /// Asks, and waits 90 seconds at most.
    /// - Parameter path: with a slash in front, and the query.
    /// - Returns: the answer's JSON; null if it has no body.
    /// - Throws: ``Failure``, also for statuses of 400 and above.
    public func call(_ method: Method, _ path: String, body: JSONValue? = nil) async throws(Failure) -> JSONValue {
        let answer: WorkerRESTClient.Answer
        do {
            answer = try await WorkerRESTClient().send(
                HTTPMethod(rawValue: method.rawValue), to: url, target: path, headers: headers,
                body: ByteBuffer(bytes: body?.bytes ?? []), timeout: .seconds(90))
        } catch {
            throw Failure(message: "\(error)")
        }
        let json = answer.body.isEmpty ? JSONValue.null : (try? JSONValue(parsing: answer.body))
        guard answer.status.code < 400 else {
            let text = json?["message"]?.stringValue ?? answer.status.reasonPhrase
            throw Failure(status: Int(answer.status.code), message: text)
        }
        guard let json else { throw Failure(message: "\(url) answers, but not with JSON: is it a Connect worker?") }
        return json
    }
}
