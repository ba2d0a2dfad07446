import ConnectAPI
import KafkaProtocol
import NIOHTTP1
import OrderedCollections

/// Who may use REST (an extension: Kafka Connect leaves it to `rest.extension.classes`). Users have passwords (HTTP
/// Basic, RFC 7617), programs have tokens (Bearer, RFC 6750); either may be for reading only.
struct RESTAccess: Sendable, Hashable {
    /// What somebody may do.
    enum Role: String, Sendable, Hashable {
        /// All of it.
        case admin
        /// GET, and validating configurations.
        case readOnly = "read-only"
    }

    /// A user's password and role.
    struct User: Sendable, Hashable {
        var password: Secret
        var role: Role
    }

    var users: [String: User] = [:]
    /// Roles by token.
    var tokens: [Secret: Role] = [:]

    /// Reads `name: password` or `name: password, read-only` lines (the form of Kafka's `PropertyFileLoginModule`), and
    /// `token: admin` or `token: read-only` lines.
    /// - Throws: a config error that names the file and the line's name, never a secret.
    static func read(usersFile: String?, tokensFile: String?) throws(ConnectError) -> RESTAccess? {
        guard usersFile != nil || tokensFile != nil else { return nil }
        var access = RESTAccess()
        if let usersFile {
            for (name, value) in try properties(usersFile, "rest.auth.users.file") {
                let (password, role) = try split(value, of: name, in: usersFile)
                guard !password.isEmpty else { throw .config("\(usersFile): user \(name) has no password") }
                access.users[name] = User(password: Secret(password), role: role)
            }
        }
        if let tokensFile {
            for (token, value) in try properties(tokensFile, "rest.auth.tokens.file") {
                guard let role = Role(rawValue: value.trimmed.lowercased()) else {
                    throw .config("\(tokensFile): a token's role must be admin or read-only")
                }
                access.tokens[Secret(token)] = role
            }
        }
        return access
    }

    private static func properties(
        _ path: String, _ option: String
    ) throws(ConnectError) -> OrderedDictionary<String, String> {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.bytes(of: path)
        } catch {
            throw .config("\(option): \(error)")
        }
        guard let result = JavaProperties.parse(String(decoding: bytes, as: UTF8.self)), !result.isEmpty else {
            throw .config("\(option)=\(path): the file is missing, empty, or not in the properties format")
        }
        return result
    }

    private static func split(
        _ value: String, of name: String, in path: String
    ) throws(ConnectError) -> (String, Role) {
        guard let comma = value.lastIndex(of: ",") else { return (value.trimmed, .admin) }
        guard let role = Role(rawValue: String(value[value.index(after: comma)...]).trimmed.lowercased()) else {
            // A password may hold a comma.
            return (value.trimmed, .admin)
        }
        return (String(value[..<comma]).trimmed, role)
    }

    /// Throws 401 if nobody known asks, 403 if they may not do this.
    func check(_ request: RESTRequest, _ route: RESTRoute) throws(HerderError) {
        guard !route.isOpen else { return }
        guard let role = role(of: request.headers.first(name: "Authorization")) else {
            throw HerderError(status: 401, message: "User cannot access the resource.")
        }
        guard role == .admin || route.isForReaders(request.method) else {
            throw HerderError(status: 403, message: "This user may only read.")
        }
    }

    private func role(of header: String?) -> Role? {
        guard let header, let blank = header.firstIndex(of: " ") else { return nil }
        let credentials = String(header[header.index(after: blank)...]).trimmed
        switch header[..<blank].lowercased() {
        case "basic":
            guard let bytes = Base64.decode(credentials.utf8) else { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let colon = text.firstIndex(of: ":"), let user = users[String(text[..<colon])] else { return nil }
            return Self.isEqual(String(text[text.index(after: colon)...]), user.password.revealed) ? user.role : nil
        case "bearer":
            // All are looked at, so that the time taken tells nothing.
            return tokens.reduce(nil as Role?) { Self.isEqual(credentials, $1.key.revealed) ? $1.value : $0 }
        default:
            return nil
        }
    }

    private static func isEqual(_ first: String, _ second: String) -> Bool {
        SHA2.isEqual(SHA2.sha256.hash(Array(first.utf8)), SHA2.sha256.hash(Array(second.utf8)))
    }
}

extension RESTRoute {
    /// Whether nobody need say who they are: load balancers ask for health, workers sign their requests.
    fileprivate var isOpen: Bool {
        switch self {
        case .health, .putTasks, .fence: true
        default: false
        }
    }

    fileprivate func isForReaders(_ method: HTTPMethod) -> Bool {
        if case .validate = self { return true }
        return method == .GET || method == .HEAD
    }
}
