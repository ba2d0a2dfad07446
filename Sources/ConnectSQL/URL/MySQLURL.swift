import ConnectAPI

/// A MySQL or MariaDB URL in any of the forms that Connector/J and MariaDB's connector document:
/// `//host:port,host2/db?p=v`, `//user:password@host/db`, `//[::1]:3306/db`, `//address=(host=h)(port=p)/db`,
/// `//(host=h,port=p)/db`, each with a mode such as `loadbalance:` before the slashes.
struct MySQLURL: Sendable {
    /// One server.
    struct Host: Sendable, Hashable {
        var name: String
        var port: UInt32
    }

    /// The servers in the order in which they are tried.
    var hosts: [Host]
    /// What the driver needs for the first of them.
    var options = MariaDBConnection.Options()
    /// Parameters that mean nothing here.
    var unknownParameters: [String] = []

    /// Reads what follows `jdbc:`.
    init(_ text: Substring) throws(ConnectError) {
        guard let slashes = text.range(ofText: "//") else {
            throw .config("connection.url has no // after the driver's name: \(JDBCURL.masked("jdbc:" + text))")
        }
        let rest = text[text.index(slashes, offsetBy: 2)...]
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let location = parts.first ?? ""
        let slash = location.lastIndex(of: "/")
        let authority = slash.map { location[..<$0] } ?? location
        let database = slash.map { location[location.index(after: $0)...] } ?? ""
        if !database.isEmpty { options.database = JDBCURL.decoded(database) }
        hosts = []
        for entry in Self.split(authority) { try add(entry) }
        if hosts.isEmpty { hosts = [Host(name: "localhost", port: 3306)] }
        options.host = hosts[0].name
        options.port = hosts[0].port
        for (name, value) in parts.count > 1 ? JDBCURL.parameters(parts[1]) : [] { try set(name, value) }
    }

    /// Applies a parameter of the URL, or a `connection.<name>` option. The names are those of both Java drivers.
    mutating func set(_ name: String, _ value: String) throws(ConnectError) {
        switch name.lowercased() {
        case "user", "username": options.user = value
        case "password": options.password = Secret(value)
        case "connecttimeout": options.connectTimeout = try milliseconds(name, value)
        case "sockettimeout": options.readTimeout = try milliseconds(name, value)
        case "localsocket", "pipe": options.socket = value
        case "zerodatetimebehavior": options.decoding.zeroDates = try zeroDates(value)
        case "transformedbitisboolean": options.decoding.tinyIntIsBoolean = try boolean(name, value)
        case "tinyint1isbit": _ = try boolean(name, value)
        case "usecompression": options.compresses = try boolean(name, value)
        case "sslmode", "usessl", "requiressl", "verifyservercertificate", "trustservercertificate":
            try setTLS(name, value)
        case "serversslcert", "sslca": options.tls.authority = value
        case "sslcert": options.tls.certificate = value
        case "sslkey": options.tls.key = value
        case "tlsversions", "enabledsslprotocolsuites", "enabledtlsprotocols": options.tls.versions = value
        case "trustcertificatekeystoreurl", "clientcertificatekeystoreurl", "truststore", "keystore":
            throw .config(
                "Parameter \(name) of connection.url names a Java key store, which only a JVM can read; give PEM files "
                    + "with serverSslCert, sslCert and sslKey")
        default: unknownParameters.append(name)
        }
    }

    // MARK: authority

    /// Splits at commas that are outside of parentheses and brackets.
    private static func split(_ authority: Substring) -> [Substring] {
        var parts: [Substring] = []
        var depth = 0
        var start = authority.startIndex
        for index in authority.indices {
            switch authority[index] {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "," where depth == 0:
                parts.append(authority[start..<index])
                start = authority.index(after: index)
            default: break
            }
        }
        parts.append(authority[start...])
        return parts.filter { !$0.isEmpty }
    }

