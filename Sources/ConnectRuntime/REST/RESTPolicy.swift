import ConnectAPI
import NIOHTTP1

/// What holds for every answer of a listener: who may ask, from which pages, and headers to add.
struct RESTPolicy: Sendable, Hashable {
    /// What a listener serves.
    enum Scope: Sendable, Hashable {
        case everything
        /// All but `/admin`.
        case withoutAdmin
        /// Only `/admin`.
        case admin
    }

    /// A header that `response.http.headers.config` adds.
    struct Header: Sendable, Hashable {
        var name: String
        var value: String
        /// `set`: replaces what is there.
        var replaces: Bool
    }

    var scope = Scope.everything
    var access: RESTAccess?
    /// `access.control.allow.origin`; empty switches CORS off.
    var allowedOrigins: [String] = []
    /// `access.control.allow.methods`.
    var allowedMethods: [String] = []
    /// `response.http.headers.config`.
    var headers: [Header] = []

    func isServed(_ path: [String]) -> Bool {
        switch scope {
        case .everything: true
        case .withoutAdmin: path.first != "admin"
        case .admin: path.first == "admin"
        }
    }

    // MARK: CORS

    /// The answer to a browser that asks beforehand; nil if this is no such question, or its origin is not allowed.
    func preflight(_ request: RESTRequest) -> RESTResponse? {
        guard request.method == .OPTIONS, origin(of: request) != nil,
            request.headers.first(name: "Access-Control-Request-Method") != nil
        else { return nil }
        let methods = allowedMethods.isEmpty ? ["GET", "POST", "HEAD"] : allowedMethods
        return RESTResponse(
            .ok,
            headers: [
                "Access-Control-Allow-Methods": methods.joined(separator: ","),
                "Access-Control-Allow-Headers": "X-Requested-With,Content-Type,Accept,Origin,Authorization",
                "Access-Control-Max-Age": "1800",
            ])
    }

    /// Adds what every answer has.
    func complete(_ response: inout RESTResponse, to request: RESTRequest) {
        if let origin = origin(of: request) {
            response.headers.replaceOrAdd(name: "Access-Control-Allow-Origin", value: origin)
            response.headers.add(name: "Vary", value: "Origin")
        }
        for header in headers {
            if header.replaces {
                response.headers.replaceOrAdd(name: header.name, value: header.value)
            } else {
                response.headers.add(name: header.name, value: header.value)
            }
        }
    }

    private func origin(of request: RESTRequest) -> String? {
        guard let origin = request.headers.first(name: "Origin") else { return nil }
        return allowedOrigins.contains("*") || allowedOrigins.contains(origin) ? origin : nil
    }

    /// Parses `response.http.headers.config`: `set X-Frame-Options: DENY, "add Cache-Control: no-cache, no-store"`.
    static func headers(_ text: String) throws(ConnectError) -> [Header] {
        var result: [Header] = []
        for part in parts(of: text) {
            let words = part.split(separator: " ", maxSplits: 1).map { String($0).trimmed }
            let pair = words.last?.split(separator: ":", maxSplits: 1).map { String($0).trimmed } ?? []
            guard words.count == 2, ["set", "add"].contains(words[0].lowercased()), pair.count == 2, !pair[0].isEmpty
            else {
                throw .config(
                    "response.http.headers.config: \(part) must be of the form set NAME: VALUE or add NAME: VALUE")
            }
            result.append(Header(name: pair[0], value: pair[1], replaces: words[0].lowercased() == "set"))
        }
        return result
    }

    private static func parts(of text: String) -> [String] {
        var parts = [""]
        var isQuoted = false
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: parts.append("")
            default: parts[parts.count - 1].append(character)
            }
        }
        return parts.map(\.trimmed).filter { !$0.isEmpty }
    }
}
