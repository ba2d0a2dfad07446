import ConnectAPI
import TransportSecurity

/// Reads `listeners` and `admin.listeners`, and the settings of TLS that belong to them.
enum RESTListeners {
    /// `http://host:port` and `https://host:port`; no host means all interfaces.
    static func parse(_ configuration: WorkerConfiguration) throws(ConnectError) -> [RESTConfiguration.Listener] {
        guard let admin = configuration.adminListeners else {
            return try parse(configuration.listeners, .everything, configuration)
        }
        return try parse(configuration.listeners, .withoutAdmin, configuration) + parse(admin, .admin, configuration)
    }

    private static func parse(
        _ texts: [String], _ scope: RESTPolicy.Scope, _ configuration: WorkerConfiguration
    ) throws(ConnectError) -> [RESTConfiguration.Listener] {
        var listeners: [RESTConfiguration.Listener] = []
        for text in texts {
            let scheme = text.prefix { $0 != ":" }.lowercased()
            guard ["http", "https"].contains(scheme),
                let rest = String(text.dropFirst(scheme.count)).suffix(after: "://")
            else { throw .config("listeners: \(text) cannot be used: it must begin with http:// or https://") }
            guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
                (0...65535).contains(port)
            else { throw .config("listeners: \(text) needs a port, as in http://127.0.0.1:8083") }
            var host = String(rest[..<colon])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            var listener = RESTConfiguration.Listener(host: host.isEmpty ? "0.0.0.0" : host, port: port)
            listener.scope = scope
            if scheme == "https" { listener.tls = try settings(configuration.properties) }
            listeners.append(listener)
        }
        return listeners
    }

    /// As Connect: the settings that begin with `listeners.https.` if there is one, else those without.
    static func settings(_ properties: [String: String]) throws(ConnectError) -> TLSSettings {
        let prefix = properties.keys.contains { $0.hasPrefix("listeners.https.") } ? "listeners.https." : ""
        do throws(TLSError) {
            return try TLSSettings { properties[prefix + $0]?.trimmed }
        } catch {
            throw .config("\(prefix.isEmpty ? "" : prefix + ": ")\(error.message)")
        }
    }
}

extension WorkerConfiguration {
    /// `rest.advertised.listener`, or how the first listener talks: `http` or `https`.
    public var advertisedScheme: String {
        let text = properties["rest.advertised.listener"]?.trimmed ?? listeners.first ?? ""
        return text.lowercased().hasPrefix("https") ? "https" : "http"
    }

    /// How this worker talks to others: over TLS with the settings of its own https listener.
    var workerRESTClient: WorkerRESTClient {
        WorkerRESTClient(tls: try? RESTListeners.settings(properties))
    }
}
