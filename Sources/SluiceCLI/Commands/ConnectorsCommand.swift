import ArgumentParser
import ConnectAPI
import ConnectRuntime
import OrderedCollections

/// `sluice connectors`
struct ConnectorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connectors",
        abstract: "List, create, change and watch connectors of a Connect worker.",
        discussion: """
            Works with every worker that has Kafka Connect's REST interface. Prints
            tables for people, and with --json the worker's own JSON for scripts.

            Examples:
              sluice connectors list
              sluice connectors apply source.json sink.properties
              sluice connectors status my-source
              sluice connectors restart my-sink --tasks --only-failed
              sluice connectors watch
            """,
        subcommands: [
            ListConnectors.self, ConnectorStatusCommand.self, ApplyConnectors.self, PauseConnectors.self,
            ResumeConnectors.self, StopConnectors.self, RestartConnectors.self, DeleteConnectors.self,
            ConnectorOffsetsCommand.self, ConnectorPluginsCommand.self, WatchConnectors.self,
        ],
        defaultSubcommand: ListConnectors.self
    )
}

/// Where the worker is, and who asks.
struct ConnectorsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The worker's REST address.", valueName: "url"))
    var url: String = "http://localhost:8083"

    @Option(help: ArgumentHelp("A file with `name:password`, or with a token alone.", valueName: "path"))
    var credentials: String?

    @Flag(help: "Print JSON.")
    var json = false

    func client() throws(CommandFailure) -> ConnectRESTClient {
        guard let credentials else { return ConnectRESTClient(url: url) }
        let text = try TextFile.contents(path: credentials).trimmed
        guard let colon = text.firstIndex(of: ":") else {
            return ConnectRESTClient(url: url, authorization: "Bearer " + text)
        }
        return ConnectRESTClient(
            url: url,
            authorization: ConnectRESTClient.basic(
                user: String(text[..<colon]), password: String(text[text.index(after: colon)...])))
    }
}

extension ConnectRESTClient {
    /// Asks about one connector.
    func connector(_ method: Method, _ name: String, _ rest: String = "", body: JSONValue? = nil) async throws
        -> JSONValue
    {
        try await call(method, "/connectors/" + Self.segment(name) + rest, body: body)
    }
}

// MARK: - Looking

/// `sluice connectors list`
struct ListConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print all connectors with their states (the default).")

    @OptionGroup var options: ConnectorsOptions

    func run() async throws {
        let all = try await options.client().call(.get, "/connectors?expand=status&expand=info")
        if options.json { return Terminal.print(all.text) }
        for line in ConnectorTable(all).lines { Terminal.print(line) }
    }
}

/// `sluice connectors status`
struct ConnectorStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Print a connector's state, its tasks', and why one failed.")

    @Argument(help: "The connector.")
    var name: String

    @OptionGroup var options: ConnectorsOptions

    func run() async throws {
        let status = try await options.client().connector(.get, name, "/status")
        if options.json { return Terminal.print(status.text) }
        var table = TextTable([
            .init(title: "PART", minimumWidth: 10), .init(title: "STATE", minimumWidth: 10),
            .init(title: "WORKER", minimumWidth: 10),
        ])
        var traces: [(String, String)] = []
        func add(_ part: String, _ state: JSONValue?) {
            table.add([part, state?["state"]?.stringValue, state?["worker_id"]?.stringValue])
            if let trace = state?["trace"]?.stringValue { traces.append((part, trace)) }
        }
        add("connector", status["connector"])
        for task in status["tasks"]?.arrayValue ?? [] { add("task \(task["id"]?.integerValue ?? 0)", task) }
        for line in table.lines { Terminal.print(line) }
        for (part, trace) in traces { Terminal.print("\n\(part): \(trace)") }
    }
}

/// `sluice connectors plugins`
struct ConnectorPluginsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugins", abstract: "Print what the worker can run.")

    @Flag(help: "Converters, transformations and predicates too.")
    var all = false

    @OptionGroup var options: ConnectorsOptions

    func run() async throws {
        let plugins = try await options.client().call(.get, "/connector-plugins?connectorsOnly=\(!all)")
        if options.json { return Terminal.print(plugins.text) }
        var table = TextTable([
            .init(title: "TYPE", minimumWidth: 10), .init(title: "VERSION", minimumWidth: 8),
            .init(title: "CLASS", minimumWidth: 10),
        ])
        for plugin in plugins.arrayValue ?? [] {
            table.add([plugin["type"]?.stringValue, plugin["version"]?.stringValue, plugin["class"]?.stringValue])
        }
        for line in table.lines { Terminal.print(line) }
    }
}

/// `sluice connectors watch`
struct WatchConnectors: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Show all connectors, again and again, until Ctrl-C.")

    @Option(help: ArgumentHelp("Seconds between two looks.", valueName: "seconds"))
    var interval: Double = 1

    @OptionGroup var options: ConnectorsOptions

    func validate() throws {
        guard interval >= 0.1, interval <= 3600 else {
            throw ValidationError("--interval must be from 0.1 to 3600 seconds")
        }
    }

    func run() async throws {
        let client = try options.client()
        let (json, interval) = (options.json, interval)
        let isLive = Descriptor.standardOutput.isTerminal
        try await StopSignal().run {
            while true {
                var lines: [String]
                do {
                    let all = try await client.call(.get, "/connectors?expand=status&expand=info")
                    lines = json ? [all.text] : ConnectorTable(all).lines
                } catch {
                    // A worker that is started anew is back in a moment.
                    lines = ["\(error)"]
                }
                // Home, each line to its end, and what was below.
                if isLive, !json {
                    lines = ["\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J"]
                }
                for line in lines { Terminal.print(line) }
                try await Task.sleep(for: .seconds(interval))
            }
        }.get()
    }
}

/// One line for each connector.
struct ConnectorTable {
    private(set) var lines: [String]

    /// - Parameter all: `GET /connectors?expand=status&expand=info`.
    init(_ all: JSONValue) {
        var table = TextTable([
            .init(title: "NAME", minimumWidth: 20), .init(title: "TYPE", minimumWidth: 6),
            .init(title: "STATE", minimumWidth: 10), .init(title: "TASKS", minimumWidth: 20),
            .init(title: "WORKERS", minimumWidth: 10),
        ])
        for (name, entry) in (all.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            let status = entry["status"]
            let tasks = status?["tasks"]?.arrayValue ?? []
            let counts = Dictionary(grouping: tasks.compactMap { $0["state"]?.stringValue }, by: \.self)
                .sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }
            let parts = [status?["connector"]].compactMap(\.self) + tasks
            let workers = Set(parts.compactMap { $0["worker_id"]?.stringValue })
            table.add([
                name, status?["type"]?.stringValue, status?["connector"]?["state"]?.stringValue,
                counts.isEmpty ? "none" : counts.joined(separator: ", "), workers.sorted().joined(separator: ", "),
            ])
        }
        lines = table.lines
    }
}
