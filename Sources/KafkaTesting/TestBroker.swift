public import KafkaBroker
public import Logging
import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A real broker inside the test's process, on a free port, with a data folder of its own.
///
/// ```swift
/// let broker = try await TestBroker.start()
/// // … connect to broker.bootstrapServers …
/// await broker.stop()
/// ```
public final class TestBroker: Sendable {
    /// The broker.
    public let broker: Broker
    /// Where it keeps its logs; removed by `stop` if `start` made it.
    public let dataDirectory: String
    /// The port that clients connect to: its own, or its ``interceptor``'s.
    public let port: Int
    /// What stands before it, if it was started with ``startIntercepted(properties:configure:)``.
    public let interceptor: BrokerInterceptor?
    private let ownsDirectory: Bool

    /// `host:port`, as clients want it.
    public var bootstrapServers: String { "127.0.0.1:\(port)" }

    private init(
        broker: Broker, dataDirectory: String, port: Int, interceptor: BrokerInterceptor?, ownsDirectory: Bool
    ) {
        self.broker = broker
        self.interceptor = interceptor
        self.dataDirectory = dataDirectory
        self.port = port
        self.ownsDirectory = ownsDirectory
    }

    /// Starts a broker.
    ///
    /// - Parameters:
    ///   - dataDirectory: Folder of an earlier broker to go on with; by default a new temporary one.
    ///   - properties: Settings under Kafka's names.
    ///   - logger: Told what the broker has to say; by default nothing is printed.
    ///   - configure: Last changes to the configuration.
    public static func start(
        dataDirectory: String? = nil, properties: [String: String] = [:], logger: Logger? = nil,
        configure: (inout BrokerConfiguration) -> Void = { _ in }
    ) async throws -> TestBroker {
        try await start(
            dataDirectory: dataDirectory, properties: properties, logger: logger, interceptor: nil,
            configure: configure)
    }

    static func start(
        dataDirectory: String? = nil, properties: [String: String], logger: Logger? = nil,
        interceptor: BrokerInterceptor?, configure: (inout BrokerConfiguration) -> Void
    ) async throws -> TestBroker {
        var configuration = try BrokerConfiguration(properties: properties)
        configuration.host = "127.0.0.1"
        configuration.port = 0
        let directory = try dataDirectory ?? makeTemporaryDirectory()
        configuration.dataDirectory = directory
        configure(&configuration)
        let broker = Broker(
            configuration: configuration,
            logger: logger ?? Logger(label: "test.broker") { _ in SwiftLogNoOpLogHandler() })
        let address = try await broker.start()
        interceptor?.setTarget(address.port)
        return TestBroker(
            broker: broker, dataDirectory: directory, port: interceptor?.port ?? address.port,
            interceptor: interceptor, ownsDirectory: dataDirectory == nil)
    }

    /// Stops the broker; its temporary folder is removed unless it is to be used again.
    public func stop(keepingData: Bool = false) async {
        await interceptor?.stop()
        await broker.shutdown()
        if ownsDirectory && !keepingData { Self.removeDirectory(dataDirectory) }
    }

    /// Makes a folder under the system's one for temporary files.
    public static func makeTemporaryDirectory() throws -> String {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/sluice-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw BrokerError(.storage, "No temporary folder can be made in \(base): errno \(errno).")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a folder and all that is in it.
    public static func removeDirectory(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
                }
                guard name != ".", name != ".." else { continue }
                let child = "\(path)/\(name)"
                if unlink(child) != 0 { removeDirectory(child) }
            }
            closedir(directory)
        }
        rmdir(path)
    }
}