    private mutating func add(_ entry: Substring) throws(ConnectError) {
        var entry = entry
        if entry.hasPrefix("address=") || entry.hasPrefix("(") {
            try addKeyed(entry)
            return
        }
        if let at = entry.lastIndex(of: "@") {
            let credentials = entry[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            options.user = JDBCURL.decoded(credentials[0])
            if credentials.count > 1 { options.password = Secret(JDBCURL.decoded(credentials[1])) }
            entry = entry[entry.index(after: at)...]
        }
        if entry.hasPrefix("["), let close = entry.firstIndex(of: "]") {
            let name = entry[entry.index(after: entry.startIndex)..<close]
            let rest = entry[entry.index(after: close)...]
            hosts.append(Host(name: String(name), port: try port(rest.hasPrefix(":") ? rest.dropFirst() : "")))
            return
        }
        let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts[0].isEmpty ? "localhost" : JDBCURL.decoded(parts[0])
        hosts.append(Host(name: name, port: try port(parts.count > 1 ? parts[1] : "")))
    }

    private mutating func addKeyed(_ entry: Substring) throws(ConnectError) {
        var host = Host(name: "localhost", port: 3306)
        let pairs = entry.drop { $0 != "(" }.split { "(),".contains($0) }
        for pair in pairs {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let value = parts.count > 1 ? parts[1] : ""
            switch name.lowercased() {
            case "host": host.name = JDBCURL.decoded(value)
            case "port": host.port = try port(value)
            case "type", "protocol": break
            default: try set(name, JDBCURL.decoded(value))
            }
        }
        hosts.append(host)
    }

    private func port(_ text: Substring) throws(ConnectError) -> UInt32 {
        if text.isEmpty { return 3306 }
        guard let port = UInt16(text), port > 0 else {
            throw .config("connection.url has a port that is no number from 1 to 65535: \(text)")
        }
        return UInt32(port)
    }

    // MARK: parameters

    private mutating func setTLS(_ name: String, _ value: String) throws(ConnectError) {
        switch name.lowercased() {
        case "sslmode":
            switch value.lowercased().replacing("-", with: "_") {
            case "disable", "disabled": options.tls.mode = .disabled
            case "prefer", "preferred": options.tls.mode = .preferred
            case "require", "required", "trust": options.tls.mode = .required
            case "verify_ca": options.tls.mode = .verifyCA
            case "verify_full", "verify_identity": options.tls.mode = .verifyIdentity
            default: throw .config("Parameter sslMode of connection.url has an unknown value: \(value)")
            }
        case "usessl":
            if try !boolean(name, value) {
                options.tls.mode = .disabled
            } else if options.tls.mode == .disabled {
                options.tls.mode = .preferred
            }
        case "requiressl":
            if try boolean(name, value), options.tls.mode == .preferred { options.tls.mode = .required }
        case "verifyservercertificate":
            if try boolean(name, value) { options.tls.mode = .verifyCA }
        default:
            if try boolean(name, value) { options.tls.mode = .required }
        }
    }

    private func milliseconds(_ name: String, _ value: String) throws(ConnectError) -> Duration {
        guard let number = Int64(value), number >= 0 else {
            throw .config("Parameter \(name) of connection.url is no number of milliseconds: \(value)")
        }
        return .milliseconds(number)
    }

    private func boolean(_ name: String, _ value: String) throws(ConnectError) -> Bool {
        switch value.lowercased() {
        case "true", "1", "yes", "": return true
        case "false", "0", "no": return false
        default: throw .config("Parameter \(name) of connection.url must be true or false: \(value)")
        }
    }

    private func zeroDates(_ value: String) throws(ConnectError) -> DecodingOptions.ZeroDates {
        switch value.lowercased() {
        case "exception": return .fail
        case "convert_to_null", "converttonull": return .null
        case "round": return .round
        default: throw .config("Parameter zeroDateTimeBehavior of connection.url has an unknown value: \(value)")
        }
    }
}
