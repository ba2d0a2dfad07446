import ConnectAPI
import Logging
import NIOCore
import NIOHTTP1
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Who may ask, from where, and what is told of what there is.
struct RESTPolicyTests {
    private func service(_ policy: RESTPolicy) -> RESTService {
        RESTService(
            herder: FakeHerder(), baseURL: "http://w:1",
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            policy: policy)
    }

    private func ask(
        _ policy: RESTPolicy, _ method: HTTPMethod, _ path: String, _ headers: HTTPHeaders = [:]
    ) async throws -> RESTResponse {
        await service(policy).respond(
            to: try RESTRequest(method: method, target: path, headers: headers, body: ByteBuffer()))
    }

    private var guarded: RESTPolicy {
        var access = RESTAccess()
        access.users["ann"] = .init(password: Secret("s3cret:x"), role: .admin)
        access.users["bob"] = .init(password: Secret("look"), role: .readOnly)
        access.tokens[Secret("tok")] = .readOnly
        var policy = RESTPolicy()
        policy.access = access
        return policy
    }

    private func basic(_ credentials: String) -> HTTPHeaders {
        var text: [UInt8] = []
        Base64.encode(Array(credentials.utf8), into: &text)
        return ["Authorization": "Basic " + String(decoding: text, as: UTF8.self)]
    }

    @Test func onlyWhoIsKnownMayAsk() async throws {
        let refused = try await ask(guarded, .GET, "/connectors")
        #expect(refused.status == .unauthorized)
        #expect(refused.headers.first(name: "WWW-Authenticate") == "Basic realm=\"connect\"")
        #expect(try await ask(guarded, .GET, "/connectors", basic("ann:s3cret:x")).status == .ok)
        #expect(try await ask(guarded, .GET, "/connectors", basic("ann:wrong")).status == .unauthorized)
        #expect(try await ask(guarded, .GET, "/connectors", basic("eve:s3cret:x")).status == .unauthorized)
        #expect(try await ask(guarded, .GET, "/connectors", ["Authorization": "Bearer tok"]).status == .ok)
        #expect(try await ask(guarded, .GET, "/connectors", ["Authorization": "Bearer no"]).status == .unauthorized)
        // A load balancer need not know a password.
        #expect(try await ask(guarded, .GET, "/health").status == .ok)
    }

    @Test func whoMayOnlyReadChangesNothing() async throws {
        #expect(try await ask(guarded, .GET, "/admin/loggers", basic("bob:look")).status == .ok)
        #expect(try await ask(guarded, .DELETE, "/connectors/x", basic("bob:look")).status == .forbidden)
        #expect(
            try await ask(guarded, .PUT, "/connectors/x/pause", ["Authorization": "Bearer tok"]).status == .forbidden)
        #expect(try await ask(guarded, .DELETE, "/connectors/x", basic("ann:s3cret:x")).status == .notFound)
    }

    @Test func adminMayHaveAListenerOfItsOwn() async throws {
        var policy = RESTPolicy()
        policy.scope = .withoutAdmin
        #expect(try await ask(policy, .GET, "/admin/loggers").status == .notFound)
        #expect(try await ask(policy, .GET, "/connectors").status == .ok)
        policy.scope = .admin
        #expect(try await ask(policy, .GET, "/admin/loggers").status == .ok)
        #expect(try await ask(policy, .GET, "/connectors").status == .notFound)
    }

    @Test func pagesOfAllowedOriginsMayAsk() async throws {
        var policy = RESTPolicy()
        policy.allowedOrigins = ["https://ui.example"]
        policy.allowedMethods = ["GET", "PUT"]
        let headers: HTTPHeaders = ["Origin": "https://ui.example"]
        let answer = try await ask(policy, .GET, "/connectors", headers)
        #expect(answer.headers.first(name: "Access-Control-Allow-Origin") == "https://ui.example")
        let other = try await ask(policy, .GET, "/connectors", ["Origin": "https://evil.example"])
        #expect(other.headers.first(name: "Access-Control-Allow-Origin") == nil)
        let preflight = try await ask(
            policy, .OPTIONS, "/connectors",
            ["Origin": "https://ui.example", "Access-Control-Request-Method": "PUT"])
        #expect(preflight.headers.first(name: "Access-Control-Allow-Methods") == "GET,PUT")
    }

    @Test func answersHaveTheConfiguredHeaders() async throws {
        var policy = RESTPolicy()
        policy.headers = try RESTPolicy.headers("set X-Frame-Options: DENY, \"add Cache-Control: no-cache, no-store\"")
        let answer = try await ask(policy, .GET, "/connectors")
        #expect(answer.headers.first(name: "X-Frame-Options") == "DENY")
        #expect(answer.headers.first(name: "Cache-Control") == "no-cache, no-store")
        #expect(throws: ConnectError.self) { try RESTPolicy.headers("DENY") }
    }

    /// What is described is there, and what is there is described.
    @Test func theDescriptionIsTrue() async throws {
        let answer = try await ask(RESTPolicy(), .GET, "/openapi.json")
        let document = try JSONValue(parsing: try #require(answer.body))
        let paths = try #require(document["paths"]?.objectValue)
        var described = Set<String>()
        for (path, operations) in paths {
            let segments = path.split(separator: "/").map { segment in
                segment == "{task}" ? "0" : String(segment.filter { $0 != "{" && $0 != "}" })
            }
            for method in try #require(operations.objectValue).keys {
                described.insert("\(method.uppercased()) \(path)")
                guard case .route = RESTRouter.match(method: HTTPMethod(rawValue: method.uppercased()), path: segments)
                else {
                    Issue.record("\(method) \(path) is described, but is not there")
                    continue
                }
            }
            // Every method that the path has.
            guard case .options(let allowed) = RESTRouter.match(method: .OPTIONS, path: segments) else {
                Issue.record("\(path) is not there")
                continue
            }
            for method in allowed where method != "HEAD" && method != "OPTIONS" {
                #expect(described.contains("\(method) \(path)"), "\(method) \(path) is not described")
            }
        }
        #expect(described.count == OpenAPI.operations.count)
        // Every schema that is referred to is defined.
        let text = document.text
        let defined = Set(OpenAPI.schemas.keys)
        for part in text.components(after: "#/components/schemas/") { #expect(defined.contains(part), "\(part)") }
    }
}

extension String {
    /// What stands between a marker and the next quote, for each time the marker occurs.
    fileprivate func components(after marker: String) -> [String] {
        var result: [String] = []
        var rest = Substring(self)
        while let found = rest.firstRange(of: marker) {
            rest = rest[found.upperBound...]
            result.append(String(rest.prefix { $0 != "\"" }))
        }
        return result
    }
}
