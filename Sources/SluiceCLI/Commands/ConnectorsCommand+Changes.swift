import ArgumentParser
import ConnectAPI
import ConnectRuntime
import OrderedCollections

/// `sluice connectors apply`
struct ApplyConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Create connectors from files, or change them to what the files say.",
        discussion: """
            Files are properties or JSON: a flat object, or what POST /connectors takes.
            Applying the same files again changes nothing.
            """)

    @Argument(help: ArgumentHelp("The connectors' files.", valueName: "file"))
    var files: [String]

    @OptionGroup var options: ConnectorsOptions

    func run() async throws {
        // All files are read before the first is sent: a mistake in one leaves all as it is.
        let connectors = try files.map { try ConnectStandaloneCommand.connector(path: $0) }
        let client = try options.client()
        var results: OrderedDictionary<String, JSONValue> = [:]
        for connector in connectors {
            let result = try await apply(connector, client)
            results[connector.name] = .string(result)
            if !options.json { Terminal.print("\(connector.name) \(result)") }
        }
        if options.json { Terminal.print(JSONValue.object(results).text) }
    }

    private func apply(
        _ connector: StandaloneWorker.ConnectorFile, _ client: ConnectRESTClient
    ) async throws -> String {
        let config = JSONValue.object(connector.config.mapValues { .string($0) })
        let stored: JSONValue
        do {
            stored = try await client.connector(.get, connector.name, "/config")
        } catch let error as ConnectRESTClient.Failure where error.status == 404 {
            var body: OrderedDictionary<String, JSONValue> = ["name": .string(connector.name), "config": config]
            if let state = connector.initialState {
                body["initial_state"] = .string(state == .started ? "RUNNING" : state.rawValue)
            }
            _ = try await client.call(.post, "/connectors", body: .object(body))
            return "created"
        }
        if Self.isSame(stored, connector.config) { return "unchanged" }
        _ = try await client.connector(.put, connector.name, "/config", body: config)
        return "changed"
    }

    /// Hidden passwords differ from those in the file: such a connector is always sent, and the worker finds that
    /// nothing has changed.
    private static func isSame(_ stored: JSONValue, _ given: OrderedDictionary<String, String>) -> Bool {
        guard let stored = stored.objectValue, stored.count == given.count else { return false }
        return given.allSatisfy { stored[$0.key]?.stringValue == $0.value }
    }
}

/// What a command that acts on connectors by name takes.
struct NamedConnectors: ParsableArguments {
    @Argument(help: ArgumentHelp("The connectors.", valueName: "name"))
    var names: [String]

    @OptionGroup var options: ConnectorsOptions

    func validate() throws {
        if names.isEmpty { throw ValidationError("name a connector") }
    }

    /// Does it to each, and tells so.
    func each(
        _ method: ConnectRESTClient.Method, _ rest: String, _ done: String
    ) async throws {
        let client = try options.client()
        for name in names {
            let answer = try await client.connector(method, name, rest)
            if options.json {
                if answer != .null { Terminal.print(answer.text) }
            } else {
                Terminal.print("\(name) \(done)")
            }
        }
    }
}

/// `sluice connectors pause`
struct PauseConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Let the tasks rest; they stay.")

    @OptionGroup var connectors: NamedConnectors

    func run() async throws { try await connectors.each(.put, "/pause", "pauses") }
}

/// `sluice connectors resume`
struct ResumeConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let paused or stopped connectors run.")

    @OptionGroup var connectors: NamedConnectors

    func run() async throws { try await connectors.each(.put, "/resume", "runs") }
}

/// `sluice connectors stop`
struct StopConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Shut the tasks down; offsets can be changed then.")

    @OptionGroup var connectors: NamedConnectors

    func run() async throws { try await connectors.each(.put, "/stop", "stopped") }
}

/// `sluice connectors delete`
struct DeleteConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete connectors; the offsets of sources stay.")

    @OptionGroup var connectors: NamedConnectors

    func run() async throws { try await connectors.each(.delete, "", "deleted") }
}

/// `sluice connectors restart`
struct RestartConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Restart connectors, and with --tasks their tasks.")

    @Flag(help: "Their tasks too.")
    var tasks = false

    @Flag(help: "Only what has failed.")
    var onlyFailed = false

    @OptionGroup var connectors: NamedConnectors

    func run() async throws {
        try await connectors.each(
            .post, "/restart?includeTasks=\(tasks)&onlyFailed=\(onlyFailed)", "restarts")
    }
}

/// `sluice connectors offsets`
struct ConnectorOffsetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offsets", abstract: "Print a connector's offsets, or change those of a stopped one.")

    @Argument(help: "The connector.")
    var name: String

    @Flag(help: "Remove all offsets: the connector begins anew.")
    var reset = false

    @Option(
        help: ArgumentHelp(
            "A JSON file of the form that is printed with --json; a null offset is removed.", valueName: "file"))
    var set: String?

    @OptionGroup var options: ConnectorsOptions

    func validate() throws {
        if reset, set != nil { throw ValidationError("--reset and --set exclude each other") }
    }

    func run() async throws {
        let client = try options.client()
        if reset { return tell(try await client.connector(.delete, name, "/offsets")) }
        if let set {
            let text = try TextFile.contents(path: set)
            guard let offsets = try? JSONValue(parsing: text.utf8) else {
                throw CommandFailure("\(set) is not JSON")
            }
            return tell(try await client.connector(.patch, name, "/offsets", body: offsets))
        }
        let offsets = try await client.connector(.get, name, "/offsets")
        if options.json { return Terminal.print(offsets.text) }
        var table = TextTable([
            .init(title: "PARTITION", minimumWidth: 30), .init(title: "OFFSET", minimumWidth: 10),
        ])
        for entry in offsets["offsets"]?.arrayValue ?? [] {
            table.add([entry["partition"]?.text, entry["offset"]?.text])
        }
        for line in table.lines { Terminal.print(line) }
    }

    private func tell(_ answer: JSONValue) {
        Terminal.print(options.json ? answer.text : answer["message"]?.stringValue ?? "done")
    }
}
