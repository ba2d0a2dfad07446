import ConnectAPI
import Logging
import NIOCore
import NIOHTTP1
import OrderedCollections
import NIOConcurrencyHelpers
import Testing

@testable import ConnectRuntime

/// A call of the REST layer without a socket.
struct RESTCaller {
    let herder = FakeHerder()

    func call(
        _ method: HTTPMethod, _ target: String, _ body: String = "", headers: HTTPHeaders? = nil
    ) async throws -> RESTResponse {
        let service = RESTService(herder: herder, baseURL: "http://127.0.0.1:8083", logger: Logger(label: "test"))
        var fields = headers ?? ["Accept": "application/json"]
        if headers == nil, !body.isEmpty { fields.add(name: "Content-Type", value: "application/json") }
        do throws(HerderError) {
            let request = try RESTRequest(
                method: method, target: target, headers: fields, body: ByteBuffer(string: body))
            return await service.respond(to: request)
        } catch {
            return .error(error)
        }
    }

    func json(_ method: HTTPMethod, _ target: String, _ body: String = "") async throws -> JSONValue {
        try JSONValue(parsing: try await call(method, target, body).body ?? [])
    }
}

@Suite struct RESTServiceTests {
    let rest = RESTCaller()
    static let tutorial = """
        {"name":"my-source-connect","config":{"connector.class":"io.confluent.connect.jdbc.JdbcSourceConnector",\
        "connection.url":"jdbc:mysql://root:urlsecret@localhost:3306/mydb?x=1&password=parametersecret",\
        "connection.user":"root","connection.password":"test1357","mode":"incrementing","tasks.max":1}}
        """

    @Test func createsAsTheTutorialDoes() async throws {
        // curl sends the header's name as it is typed.
        let response = try await rest.call(
            .POST, "/connectors", Self.tutorial, headers: ["content-Type": "application/json", "Host": "h:8083"])
        #expect(response.status == .created)
        #expect(response.headers["Location"] == ["http://h:8083/connectors/my-source-connect"])
        let body = try JSONValue(parsing: response.body ?? [])
        #expect(body["name"] == "my-source-connect")
        #expect(body["config"]?["name"] == "my-source-connect")
        #expect(body["config"]?["tasks.max"] == "1")
        #expect(body["type"] == "source")
        #expect(try await rest.json(.GET, "/connectors") == .array(["my-source-connect"]))
        #expect(try await rest.call(.POST, "/connectors", Self.tutorial).status == .conflict)
    }

