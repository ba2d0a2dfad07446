import ConnectAPI
import OrderedCollections

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The files that a provider may read: `allowed.paths`, a list of folders and files; all if it is not given.
struct AllowedPaths: Sendable {
    private let allowed: [String]?

    init(_ parameters: [String: String]) throws(ConnectError) {
        guard let given = parameters["allowed.paths"] else {
            allowed = nil
            return
        }
        var allowed: [String] = []
        for path in given.list {
            guard path.hasPrefix("/"), let real = Self.real(path) else {
                throw .config("allowed.paths: \(path) is not the absolute path of a folder or file that exists")
            }
            allowed.append(real)
        }
        self.allowed = allowed
    }

    /// The bytes of a file. Links are followed before the path is compared with those that are allowed.
    func read(_ path: String) throws(ConnectError) -> [UInt8] {
        guard let real = Self.real(path) else { throw .config("\(path): there is no such file") }
        if let allowed, !allowed.contains(where: { real == $0 || real.hasPrefix($0 == "/" ? $0 : $0 + "/") }) {
            throw .config("\(path) is not in allowed.paths")
        }
        do {
            return try DurableFile.bytes(of: real)
        } catch {
            throw .config("\(path) cannot be read: \(error)")
        }
    }

    private static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// `${file:/path/of.properties:key}`: a property of a file (Kafka's `FileConfigProvider`).
struct FileConfigProvider: ConfigProvider {
    static let className = "org.apache.kafka.common.config.provider.FileConfigProvider"
    private let paths: AllowedPaths

    init(parameters: [String: String]) throws(ConnectError) {
        paths = try AllowedPaths(parameters)
    }

    func value(of key: String, at path: String) throws(ConnectError) -> String {
        let text = String(decoding: try paths.read(path), as: UTF8.self)
        guard let properties = JavaProperties.parse(text) else { throw .config("\(path) is no properties file") }
        guard let value = properties[key] else { throw .config("\(path) has no property \(key)") }
        return value
    }
}

/// `${directory:/path:file}`: the whole of a file in a folder, as Kubernetes mounts secrets (Kafka's
/// `DirectoryConfigProvider`).
struct DirectoryConfigProvider: ConfigProvider {
    static let className = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
    private let paths: AllowedPaths

    init(parameters: [String: String]) throws(ConnectError) {
        paths = try AllowedPaths(parameters)
    }

    func value(of key: String, at path: String) throws(ConnectError) -> String {
        guard !key.isEmpty, !key.contains("/"), key != "..", key != "." else {
            throw .config("\(key) is not the name of a file in \(path)")
        }
        return String(decoding: try paths.read("\(path)/\(key)"), as: UTF8.self)
    }
}

/// `${env:NAME}`: an environment variable of the worker (Kafka's `EnvVarConfigProvider`). `allowlist.pattern` is a
/// regular expression of the names that may be read.
struct EnvVarConfigProvider: ConfigProvider {
    static let className = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
    private let pattern: String?

    init(parameters: [String: String]) throws(ConnectError) {
        pattern = parameters["allowlist.pattern"]
        if let pattern { _ = try JavaRegex(pattern) }
    }

    func value(of key: String, at path: String) throws(ConnectError) -> String {
        if let pattern, try !JavaRegex(pattern).matches(key) {
            throw .config("the environment variable \(key) is not in allowlist.pattern")
        }
        guard path.isEmpty, let value = getenv(key) else { throw .config("there is no environment variable \(key)") }
        return String(cString: value)
    }
}