    /// The lead may be lost between the check and the write: then the write begins anew.
    @Test func aWriteThatARebalanceOvertakesBeginsAnew() async throws {
        rest.herder.state.withLockedValue { $0.overtaken = 2 }
        let answer = try await rest.call(.PUT, "/connectors/x/config", #"{"connector.class":"c"}"#)
        #expect(answer.status == .created)
        #expect(rest.herder.state.withLockedValue { $0.overtaken } == -1)
    }

    @Test func secretsAreNotShown() async throws {
        rest.herder.state.withLockedValue { $0.trace = "cannot reach jdbc:mysql://root:urlsecret@h with test1357" }
        var answers = [try await rest.call(.POST, "/connectors", Self.tutorial)]
        for target in [
            "/connectors/my-source-connect", "/connectors/my-source-connect/config",
            "/connectors/my-source-connect/tasks", "/connectors/my-source-connect/status",
            "/connectors/my-source-connect/tasks/0/status", "/connectors?expand=info&expand=status",
        ] {
            answers.append(try await rest.call(.GET, target))
        }
        answers.append(try await rest.call(.POST, "/connectors/my-source-connect/restart?includeTasks=true"))
        answers.append(
            try await rest.call(
                .PUT, "/connectors/x/config",
                #"{"connector.class":"c","mode":"leak","connection.password":"test1357","connection.url":"jdbc:x://u:urlsecret@h"}"#
            ))
        for answer in answers {
            let text = String(decoding: answer.body ?? [], as: UTF8.self)
            #expect(text.contains("[hidden]"))
            for secret in ["test1357", "urlsecret", "parametersecret"] { #expect(!text.contains(secret)) }
        }
        // The herder has the real ones.
        let stored = rest.herder.state.withLockedValue { $0.connectors["my-source-connect"] }
        #expect(stored?["connection.password"] == "test1357")
    }

    @Test func whatGETShowsCanBePUT() async throws {
        _ = try await rest.call(.POST, "/connectors", Self.tutorial)
        let before = rest.herder.state.withLockedValue { $0.connectors["my-source-connect"] }
        let shown = try await rest.json(.GET, "/connectors/my-source-connect/config").text
        #expect(try await rest.call(.PUT, "/connectors/my-source-connect/config", shown).status == .ok)
        #expect(rest.herder.state.withLockedValue { $0.connectors["my-source-connect"] } == before)
        let patch = #"{"connection.password":"[hidden]","poll.interval.ms":5,"mode":null}"#
        #expect(try await rest.call(.PATCH, "/connectors/my-source-connect/config", patch).status == .ok)
        let after = rest.herder.state.withLockedValue { $0.connectors["my-source-connect"] }
        #expect(after?["connection.password"] == "test1357")
        #expect(after?["poll.interval.ms"] == "5")
        #expect(after?["mode"] == nil)
        // Validation sees the real one.
        let infos = try await rest.json(
            .PUT, "/connector-plugins/\(FakeHerder.sourceClass)/config/validate",
            #"{"name":"my-source-connect","connection.password":"[hidden]"}"#)
        #expect(infos["configs"]?[0]?["value"]?["value"] == "test1357")
        // There is nothing to restore for a connector that is not there.
        let unknown = try await rest.call(
            .PUT, "/connectors/other/config", #"{"connector.class":"c","connection.password":"[hidden]"}"#)
        #expect(unknown.status == .badRequest)
    }

    @Test func namesMayHoldAnything() async throws {
        let body = #"{"name":"a b/c%d","config":{"connector.class":"c"}}"#
        let created = try await rest.call(.POST, "/connectors", body)
        #expect(created.headers["Location"] == ["http://127.0.0.1:8083/connectors/a%20b%2Fc%25d"])
        #expect(try await rest.json(.GET, "/connectors/a%20b%2Fc%25d")["name"] == "a b/c%d")
        #expect(try await rest.call(.DELETE, "/connectors/a%20b%2fc%25d").status == .noContent)
        #expect(try await rest.call(.GET, "/connectors/a%2").status == .badRequest)
        #expect(try await rest.call(.GET, "/connectors/%ff").status == .badRequest)
    }

    @Test(arguments: [
        ("", 400), ("{", 400), ("[]", 400), ("null", 400), ("{}", 400), (#"{"name":"x"}"#, 400),
        (#"{"name":"x","config":{},"foo":1}"#, 400), (#"{"name":"x","config":{"a":null}}"#, 400),
        (#"{"name":"x","config":{"a":{}}}"#, 400), (#"{"name":1,"config":{}}"#, 400),
        (#"{"name":"x","config":{"connector.class":"c","name":"y"}}"#, 400),
        (#"{"name":"x","config":{"connector.class":"c"},"initial_state":"FOO"}"#, 400),
        (#"{"name":"x","config":{"connector.class":"c"},"initial_state":"paused"}"#, 201),
    ])
    func badBodiesAreThePersonsFault(_ body: String, _ status: Int) async throws {
        let response = try await rest.call(
            .POST, "/connectors", body, headers: ["Content-Type": "application/json; charset=utf-8"])
        #expect(Int(response.status.code) == status)
        guard status != 201 else { return }
        let error = try JSONValue(parsing: response.body ?? [])
        #expect(error["error_code"] == .integer(400))
        #expect(error["message"]?.stringValue?.isEmpty == false)
        #expect(response.headers["Content-Type"] == ["application/json"])
    }

    @Test func mediaTypes() async throws {
        func status(_ headers: HTTPHeaders) async throws -> UInt {
            try await rest.call(.POST, "/connectors", Self.tutorial, headers: headers).status.code
        }
        #expect(try await status(["Content-Type": "text/plain"]) == 415)
        #expect(try await status([:]) == 415)
        #expect(try await status(["Content-Type": "application/json", "Accept": "application/xml"]) == 406)
        #expect(
            try await status(["Content-Type": "application/json", "Accept": "text/html, */*;q=0.1"]) == 201)
        let patch = try await rest.call(
            .PATCH, "/connectors/my-source-connect/config", "{}",
            headers: ["Content-Type": "application/merge-patch+json"])
        #expect(patch.status == .ok)
    }

    @Test func methods() async throws {
        let wrong = try await rest.call(.DELETE, "/connectors")
        #expect(wrong.status == .methodNotAllowed)
        #expect(wrong.headers["Allow"] == ["GET,POST,HEAD,OPTIONS"])
        #expect(wrong.headers["Content-Type"] == ["application/json"])
        let options = try await rest.call(.OPTIONS, "/")
        #expect(options.status == .ok)
        #expect(options.headers["Allow"] == ["GET,HEAD,OPTIONS"])
        #expect(try await rest.call(.HEAD, "/connectors").status == .ok)
    }

    @Test func restarts() async throws {
        _ = try await rest.call(.POST, "/connectors", Self.tutorial)
        let path = "/connectors/my-source-connect/restart"
        #expect(try await rest.call(.POST, path).status == .noContent)
        #expect(try await rest.call(.POST, path + "?includeTasks=foo").status == .noContent)
        #expect(try await rest.call(.POST, path + "?includeTasks=TRUE").status == .accepted)
        #expect(try await rest.call(.POST, path + "?onlyFailed=true").status == .accepted)
        #expect(rest.herder.state.withLockedValue { $0.restarts.map(\.includeTasks) } == [false, false, true, false])
    }

    @Test func offsets() async throws {
        _ = try await rest.call(.POST, "/connectors", Self.tutorial)
        let path = "/connectors/my-source-connect/offsets"
        let body = #"{"offsets":[{"partition":{"b":"x","a":1},"offset":{"c":1.5,"d":null}},{"partition":null}]}"#
        #expect(try await rest.call(.PATCH, path, body).status == .ok)
        #expect(
            try await rest.json(.GET, path).text
                == #"{"offsets":[{"partition":{"b":"x","a":1},"offset":{"c":1.5,"d":null}},{"partition":null,"offset":null}]}"#
        )
        for bad in ["{}", #"{"offsets":[]}"#, #"{"offsets":[{"z":1}]}"#, #"{"offsets":[{"partition":{"a":[]}}]}"#] {
            #expect(try await rest.call(.PATCH, path, bad).status == .badRequest)
        }
    }
}
